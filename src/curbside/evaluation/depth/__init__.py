"""Networks that tell how far away everything is, over a prepared folder: scores, worst pictures, report.

`evaluate_depth` measures, `write_depth_report` writes what it found, `depth_tables` shows it in a
terminal. `evaluate_jointly` looks once at every picture for a network that tells classes as well.
"""

from .camera import CameraFit, camera_fit
from .joint import OneLook, evaluate_jointly
from .report import write_depth_report
from .result import DepthEvaluation, DepthGroup, MedianScaling, WorstDepth
from .scoring import DepthPredictor, evaluate_depth
from .tables import depth_tables

__all__ = [
    "CameraFit",
    "DepthEvaluation",
    "DepthGroup",
    "DepthPredictor",
    "MedianScaling",
    "OneLook",
    "WorstDepth",
    "camera_fit",
    "depth_tables",
    "evaluate_depth",
    "evaluate_jointly",
    "write_depth_report",
]
