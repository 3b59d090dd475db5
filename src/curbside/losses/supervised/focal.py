"""Focal loss: pixels that are already right count little."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import LossOutput, check_factor
from ..pixels import ClassWeighted, ClassWeightedConfig, log_probability, weighted_mean

__all__ = ["Focal", "FocalConfig", "focal"]


@dataclass(frozen=True, kw_only=True)
class FocalConfig(ClassWeightedConfig):
    """Focal loss."""

    gamma: float = 2.0
    """How quickly a pixel stops to count as it becomes right; 0 makes it cross-entropy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_factor("gamma", self.gamma)

    def build(self, num_classes: int) -> Focal:
        self.check_weights(num_classes)
        return Focal(self)


class Focal(ClassWeighted):
    """Mean of `-(1 - p)^gamma log p` over pixels with a label, p being the true class's probability; 0
    where a batch has none.

    p is a softmax, as is usual for segmentation; of one logit, the sigmoid, as published. The class weights
    are the paper's alpha, but divide the sum, too: a mean remains.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection.
    """

    def __init__(self, config: FocalConfig) -> None:
        super().__init__(config)
        self._gamma = config.gamma

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        per_pixel = focal(log_probability(logits, target), self._gamma)
        loss = weighted_mean(per_pixel, self.weigh(target))
        return LossOutput(total=loss, parts={"focal": loss.detach()})


def focal(log_p: Tensor, gamma: float) -> Tensor:
    """`-(1 - p)^gamma log p` of logarithms of probabilities, of any shape."""
    # A power below 1 has an infinite slope at 0, where p is 1 in float32: away from it, or it makes NaN.
    missing = (-torch.expm1(log_p)).clamp(min=1e-12)
    return -(missing**gamma) * log_p
