"""One picture from two networks: a class map and single objects become a `PanopticResult`."""

from .carrying import carried
from .config import FusionConfig, TrackerConfig
from .fuse import Fusion
from .predictor import FusedPredictor, fuse_predictors, load_fused_predictor
from .tracker import TrackedFrame, Tracker

__all__ = [
    "FusedPredictor",
    "Fusion",
    "FusionConfig",
    "TrackedFrame",
    "Tracker",
    "TrackerConfig",
    "carried",
    "fuse_predictors",
    "load_fused_predictor",
]
