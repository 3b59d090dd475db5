"""Losses: one file each, in `supervised/` or `distillation/`. Every one returns a `LossOutput` whose
parts are all logged; `supervised_losses()` and `distillation_losses()` find them by listing the folders.
"""

from ..discovery import classes_in
from .base import (
    AdapterConfig,
    DistillationLossConfig,
    FeatureLoss,
    FeatureLossConfig,
    LogitLoss,
    LogitLossConfig,
    LossOutput,
    SupervisedLoss,
    SupervisedLossConfig,
)
from .boundary import Boundary, BoundaryConfig
from .distillation.logit_kd import LogitKD, LogitKDConfig
from .supervised.cross_entropy import CrossEntropy, CrossEntropyConfig

__all__ = [
    "AdapterConfig",
    "Boundary",
    "BoundaryConfig",
    "CrossEntropy",
    "CrossEntropyConfig",
    "DistillationLossConfig",
    "FeatureLoss",
    "FeatureLossConfig",
    "LogitKD",
    "LogitKDConfig",
    "LogitLoss",
    "LogitLossConfig",
    "LossOutput",
    "SupervisedLoss",
    "SupervisedLossConfig",
    "distillation_losses",
    "supervised_losses",
]


def supervised_losses() -> dict[str, type[SupervisedLossConfig]]:
    """Every config of a supervised loss by the name of its file, with dashes."""
    return dict(classes_in(f"{__name__}.supervised", SupervisedLossConfig))  # type: ignore[type-abstract]


def distillation_losses() -> dict[str, type[DistillationLossConfig]]:
    """Every config of a distillation loss by the name of its file, with dashes."""
    return dict(classes_in(f"{__name__}.distillation", DistillationLossConfig))  # type: ignore[type-abstract]
