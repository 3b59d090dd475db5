"""All segmentation scores at once, from what a predictor gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging import top_class
from .boundary import BoundaryIoU
from .calibration import Calibration
from .confusion import ConfusionMatrix
from .precision_recall import PrecisionRecall
from .temperature import confidence_before

__all__ = ["SegmentationScores", "SegmentationSummary"]


@dataclass(frozen=True, kw_only=True)
class SegmentationSummary:
    """The scores in numbers; None where a score could not be taken or a class has no pixel."""

    pixels: int
    """Pixels scored, ignored ones left out."""
    miou: float | None
    """Mean IoU over the classes in truth or prediction."""
    miou_truth: float | None
    """Mean IoU over the classes in the truth."""
    pixel_accuracy: float | None
    """Share of pixels that were right."""
    mean_accuracy: float | None
    """Mean over the classes in the truth of the share that was found."""
    ece: float | None
    """Expected calibration error over 15 bins."""
    ece_fine: float | None
    """Expected calibration error over the fine bins."""
    ece_uncalibrated: float | None
    """Expected calibration error over 15 bins that it would be without the model's temperature; None
    where it has none."""
    mean_auprc: float | None
    """Mean area under the precision-recall curve over the classes in the truth."""
    mean_boundary_iou: float | None
    """Mean boundary IoU over the classes with a boundary in truth or prediction."""
    boundary_px: tuple[int, ...]
    """How wide a boundary is in pixels; several where the pictures differ in size."""
    iou: tuple[float | None, ...]
    """IoU per class."""
    boundary_iou: tuple[float | None, ...]
    """Boundary IoU per class."""
    accuracy: tuple[float | None, ...]
    """Share found per class: its recall."""
    precision: tuple[float | None, ...]
    """Share of what was taken for each class that is of it."""
    f1: tuple[float | None, ...]
    """Harmonic mean of precision and recall per class, also known as Dice."""
    auprc: tuple[float | None, ...]
    """Area under the precision-recall curve per class."""
    truth: tuple[int, ...]
    """Pixels per class in the truth."""


class SegmentationScores:
    """Confusion matrix, boundaries, calibration and precision-recall of one stream of pictures.

    Args:
        num_classes: C, at most 255; the classes are 0..C-1.
        temperature: What the scores behind the probabilities were divided by. Where it is not 1,
            the calibration without it is taken too.
    """

    def __init__(self, num_classes: int, *, temperature: float = 1.0) -> None:
        self.temperature = temperature
        self.confusion = ConfusionMatrix(num_classes)
        self.boundary = BoundaryIoU(num_classes)
        self.calibration = Calibration()
        self.uncalibrated = Calibration()
        """Without the temperature; empty where it is 1 and where no probabilities come."""
        self.precision_recall: PrecisionRecall | None = None
        """None until probabilities come: it is the one that takes memory."""

    @property
    def num_classes(self) -> int:
        """C."""
        return self.confusion.num_classes

    def update(
        self,
        target: np.ndarray,
        *,
        ids: np.ndarray | None = None,
        confidence: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
    ) -> ConfusionMatrix:
        """Score a picture with what is there: ids, ids and confidence, or probabilities.

        Args:
            target: True classes, (H, W) uint8; pixels of 255 are ignored.
            ids: Predicted classes, (H, W) uint8; the most probable ones where not given.
            confidence: Probability of the predicted class, (H, W) float32.
            probabilities: Of every class, (C, H, W) float32 with sum 1.

        Returns:
            The confusion matrix of this picture alone.

        Raises:
            LabelError: The truth holds a value that is neither a class nor 255.
            DataError: The probabilities are none.
        """
        top = None
        if probabilities is not None:
            top = top_class(probabilities)
            ids = top[0] if ids is None else ids
            confidence = top[1] if confidence is None else confidence
        if ids is None:
            raise ValueError("give ids or probabilities")
        alone = ConfusionMatrix(self.num_classes)
        alone.update(ids, target)
        self.confusion += alone
        self.boundary.update(ids, target)
        if confidence is not None:
            self.calibration.update(confidence, ids, target)
        if probabilities is not None:
            self._curves().update(probabilities, target, top=top)
            if self.temperature != 1 and top is not None:
                before = confidence_before(probabilities, top[1], self.temperature)
                self.uncalibrated.update(before, ids, target)
        return alone

    def __iadd__(self, other: SegmentationScores) -> SegmentationScores:
        """Add the pixels that other scores of the same classes have counted."""
        self.confusion += other.confusion
        self.boundary += other.boundary
        self.calibration += other.calibration
        self.uncalibrated += other.uncalibrated
        if other.precision_recall is not None:
            curves = self._curves()
            curves += other.precision_recall
        return self

    def summary(self) -> SegmentationSummary:
        """The scores so far."""
        matrix, calibration, curves = self.confusion, self.calibration, self.precision_recall
        nothing = np.full(self.num_classes, np.nan)
        return SegmentationSummary(
            pixels=int(matrix.truth.sum()),
            miou=_number(matrix.miou()),
            miou_truth=_number(matrix.miou(over="truth")),
            pixel_accuracy=_number(matrix.pixel_accuracy()),
            mean_accuracy=_number(matrix.mean_accuracy()),
            ece=_number(calibration.ece()),
            ece_fine=_number(calibration.fine_ece()),
            ece_uncalibrated=_number(self.uncalibrated.ece()),
            mean_auprc=_number(curves.mean_auprc()) if curves else None,
            mean_boundary_iou=_number(self.boundary.mean_iou()),
            boundary_px=tuple(sorted(self.boundary.widths)),
            iou=_numbers(matrix.iou()),
            boundary_iou=_numbers(self.boundary.iou()),
            accuracy=_numbers(matrix.class_accuracy()),
            precision=_numbers(matrix.class_precision()),
            f1=_numbers(matrix.f1()),
            auprc=_numbers(curves.auprc() if curves else nothing),
            truth=tuple(int(count) for count in matrix.truth),
        )

    def _curves(self) -> PrecisionRecall:
        if self.precision_recall is None:
            self.precision_recall = PrecisionRecall(self.num_classes)
        return self.precision_recall


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _numbers(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(_number(value) for value in values)
