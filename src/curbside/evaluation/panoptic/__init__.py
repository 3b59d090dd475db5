"""Two networks that are one picture, over a prepared folder: panoptic quality, worst pictures, report.

`evaluate_panoptic` measures, `write_panoptic_report` writes what it found; `shared_segments` says at
which classes a fused picture and data can be compared. `FusedClassMaps` is for data whose objects
nobody counted: `evaluate` scores the classes of fused pictures.
"""

from .class_maps import FusedClassMaps
from .classes import SharedSegments, shared_segments
from .report import write_panoptic_report
from .result import PanopticEvaluation, PanopticGroup, WorstSegments
from .scoring import PanopticPredictor, evaluate_panoptic

__all__ = [
    "FusedClassMaps",
    "PanopticEvaluation",
    "PanopticGroup",
    "PanopticPredictor",
    "SharedSegments",
    "WorstSegments",
    "evaluate_panoptic",
    "shared_segments",
    "write_panoptic_report",
]
