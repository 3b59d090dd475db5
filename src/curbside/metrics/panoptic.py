"""Panoptic quality: how well segments are found, and how well they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import LabelError
from ..labels import IGNORE_ID, PER_CLASS, LabelClass, LabelSpace

__all__ = ["ClassQuality", "PanopticScores", "PanopticSummary", "Quality"]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Panoptic quality and its two parts, each 0..1, as means over classes."""

    pq: float
    """Panoptic quality: `sq` times `rq` within a class."""
    sq: float
    """Segmentation quality: mean IoU of the segments that were found."""
    rq: float
    """Recognition quality: F1 of finding segments."""
    classes: int
    """How many classes the means are over: those with a segment in truth or prediction."""


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """The panoptic quality of one class; None where it has no segment in truth or prediction."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    thing: bool
    """Whether single objects of it are told apart."""
    pq: float | None
    """Panoptic quality, 0..1."""
    sq: float | None
    """Mean IoU of the segments that were found; 0 where none was."""
    rq: float | None
    """F1 of finding segments."""
    found: int
    """Segments of the truth that were found."""
    missed: int
    """Segments of the truth that were not."""
    wrong: int
    """Segments of the prediction that are none."""


@dataclass(frozen=True, kw_only=True)
class PanopticSummary:
    """The scores in numbers; a mean is None where it is over no class."""

    all: Quality | None
    """Over all classes."""
    things: Quality | None
    """Over those with single objects."""
    stuff: Quality | None
    """Over the others."""
    classes: tuple[ClassQuality, ...]
    """Class by class, in the label space's order."""


class PanopticScores:
    """Panoptic quality, streaming; mergeable with `+=`.

    A segment is found where one of its class overlaps it by an IoU above one half; there is at most
    one. Void pixels of the truth (255) are taken out of the union. A segment of the prediction that
    lies mostly on void, or on what the truth does not tell apart of its class, is not wrong; such a
    crowd is not missed either. Pixels that the prediction gives a thing's class, but no object, are
    void there. So do the official tools (panopticapi).

    Args:
        space: The classes; those with instances are things.

    Raises:
        ValueError: The class 0 has instances: its objects cannot be told from plain class ids.

    Source: Kirillov et al. 2019, Panoptic Segmentation.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self._known = space.known.copy()
        self._thing = np.zeros(256, bool)
        self._thing[[item.id for item in space.classes if item.has_instances]] = True
        if self._thing[0]:
            raise ValueError(f"class 0 of {space.name} has instances, which no map can hold")
        self._found, self._missed, self._wrong = np.zeros((3, 256), np.int64)
        self._iou = np.zeros(256)

    def update(self, truth: np.ndarray, predicted: np.ndarray) -> PanopticScores:
        """Score a picture.

        Args:
            truth: (H, W) integers as in a prepared instance map: class * 1000 + index where an object
                is told apart, else the plain class id, 255 where nothing is known.
            predicted: The same of the prediction.

        Returns:
            The scores of this picture alone.

        Raises:
            LabelError: A value belongs to no class, or to one without instances.
        """
        alone = PanopticScores(self.space)
        alone._count(truth, predicted)
        self += alone
        return alone

    def __iadd__(self, other: PanopticScores) -> PanopticScores:
        """Add the pictures that other scores of the same classes have counted."""
        if other.space.ids != self.space.ids or not np.array_equal(other._thing, self._thing):
            raise ValueError(
                f"cannot add scores of {other.space.name} to those of {self.space.name}"
            )
        self._found += other._found
        self._missed += other._missed
        self._wrong += other._wrong
        self._iou += other._iou
        return self

    def summary(self) -> PanopticSummary:
        """The scores so far."""
        classes = tuple(self._of_class(item) for item in self.space.classes)
        return PanopticSummary(
            all=_mean(classes),
            things=_mean(item for item in classes if item.thing),
            stuff=_mean(item for item in classes if not item.thing),
            classes=classes,
        )

    def _of_class(self, item: LabelClass) -> ClassQuality:
        found, missed, wrong = (
            int(counts[item.id]) for counts in (self._found, self._missed, self._wrong)
        )
        total = found + (missed + wrong) / 2
        iou = float(self._iou[item.id])
        return ClassQuality(
            id=item.id,
            name=item.name,
            thing=item.has_instances,
            pq=iou / total if total else None,
            sq=iou / max(found, 1) if total else None,
            rq=found / total if total else None,
            found=found,
            missed=missed,
            wrong=wrong,
        )

    def _count(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Match the segments of a picture; no loop over them."""
        true, given, pixels = _overlaps(truth, predicted)  # (T,), (P,), (T, P)
        true_class, true_object = self._classes(true, "truth")
        given_class, given_object = self._classes(given, "prediction")
        void = true_class == IGNORE_ID
        crowd = self._thing[true_class] & ~true_object
        counted = ~void & ~crowd
        # What is of a thing's class but of no object is nobody's.
        shown = (given_class != IGNORE_ID) & (given_object | ~self._thing[given_class])
        true_area, given_area = pixels.sum(axis=1), pixels.sum(axis=0)
        on_void = pixels[void].sum(axis=0)  # (P,)
        same = true_class[:, None] == given_class
        union = true_area[:, None] + given_area - pixels - on_void
        hits = same & counted[:, None] & shown & (2 * pixels > union)
        rows, columns = np.nonzero(hits)
        np.add.at(self._iou, true_class[rows], pixels[rows, columns] / union[rows, columns])
        excused = on_void + (pixels * (same & crowd[:, None])).sum(axis=0)
        missed = counted & ~hits.any(axis=1)
        wrong = shown & ~hits.any(axis=0) & (2 * excused <= given_area)
        for counts, classes in (
            (self._found, true_class[rows]),
            (self._missed, true_class[missed]),
            (self._wrong, given_class[wrong]),
        ):
            counts += np.bincount(classes, minlength=256)

    def _classes(self, values: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
        """The class of each value, and whether it is an object."""
        single = values >= PER_CLASS
        classes = np.where(single, values // PER_CLASS, values)
        inside = np.minimum(classes, IGNORE_ID)
        known = (classes < 256) & np.where(single, self._thing[inside], self._known[inside])
        if not known.all():
            raise LabelError(
                f"the {where} holds the value {values[~known][0]}, which is neither a class of "
                f"{self.space.name} nor an object of one with instances",
                fix="score with the label space of the maps (class * 1000 + index, or a class id)",
            )
        return classes, single


def _overlaps(
    truth: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of two maps, (T,) and (P,), and the pixels that each two share, (T, P) int64.

    Neighbours that are alike in both are counted as one.
    """
    if truth.ndim != 2 or truth.shape != predicted.shape or truth.size == 0:
        raise ValueError(f"maps must be (H, W), not {truth.shape} and {predicted.shape}")
    if truth.dtype.kind not in "iu" or predicted.dtype.kind not in "iu":
        raise ValueError(f"maps must hold integers, not {truth.dtype} and {predicted.dtype}")
    one, other = truth.ravel(), predicted.ravel()
    changes = one[1:] != one[:-1]
    changes |= other[1:] != other[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=one.size)
    (true, rows), (given, columns) = _numbered(one[starts]), _numbered(other[starts])
    shape = len(true), len(given)
    pixels = np.bincount(rows * shape[1] + columns, lengths, shape[0] * shape[1])
    return true, given, pixels.astype(np.int64).reshape(shape)


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values, rising, and the place of each among them; as np.unique, without sorting."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 256 * PER_CLASS:
        raise LabelError(
            f"a map holds the value {low if low < 0 else high}, which is no segment",
            fix="give class * 1000 + index, or a plain class id",
        )
    seen = np.zeros(high + 1, bool)
    seen[values] = True
    different = np.flatnonzero(seen)
    places = np.empty(high + 1, np.intp)
    places[different] = np.arange(len(different))
    return different, places[values]


def _mean(classes: Iterable[ClassQuality]) -> Quality | None:
    present = [(c.pq, c.sq, c.rq) for c in classes if None not in (c.pq, c.sq, c.rq)]
    if not present:
        return None
    pq, sq, rq = np.array(present, float).mean(axis=0).tolist()
    return Quality(pq=pq, sq=sq, rq=rq, classes=len(present))
