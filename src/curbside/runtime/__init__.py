"""Running a model file: backends, predictors, sources, the threaded pipeline. No torch here."""

from .cores import CorePlan, plan_cores
from .fusion import (
    FusedPredictor,
    FusionConfig,
    TrackerConfig,
    fuse_predictors,
    load_fused_predictor,
)
from .instances import InstanceConfig
from .pipeline import Fault, Pipeline, PipelineStats, Shown, Supervision
from .predictor import (
    DepthPredictor,
    InstancePredictor,
    JointPredictor,
    NetworkPredictor,
    SemanticPredictor,
    TaskPredictor,
    load_class_predictor,
    load_depth_predictor,
    load_predictor,
    load_semantic_predictor,
)
from .sinks import open_sink
from .sources import Frame, open_source
from .views import ViewConfig, draw_scene

__all__ = [
    "CorePlan",
    "DepthPredictor",
    "Fault",
    "Frame",
    "FusedPredictor",
    "FusionConfig",
    "InstanceConfig",
    "InstancePredictor",
    "JointPredictor",
    "NetworkPredictor",
    "Pipeline",
    "PipelineStats",
    "SemanticPredictor",
    "Shown",
    "Supervision",
    "TaskPredictor",
    "TrackerConfig",
    "ViewConfig",
    "draw_scene",
    "fuse_predictors",
    "load_class_predictor",
    "load_depth_predictor",
    "load_fused_predictor",
    "load_predictor",
    "load_semantic_predictor",
    "open_sink",
    "open_source",
    "plan_cores",
]
