"""The confusion matrix and the scores that follow from it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..errors import LabelError
from ..labels import IGNORE_ID
from .histogram import histogram

__all__ = ["ConfusionMatrix"]


class ConfusionMatrix:
    """Pixels counted by what they are and what they were taken for.

    Args:
        num_classes: C, at most 255; the classes are 0..C-1.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE_ID:
            raise ValueError(f"num_classes must be 1..{IGNORE_ID}, not {num_classes}")
        self.num_classes = num_classes
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)  # last column: no class

    def update(self, ids: np.ndarray, target: np.ndarray) -> None:
        """Count the pixels of a picture.

        Args:
            ids: Predicted classes, (H, W) uint8. A value outside 0..C-1 is a wrong prediction.
            target: True classes, (H, W) uint8; pixels of 255 are ignored.

        Raises:
            LabelError: The truth holds a value that is neither a class nor 255.
        """
        check_maps(ids, target)
        maps = [np.ascontiguousarray(target), np.ascontiguousarray(ids)]
        counts = histogram(maps, [(0, 256), (0, 256)])
        strange = np.flatnonzero(counts[self.num_classes : IGNORE_ID].any(axis=1))
        if strange.size:
            raise LabelError(
                f"the truth holds the id {self.num_classes + strange[0]}, "
                f"the classes are 0..{self.num_classes - 1}",
                fix=f"score with the label space of the masks; ignored pixels are {IGNORE_ID}",
            )
        truth = counts[: self.num_classes]
        self._counts[:, :-1] += truth[:, : self.num_classes]
        self._counts[:, -1] += truth[:, self.num_classes :].sum(axis=1)

    def __iadd__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Add the pixels that another matrix of the same classes has counted."""
        if other.num_classes != self.num_classes:
            raise ValueError(f"cannot add {other.num_classes} classes to {self.num_classes}")
        self._counts += other._counts
        return self

    @property
    def counts(self) -> np.ndarray:
        """Pixels, (C, C) int64: rows are the truth, columns the prediction."""
        return self._counts[:, :-1].copy()

    @property
    def outside(self) -> np.ndarray:
        """Pixels of each true class that were given no class at all, (C,) int64."""
        return self._counts[:, -1].copy()

    @property
    def truth(self) -> np.ndarray:
        """Pixels of each class in the truth, (C,) int64."""
        return self._counts.sum(axis=1)

    def rates(self) -> np.ndarray:
        """Share of each true class taken for each class, (C, C) float64; nan if it has none."""
        with np.errstate(invalid="ignore"):
            return self._counts[:, :-1] / self.truth[:, None]

    def iou(self) -> np.ndarray:
        """Intersection over union per class, (C,) float64; nan in neither truth nor prediction."""
        hits = self._counts.diagonal()
        union = self.truth + self._counts[:, :-1].sum(axis=0) - hits
        with np.errstate(invalid="ignore"):
            return hits / union

    def miou(self, *, over: Literal["present", "truth"] = "present") -> float:
        """Mean of the per-class IoU over all pixels counted so far; nan before the first pixel.

        Args:
            over: Which classes count: `present`, those in the truth or in a prediction (a class
                that only the network sees counts as 0, as in torchmetrics' macro average), or
                `truth`, those in the truth alone (what is usual for one picture).
        """
        iou = self.iou()
        counted = self.truth > 0 if over == "truth" else ~np.isnan(iou)
        return float(iou[counted].mean()) if counted.any() else float("nan")

    def class_accuracy(self) -> np.ndarray:
        """Share of each true class that was found, (C,) float64; nan where the truth has none."""
        return self.rates().diagonal().copy()

    def class_precision(self) -> np.ndarray:
        """Share of what was taken for each class that is of it, (C,) float64; nan where nothing was."""
        with np.errstate(invalid="ignore"):
            return self._counts.diagonal() / self._counts[:, :-1].sum(axis=0)

    def f1(self) -> np.ndarray:
        """Harmonic mean of `class_precision` and `class_accuracy`, (C,) float64; nan where the class is in
        neither truth nor prediction. It is 2 IoU / (1 + IoU)."""
        with np.errstate(invalid="ignore"):
            hits, shown = self._counts.diagonal(), self._counts[:, :-1].sum(axis=0)
            return 2 * hits / (self.truth + shown)

    def mean_accuracy(self) -> float:
        """Mean class accuracy over the classes in the truth; nan before the first pixel."""
        found = self.class_accuracy()[self.truth > 0]
        return float(found.mean()) if found.size else float("nan")

    def pixel_accuracy(self) -> float:
        """Share of all pixels that were right; nan before the first pixel."""
        total = int(self._counts.sum())
        return int(self._counts.trace()) / total if total else float("nan")


def check_maps(ids: np.ndarray, target: np.ndarray) -> None:
    """Refuse class maps of another shape or type than (H, W) uint8.

    Raises:
        ValueError: They are not two maps of one size.
    """
    for name, value in (("ids", ids), ("target", target)):
        if value.ndim != 2 or value.dtype != np.uint8:
            raise ValueError(f"{name} must be (H, W) uint8, not {value.shape} {value.dtype}")
    if ids.shape != target.shape:
        raise ValueError(f"ids are {ids.shape}, the target is {target.shape}")
