"""The networks that look at a frame together, and the shelf that keeps them loaded."""

from .config import Rate, SceneConfig
from .drawing import draw_found
from .loading import load_scene
from .pair import Pair, PairPredictor
from .predictor import ScenePredictor
from .shelf import NetworkShelf

__all__ = [
    "NetworkShelf",
    "Pair",
    "PairPredictor",
    "Rate",
    "SceneConfig",
    "ScenePredictor",
    "draw_found",
    "load_scene",
]
