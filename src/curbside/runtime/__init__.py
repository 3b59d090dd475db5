"""Running a model file: backends, predictors, sources, the threaded pipeline. No torch here."""

from .cores import CorePlan, plan_cores
from .pipeline import Pipeline, PipelineStats, Shown
from .predictor import SemanticPredictor, load_predictor
from .sinks import open_sink
from .sources import Frame, open_source

__all__ = [
    "CorePlan",
    "Frame",
    "Pipeline",
    "PipelineStats",
    "SemanticPredictor",
    "Shown",
    "load_predictor",
    "open_sink",
    "open_source",
    "plan_cores",
]
