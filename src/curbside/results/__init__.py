"""What a predictor returns: validated arrays at frame size, with what they mean."""

from .instances import InstanceResult, MaskCrop
from .semantic import SemanticResult

__all__ = ["InstanceResult", "MaskCrop", "SemanticResult"]
