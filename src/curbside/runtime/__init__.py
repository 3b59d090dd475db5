"""Running a model file: backends, predictors, sources, the threaded pipeline. No torch here."""

from .cores import CorePlan, plan_cores
from .instances import InstanceConfig
from .pipeline import Pipeline, PipelineStats, Shown
from .predictor import (
    InstancePredictor,
    NetworkPredictor,
    SemanticPredictor,
    load_predictor,
    load_semantic_predictor,
)
from .sinks import open_sink
from .sources import Frame, open_source

__all__ = [
    "CorePlan",
    "Frame",
    "InstanceConfig",
    "InstancePredictor",
    "NetworkPredictor",
    "Pipeline",
    "PipelineStats",
    "SemanticPredictor",
    "Shown",
    "load_predictor",
    "load_semantic_predictor",
    "open_sink",
    "open_source",
    "plan_cores",
]
