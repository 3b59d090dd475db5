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
from .depth import DepthLoss, DepthLossConfig
from .distillation.affinity import Affinity, AffinityConfig
from .distillation.attn_fd import AttnFD, AttnFDConfig
from .distillation.border_kd import BorderKD, BorderKDConfig
from .distillation.cad import CAD, CADConfig
from .distillation.cross_image import CrossImage, CrossImageConfig
from .distillation.cwd import CWD, CWDConfig
from .distillation.cwd_logits import CWDLogits, CWDLogitsConfig
from .distillation.dist import Dist, DistConfig
from .distillation.feature_l2 import FeatureL2, FeatureL2Config
from .distillation.lad import LAD, LADConfig
from .distillation.logit_kd import LogitKD, LogitKDConfig
from .distillation.pad import PAD, PADConfig
from .distillation.pre_logit_l2 import PreLogitL2Config
from .partial import PartialLabels, PartialLabelsConfig
from .supervised.bce_dice import BCEDice, BCEDiceConfig
from .supervised.border_focal import BorderFocal, BorderFocalConfig
from .supervised.cross_entropy import CrossEntropy, CrossEntropyConfig
from .supervised.dice import Dice, DiceConfig
from .supervised.focal import Focal, FocalConfig, focal
from .supervised.lovasz import Lovasz, LovaszConfig
from .supervised.ohem import OHEM, OHEMConfig
from .supervised.soft_bce import SoftBCE, SoftBCEConfig
from .supervised.tversky import Tversky, TverskyConfig

__all__ = [
    "CAD",
    "CWD",
    "LAD",
    "OHEM",
    "PAD",
    "AdapterConfig",
    "Affinity",
    "AffinityConfig",
    "AttnFD",
    "AttnFDConfig",
    "BCEDice",
    "BCEDiceConfig",
    "BorderFocal",
    "BorderFocalConfig",
    "BorderKD",
    "BorderKDConfig",
    "Boundary",
    "BoundaryConfig",
    "CADConfig",
    "CWDConfig",
    "CWDLogits",
    "CWDLogitsConfig",
    "CrossEntropy",
    "CrossEntropyConfig",
    "CrossImage",
    "CrossImageConfig",
    "DepthLoss",
    "DepthLossConfig",
    "Dice",
    "DiceConfig",
    "Dist",
    "DistConfig",
    "DistillationLossConfig",
    "FeatureL2",
    "FeatureL2Config",
    "FeatureLoss",
    "FeatureLossConfig",
    "Focal",
    "FocalConfig",
    "LADConfig",
    "LogitKD",
    "LogitKDConfig",
    "LogitLoss",
    "LogitLossConfig",
    "LossOutput",
    "Lovasz",
    "LovaszConfig",
    "OHEMConfig",
    "PADConfig",
    "PartialLabels",
    "PartialLabelsConfig",
    "PreLogitL2Config",
    "SoftBCE",
    "SoftBCEConfig",
    "SupervisedLoss",
    "SupervisedLossConfig",
    "Tversky",
    "TverskyConfig",
    "distillation_losses",
    "focal",
    "supervised_losses",
]


def supervised_losses() -> dict[str, type[SupervisedLossConfig]]:
    """Every config of a supervised loss by the name of its file, with dashes."""
    return dict(classes_in(f"{__name__}.supervised", SupervisedLossConfig))  # type: ignore[type-abstract]


def distillation_losses() -> dict[str, type[DistillationLossConfig]]:
    """Every config of a distillation loss by the name of its file, with dashes."""
    return dict(classes_in(f"{__name__}.distillation", DistillationLossConfig))  # type: ignore[type-abstract]
