"""From a network's outputs to single objects (YOLOv8-seg)."""

from .config import InstanceConfig
from .decoding import decode_instances

__all__ = ["InstanceConfig", "decode_instances"]
