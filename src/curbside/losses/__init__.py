"""Losses: one file each. A loss takes tensors and returns a `LossOutput` whose parts are all logged."""

from .base import LossOutput
from .cross_entropy import CrossEntropy, CrossEntropyConfig
from .logit_kd import LogitKD, LogitKDConfig

__all__ = ["CrossEntropy", "CrossEntropyConfig", "LogitKD", "LogitKDConfig", "LossOutput"]
