"""Hailo chips: the part that the chip runs, a job for its compiler, and the HEF that comes of it.

Hailo's software is on no package registry, and none of this was run on a chip: see `docs/hailo.md`.
"""

from .adoption import adopt
from .target import HailoTarget

__all__ = ["HailoTarget", "adopt"]
