"""Losses: one file each. A loss takes tensors and returns a `LossOutput` whose parts are all logged."""

from .base import LossOutput
from .boundary import Boundary, BoundaryConfig
from .cross_entropy import CrossEntropy, CrossEntropyConfig
from .logit_kd import LogitKD, LogitKDConfig

__all__ = [
    "Boundary",
    "BoundaryConfig",
    "CrossEntropy",
    "CrossEntropyConfig",
    "LogitKD",
    "LogitKDConfig",
    "LossOutput",
]
