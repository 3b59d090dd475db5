"""What a predictor returns: validated arrays at frame size, with what they mean."""

from .depth import DepthResult
from .instances import InstanceResult, MaskCrop
from .panoptic import Disagreement, PanopticResult, disagreement_palette
from .scene import SceneResult, View
from .semantic import SemanticResult

__all__ = [
    "DepthResult",
    "Disagreement",
    "InstanceResult",
    "MaskCrop",
    "PanopticResult",
    "SceneResult",
    "SemanticResult",
    "View",
    "disagreement_palette",
]
