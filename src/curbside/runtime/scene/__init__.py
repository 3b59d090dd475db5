"""The networks that look at a frame together, and the shelf that keeps them loaded."""

from .config import Rate, SceneConfig
from .pair import Pair, PairPredictor
from .predictor import ScenePredictor, load_scene
from .shelf import NetworkShelf

__all__ = [
    "NetworkShelf",
    "Pair",
    "PairPredictor",
    "Rate",
    "SceneConfig",
    "ScenePredictor",
    "load_scene",
]
