"""Scores that stream: constant memory over any number of pictures, exact, mergeable with `+=`.

`SegmentationScores` takes what a predictor gives (ids, confidence, probabilities) and shares the
work between `ConfusionMatrix`, `Calibration` and `PrecisionRecall`, which also stand alone.
"""

from .calibration import Calibration, Reliability
from .confusion import ConfusionMatrix
from .precision_recall import PrecisionRecall
from .segmentation import SegmentationScores, SegmentationSummary

__all__ = [
    "Calibration",
    "ConfusionMatrix",
    "PrecisionRecall",
    "Reliability",
    "SegmentationScores",
    "SegmentationSummary",
]
