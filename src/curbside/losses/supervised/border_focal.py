"""Focal loss in which pixels count by their distance to the nearest border of their class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig, check_factor
from ..pixels import log_probability, weighted_mean
from .focal import focal

__all__ = ["BorderFocal", "BorderFocalConfig"]


@dataclass(frozen=True, kw_only=True)
class BorderFocalConfig(SupervisedLossConfig):
    """Border-weighted focal loss."""

    uses_border_weight: ClassVar[bool] = True

    gamma: float = 0.5
    """How quickly a pixel stops to count as it becomes right; 0.5 is SwiftNet's."""

    def __post_init__(self) -> None:
        check_factor("gamma", self.gamma)

    def build(self, num_classes: int) -> BorderFocal:
        return BorderFocal(self)


class BorderFocal(SupervisedLoss):
    """`sum(-alpha (1 - p)^gamma log p) / sum(alpha)`, p being the true class's probability and alpha the
    border weight, 0 at pixels without a label; 0 where a batch has no label.

    Source: equation 3.3 of the ACDC thesis, after Orsic and Segvic 2021, Efficient semantic segmentation
    with pyramidal fusion. SwiftNet's public code differs: its factor is `exp(gamma (1 - p))`, which never
    falls below 1, without gradient, and it divides by the number of pixels that weigh anything.
    """

    def __init__(self, config: BorderFocalConfig) -> None:
        super().__init__()
        self._gamma = config.gamma

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        if border_weight is None:
            raise ConfigError(
                "the border-weighted focal loss was given no border weights",
                fix="let the dataset compute them: SegmentationDataset(border_weights=...)",
            )
        alpha = border_weight.float() * (target != IGNORE_ID)
        loss = weighted_mean(focal(log_probability(logits, target), self._gamma), alpha)
        return LossOutput(total=loss, parts={"border_focal": loss.detach()})
