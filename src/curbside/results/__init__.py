"""What a predictor returns: validated arrays at frame size, with what they mean."""

from .instances import InstanceResult, MaskCrop
from .panoptic import Disagreement, PanopticResult
from .semantic import SemanticResult

__all__ = ["Disagreement", "InstanceResult", "MaskCrop", "PanopticResult", "SemanticResult"]
