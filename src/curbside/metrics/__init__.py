"""Scores that stream: constant memory over any number of pictures, exact, mergeable with `+=`.

`SegmentationScores` takes what a predictor gives (ids, confidence, probabilities) and shares the
work between `ConfusionMatrix`, `BoundaryIoU`, `Calibration` and `PrecisionRecall`, which also stand
alone. The module `bootstrap` says how sure a mIoU is, `temperature` fits what makes confidence
believable.
"""

from .bootstrap import (
    bootstrap_difference,
    bootstrap_iou,
    bootstrap_iou_difference,
    bootstrap_miou,
)
from .boundary import BoundaryIoU
from .calibration import Calibration, Reliability
from .confusion import ConfusionMatrix
from .panoptic import ClassQuality, PanopticScores, PanopticSummary, Quality
from .precision_recall import PrecisionRecall
from .segmentation import SegmentationScores, SegmentationSummary

__all__ = [
    "BoundaryIoU",
    "Calibration",
    "ClassQuality",
    "ConfusionMatrix",
    "PanopticScores",
    "PanopticSummary",
    "PrecisionRecall",
    "Quality",
    "Reliability",
    "SegmentationScores",
    "SegmentationSummary",
    "bootstrap_difference",
    "bootstrap_iou",
    "bootstrap_iou_difference",
    "bootstrap_miou",
]
