"""Scores of single objects: COCO's average precision, and what a threshold shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..imaging import compress_all, crop_counts
from ..labels import LabelClass, LabelSpace
from .average_precision import AveragePrecision, coco_scores
from .object_matches import (
    FoundObjects,
    MatchCurve,
    TrueObjects,
    box_overlaps,
    mask_overlaps,
    match_objects,
)

__all__ = [
    "InstanceClass",
    "InstanceScores",
    "InstanceSummary",
    "Kind",
    "KindScores",
    "Shown",
]

Kind = Literal["box", "mask"]
KINDS: tuple[Kind, ...] = ("box", "mask")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a person sees at a threshold: a detection above it is right where it overlaps an object of
    its class by an IoU of 0.5, one each."""

    threshold: float
    """Detections with a score above it are shown, 0..1."""
    right: int
    """Objects that were found."""
    wrong: int
    """Detections that are no object, or one that was found already; crowds are left out."""
    missed: int
    """Objects that were not found."""

    @property
    def precision(self) -> float | None:
        """Share of what is shown that is right; None where nothing is shown."""
        shown = self.right + self.wrong
        return self.right / shown if shown else None

    @property
    def recall(self) -> float | None:
        """Share of the objects that are shown; None where there is none."""
        objects = self.right + self.missed
        return self.right / objects if objects else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the two; None where nothing is shown and there is no object."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else None

    def to_dict(self) -> dict[str, Any]:
        """Counts and shares as JSON values."""
        return {
            **vars(self),
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True, kw_only=True)
class KindScores:
    """The scores of boxes, or of masks."""

    average: AveragePrecision
    """COCO's scores."""
    shown: Shown
    """What the threshold shows."""
    best: Shown | None
    """What that with the best F1 would show; None where nothing was found."""

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON values."""
        return {
            **vars(self.average),
            "shown": self.shown.to_dict(),
            "best": None if self.best is None else self.best.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class InstanceClass:
    """The scores of one class."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    objects: int
    """Objects in the truth, crowds left out."""
    crowds: int
    """Crowds in the truth."""
    box: KindScores
    """Its boxes."""
    mask: KindScores
    """Its masks."""


@dataclass(frozen=True, kw_only=True)
class InstanceSummary:
    """The scores in numbers."""

    images: int
    """Pictures."""
    objects: int
    """Objects in the truth, crowds left out."""
    crowds: int
    """Crowds in the truth: what is found in them is neither right nor wrong."""
    box: KindScores
    """Boxes: means over classes of average precision, counts over all objects."""
    mask: KindScores
    """Masks, likewise."""
    classes: tuple[InstanceClass, ...]
    """Class by class, in the label space's order."""

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {
            "images": self.images,
            "objects": self.objects,
            "crowds": self.crowds,
            "box": self.box.to_dict(),
            "mask": self.mask.to_dict(),
            "classes": [
                {**vars(item), "box": item.box.to_dict(), "mask": item.mask.to_dict()}
                for item in self.classes
            ],
        }


class InstanceScores:
    """Scores of single objects, streaming; mergeable with `+=`.

    Of a picture, boxes, scores and run-length coded masks are kept: a few hundred bytes per object.

    Args:
        space: The classes; all of them count as things.
        threshold: What is shown: detections with a score above it, 0..1.
    """

    def __init__(self, space: LabelSpace, *, threshold: float = 0.5) -> None:
        self.space, self.threshold = space, threshold
        self._pictures: list[_Picture] = []

    def __len__(self) -> int:
        return len(self._pictures)

    def update(self, true: TrueObjects, found: FoundObjects) -> InstanceScores:
        """Score a picture.

        Args:
            true: Its objects.
            found: What was found.

        Returns:
            The scores of this picture alone.

        Raises:
            ValueError: A class is not one of the label space.
        """
        strange = np.setdiff1d(np.append(true.class_ids, found.class_ids), self.space.ids)
        if strange.size:
            raise ValueError(f"{self.space.name} has no class {int(strange[0])}")
        alone = InstanceScores(self.space, threshold=self.threshold)
        alone._pictures = [_Picture.of(true, found)]
        self += alone
        return alone

    def __iadd__(self, other: InstanceScores) -> InstanceScores:
        """Add the pictures that other scores of the same classes have seen."""
        if other.space.ids != self.space.ids:
            raise ValueError(
                f"cannot add scores of {other.space.name} to those of {self.space.name}"
            )
        self._pictures += other._pictures
        return self

    def curve(self, kind: Kind, class_id: int | None = None) -> MatchCurve:
        """Precision and recall at an IoU of 0.5 over all thresholds.

        Args:
            kind: Boxes or masks.
            class_id: One class; all objects where not given.
        """
        scores, outcomes, objects = [], [], 0
        for item in self._pictures:
            chosen = slice(None) if class_id is None else item.found_classes == class_id
            scores.append(item.scores[chosen])
            outcomes.append(item.outcomes[kind][chosen])
            objects += item.count(class_id, crowd=False)
        if not scores:
            return MatchCurve.of(np.zeros(0), np.zeros(0, np.int8), 0)
        return MatchCurve.of(np.concatenate(scores), np.concatenate(outcomes), objects)

    def shown(self, kind: Kind, class_id: int | None = None) -> Shown:
        """What the threshold shows, of one class or of all objects."""
        return _shown(self.curve(kind, class_id), self.threshold)

    def summary(self) -> InstanceSummary:
        """The scores so far.

        Raises:
            MissingDependencyError: faster-coco-eval is not installed.
        """
        averages = {kind: self._average(kind) for kind in KINDS}
        return InstanceSummary(
            images=len(self._pictures),
            objects=self._count(None, crowd=False),
            crowds=self._count(None, crowd=True),
            classes=tuple(
                self._of_class(item, {kind: averages[kind][1][place] for kind in KINDS})
                for place, item in enumerate(self.space.classes)
            ),
            **{kind: self._kind(kind, averages[kind][0], None) for kind in KINDS},
        )

    def _of_class(self, item: LabelClass, averages: dict[Kind, AveragePrecision]) -> InstanceClass:
        return InstanceClass(
            id=item.id,
            name=item.name,
            objects=self._count(item.id, crowd=False),
            crowds=self._count(item.id, crowd=True),
            **{kind: self._kind(kind, averages[kind], item.id) for kind in KINDS},
        )

    def _kind(self, kind: Kind, average: AveragePrecision, class_id: int | None) -> KindScores:
        curve = self.curve(kind, class_id)
        best = curve.best_threshold()
        return KindScores(
            average=average,
            shown=_shown(curve, self.threshold),
            best=None if best is None else _shown(curve, best),
        )

    def _count(self, class_id: int | None, *, crowd: bool) -> int:
        return sum(item.count(class_id, crowd=crowd) for item in self._pictures)

    def _average(self, kind: Kind) -> tuple[AveragePrecision, tuple[AveragePrecision, ...]]:
        true: list[dict[str, Any]] = []
        found: list[dict[str, Any]] = []
        for number, item in enumerate(self._pictures, 1):
            true += item.annotations(number, kind)
            found += item.detections(number, kind)
        sizes = [item.size_hw for item in self._pictures]
        return coco_scores("bbox" if kind == "box" else "segm", self.space, sizes, true, found)


def _shown(curve: MatchCurve, threshold: float) -> Shown:
    right, wrong = curve.at(threshold)
    return Shown(threshold=threshold, right=right, wrong=wrong, missed=curve.objects - right)


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """What is kept of a picture."""

    size_hw: tuple[int, int]
    true_classes: np.ndarray  # (T,)
    crowd: np.ndarray  # (T,) bool
    true_boxes: np.ndarray  # (T, 4) x, y, width, height
    true_areas: np.ndarray  # (T,)
    true_runs: list[bytes]
    found_classes: np.ndarray  # (N,)
    scores: np.ndarray  # (N,)
    found_boxes: np.ndarray  # (N, 4) x, y, width, height
    found_areas: np.ndarray  # (N,)
    found_runs: list[bytes]
    outcomes: dict[Kind, np.ndarray]  # (N,) int8

    @classmethod
    def of(cls, true: TrueObjects, found: FoundObjects) -> _Picture:
        size_hw = true.instances.shape[0], true.instances.shape[1]
        corners, sides = np.split(found.boxes_xyxy.astype(np.float64), 2, axis=1)
        true_masks = [
            (y, x, true.instances[y : y + height, x : x + width] == value)
            for value, (x, y, width, height) in zip(
                true.values.tolist(), true.boxes_xywh.tolist(), strict=True
            )
        ]
        return cls(
            size_hw=size_hw,
            true_classes=true.class_ids,
            crowd=true.crowd,
            true_boxes=true.boxes_xywh,
            true_areas=true.areas,
            true_runs=_runs(true_masks, size_hw),
            found_classes=found.class_ids,
            scores=found.scores,
            found_boxes=np.hstack([corners, sides - corners]),
            found_areas=np.array([np.count_nonzero(mask) for _, _, mask in found.masks], int),
            found_runs=_runs(found.masks, size_hw),
            outcomes={
                "box": match_objects(box_overlaps(found, true), found, true),
                "mask": match_objects(mask_overlaps(found, true), found, true),
            },
        )

    def count(self, class_id: int | None, *, crowd: bool) -> int:
        """True objects, or crowds, of a class or of all."""
        chosen = self.crowd == crowd
        if class_id is not None:
            chosen = chosen & (self.true_classes == class_id)
        return int(np.count_nonzero(chosen))

    def annotations(self, number: int, kind: Kind) -> list[dict[str, Any]]:
        """The truth as COCO has it; areas are those of masks for boxes, too."""
        columns = (self.true_classes, self.true_boxes, self.true_areas, self.crowd)
        return [
            {
                "image_id": number,
                "category_id": class_id + 1,
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
                **self._segmentation(kind, runs),
            }
            for class_id, box, area, crowd, runs in zip(
                *(column.tolist() for column in columns), self.true_runs, strict=True
            )
        ]

    def detections(self, number: int, kind: Kind) -> list[dict[str, Any]]:
        """What was found as COCO has it; areas are those of boxes, or of masks."""
        areas = self.found_boxes[:, 2:].prod(axis=1) if kind == "box" else self.found_areas
        columns = (self.found_classes, self.found_boxes, areas, self.scores)
        return [
            {
                "image_id": number,
                "category_id": class_id + 1,
                "bbox": box,
                "area": area,
                "iscrowd": 0,
                "score": score,
                **self._segmentation(kind, runs),
            }
            for class_id, box, area, score, runs in zip(
                *(column.tolist() for column in columns), self.found_runs, strict=True
            )
        ]

    def _segmentation(self, kind: Kind, runs: bytes) -> dict[str, Any]:
        return (
            {"segmentation": {"size": list(self.size_hw), "counts": runs}} if kind == "mask" else {}
        )


def _runs(masks: Any, size_hw: tuple[int, int]) -> list[bytes]:
    return compress_all([crop_counts(inside, top, left, size_hw) for top, left, inside in masks])
