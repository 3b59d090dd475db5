"""Which objects were found: boxes or masks that overlap, taken best score first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "IGNORED",
    "RIGHT",
    "WRONG",
    "FoundObjects",
    "MatchCurve",
    "TrueObjects",
    "box_overlaps",
    "mask_overlaps",
    "match_objects",
]

RIGHT, WRONG, IGNORED = 1, 0, -1
"""What became of a detection: it is an object, it is none, or it lies in a crowd of its class."""


@dataclass(frozen=True, kw_only=True)
class TrueObjects:
    """The T objects of a picture as they are."""

    instances: np.ndarray
    """What each pixel belongs to, (H, W) uint8 or uint16."""
    values: np.ndarray
    """What the pixels of each object hold, (T,) integers."""
    class_ids: np.ndarray
    """Their classes, (T,) integers."""
    crowd: np.ndarray
    """Whether it is a crowd, several objects that nobody told apart, (T,) bool."""
    boxes_xywh: np.ndarray
    """Left, top, width and height of the smallest box around each, (T, 4) integers, in pixels."""
    areas: np.ndarray
    """Pixels of each, (T,) integers."""


@dataclass(frozen=True, kw_only=True)
class FoundObjects:
    """The N objects of a picture as they were found, in any order."""

    boxes_xyxy: np.ndarray
    """Left, top, right, bottom in pixels, (N, 4) float."""
    scores: np.ndarray
    """(N,) float in 0..1."""
    class_ids: np.ndarray
    """Their classes, (N,) integers."""
    masks: Sequence[tuple[int, int, np.ndarray]]
    """Of each its first row, its first column, and its pixels from there on, (h, w) bool."""


def box_overlaps(found: FoundObjects, true: TrueObjects) -> np.ndarray:
    """IoU of the boxes, (N, T) float64; with a crowd the share of the detection that lies in it."""
    one = found.boxes_xyxy.astype(np.float64)
    other = true.boxes_xywh.astype(np.float64)
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, 2:], other[:, :2] + other[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1)
    return _shares(shared, areas, other[:, 2:].prod(axis=1), true.crowd)


def mask_overlaps(found: FoundObjects, true: TrueObjects) -> np.ndarray:
    """IoU of the masks, (N, T) float64; with a crowd the share of the detection that lies in it.

    True masks never overlap, so one look at the pixels of a detection tells all its intersections.
    """
    count = len(true.values)
    places = np.full(np.iinfo(true.instances.dtype).max + 1, count, np.uint16)
    places[true.values] = np.arange(count)
    owners = places[true.instances]  # (H, W), the place of each pixel's object
    shared = np.zeros((len(found.masks), count))
    areas = np.zeros(len(found.masks))
    for row, (top, left, inside) in enumerate(found.masks):
        height, width = inside.shape
        there = owners[top : top + height, left : left + width][inside]
        areas[row] = there.size
        shared[row] = np.bincount(there, minlength=count + 1)[:count]
    return _shares(shared, areas, true.areas, true.crowd)


def _shares(
    shared: np.ndarray, found: np.ndarray, true: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """Intersections, (N, T), and areas, (N,) and (T,), as the share that counts."""
    whole = found[:, None] + np.where(crowd, 0, true - shared)
    return shared / np.maximum(whole, np.finfo(float).tiny)


def match_objects(
    overlaps: np.ndarray, found: FoundObjects, true: TrueObjects, *, iou: float = 0.5
) -> np.ndarray:
    """What became of each detection, best score first, as COCO matches.

    A detection takes the object of its class that it overlaps most, by `iou` at least, of those that
    no better one has. Where there is none, it is ignored if it lies in a crowd of its class by as
    much, else wrong.

    Args:
        overlaps: (N, T), see `box_overlaps` and `mask_overlaps`.
        found: The detections.
        true: The objects.
        iou: 0..1.

    Returns:
        `RIGHT`, `WRONG` or `IGNORED`, (N,) int8.
    """
    possible = (found.class_ids[:, None] == true.class_ids) & (overlaps >= iou)
    outcome = np.full(len(found.scores), WRONG, np.int8)
    free = ~true.crowd
    for place in np.argsort(-found.scores, kind="stable"):
        if not possible[place].any():
            continue
        partners = np.flatnonzero(possible[place] & free)
        if partners.size:
            best = partners[::-1][
                overlaps[place, partners[::-1]].argmax()
            ]  # the last of equal ones
            free[best] = False
            outcome[place] = RIGHT
        elif possible[place, true.crowd].any():
            outcome[place] = IGNORED
    return outcome


@dataclass(frozen=True, kw_only=True)
class MatchCurve:
    """Precision and recall over all thresholds, from the highest score down.

    A detection counts where its score is above the threshold.
    """

    scores: np.ndarray
    """The M different scores, falling, (M,) float: all detections down to and with it are in."""
    right: np.ndarray
    """Detections so far that are objects, (M,) int64."""
    wrong: np.ndarray
    """Those that are none, (M,) int64."""
    objects: int
    """Objects that there are."""

    @classmethod
    def of(cls, scores: np.ndarray, outcomes: np.ndarray, objects: int) -> MatchCurve:
        """The curve of detections: scores, (N,) float, and what became of each, (N,) int8."""
        order = np.argsort(-scores, kind="stable")
        scores, outcomes = scores[order], outcomes[order]
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
        return cls(
            scores=scores[last],
            right=(outcomes == RIGHT).cumsum()[last],
            wrong=(outcomes == WRONG).cumsum()[last],
            objects=objects,
        )

    @property
    def precision(self) -> np.ndarray:
        """Share of the detections so far that are objects, (M,) float64; 1 where all are ignored."""
        taken = self.right + self.wrong
        return np.where(taken, self.right / np.maximum(taken, 1), 1.0)

    @property
    def recall(self) -> np.ndarray:
        """Share of the objects that were found so far, (M,) float64; nan where there is none."""
        return self.right / self.objects if self.objects else np.full(len(self.right), np.nan)

    def at(self, threshold: float) -> tuple[int, int]:
        """Right and wrong detections above a threshold."""
        count = int(np.count_nonzero(self.scores > threshold))  # as float32, if the scores are
        return (int(self.right[count - 1]), int(self.wrong[count - 1])) if count else (0, 0)

    def best_threshold(self) -> float | None:
        """The threshold with the best F1, half-way to the next score below; the highest of equal ones.
        None where no detection is an object."""
        if not len(self.right) or not self.right[-1]:
            return None
        f1 = 2 * self.right / (self.right + self.wrong + self.objects)
        best = int(f1.argmax())
        below = self.scores[best + 1] if best + 1 < len(self.scores) else self.scores.dtype.type(0)
        middle = (self.scores[best] + below) / 2
        return float(middle if middle < self.scores[best] else below)
