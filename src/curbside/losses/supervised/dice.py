"""Soft Dice: overlap of predicted and true regions, every class alike however small."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig
from ..pixels import one_hot, probabilities

__all__ = ["Dice", "DiceConfig"]


@dataclass(frozen=True, kw_only=True)
class DiceConfig(SupervisedLossConfig):
    """Soft Dice."""

    def build(self, num_classes: int) -> Dice:
        return Dice()


class Dice(SupervisedLoss):
    """`1 - 2 sum(p y) / (sum(p) + sum(y))` over all pixels of a batch with a label, mean over the classes
    that occur in it; 0 where none does.

    p is a softmax; of one logit, the sigmoid: a class (id 1) and its absence (id 0).

    Source: Milletari et al. 2016, V-Net, without the squares, as in segmentation-models-pytorch (which
    counts classes that do not occur as 0 instead of leaving them out).
    """

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        p = probabilities(logits)
        p = p * (target != IGNORE_ID)[:, None]
        hot = one_hot(target, logits.shape[1])
        counts = hot.sum(dim=(0, 2, 3))  # (B, C, H, W) -> (C,)
        overlap = (p * hot).sum(dim=(0, 2, 3))
        both = p.sum(dim=(0, 2, 3)) + counts
        occurs = counts > 0
        per_class = (1 - 2 * overlap / both.clamp(min=1)) * occurs
        loss = per_class.sum() / occurs.sum().clamp(min=1)
        return LossOutput(total=loss, parts={"dice": loss.detach()})
