"""Binary cross-entropy per class and soft Dice together: every pixel, and every region."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ...errors import ConfigError
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig, check_factor
from .dice import DiceConfig
from .soft_bce import SoftBCEConfig

__all__ = ["BCEDice", "BCEDiceConfig"]


@dataclass(frozen=True, kw_only=True)
class BCEDiceConfig(SupervisedLossConfig):
    """Binary cross-entropy per class plus soft Dice."""

    bce: SoftBCEConfig = field(default_factory=SoftBCEConfig)
    """The cross-entropy."""
    bce_weight: float = 1.0
    """Factor of the cross-entropy."""
    dice_weight: float = 1.0
    """Factor of Dice."""

    def __post_init__(self) -> None:
        check_factor("weight of cross-entropy", self.bce_weight)
        check_factor("weight of Dice", self.dice_weight)
        if not self.bce_weight + self.dice_weight:
            raise ConfigError("a loss with both weights 0 is impossible", fix="choose one over 0")

    def build(self, num_classes: int) -> BCEDice:
        return BCEDice(self, num_classes)


class BCEDice(SupervisedLoss):
    """`bce_weight * SoftBCE + dice_weight * Dice`."""

    def __init__(self, config: BCEDiceConfig, num_classes: int) -> None:
        super().__init__()
        self._bce = config.bce.build(num_classes)
        self._dice = DiceConfig().build(num_classes)
        self._weights = config.bce_weight, config.dice_weight

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        bce, dice = self._bce(logits, target), self._dice(logits, target)
        of_bce, of_dice = self._weights
        return LossOutput(
            total=of_bce * bce.total + of_dice * dice.total, parts={**bce.parts, **dice.parts}
        )
