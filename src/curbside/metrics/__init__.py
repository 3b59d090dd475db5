"""Scores that stream: constant memory over any number of pictures, exact, mergeable with `+=`.

`SegmentationScores` takes what a predictor gives (ids, confidence, probabilities) and shares the
work between `ConfusionMatrix`, `BoundaryIoU`, `Calibration` and `PrecisionRecall`, which also stand
alone. The module `bootstrap` says how sure a score is, `temperature` fits what makes confidence
believable. `DepthScores` takes depth, `PanopticScores` maps of segments, `InstanceScores` single objects;
it alone keeps something of every picture, as average precision ranks the detections of all.
"""

from .average_precision import AveragePrecision, require_coco_eval
from .bootstrap import (
    bootstrap_difference,
    bootstrap_iou,
    bootstrap_iou_difference,
    bootstrap_mean,
    bootstrap_miou,
)
from .boundary import BoundaryIoU
from .calibration import Calibration, Reliability
from .confusion import ConfusionMatrix
from .depth import DepthBand, DepthScores, DepthSummary
from .instances import (
    InstanceClass,
    InstanceScores,
    InstanceSummary,
    Kind,
    KindScores,
    Shown,
)
from .object_matches import FoundObjects, MatchCurve, TrueObjects
from .panoptic import ClassQuality, PanopticScores, PanopticSummary, Quality
from .precision_recall import BestThreshold, PrecisionRecall, PrecisionRecallCurve
from .segmentation import SegmentationScores, SegmentationSummary

__all__ = [
    "AveragePrecision",
    "BestThreshold",
    "BoundaryIoU",
    "Calibration",
    "ClassQuality",
    "ConfusionMatrix",
    "DepthBand",
    "DepthScores",
    "DepthSummary",
    "FoundObjects",
    "InstanceClass",
    "InstanceScores",
    "InstanceSummary",
    "Kind",
    "KindScores",
    "MatchCurve",
    "PanopticScores",
    "PanopticSummary",
    "PrecisionRecall",
    "PrecisionRecallCurve",
    "Quality",
    "Reliability",
    "SegmentationScores",
    "SegmentationSummary",
    "Shown",
    "TrueObjects",
    "bootstrap_difference",
    "bootstrap_iou",
    "bootstrap_iou_difference",
    "bootstrap_mean",
    "bootstrap_miou",
    "require_coco_eval",
]
