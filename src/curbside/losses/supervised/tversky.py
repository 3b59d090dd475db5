"""Tversky: overlap of regions in which what is too much and what is missed count differently."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig, check_factor
from ..pixels import one_hot, probabilities

__all__ = ["Tversky", "TverskyConfig"]

_LEAST = 1e-12
"""What is less counts as nothing: a root has an infinite slope at 0."""


@dataclass(frozen=True, kw_only=True)
class TverskyConfig(SupervisedLossConfig):
    """Tversky loss; Dice with its first settings."""

    alpha: float = 0.5
    """What pixels count that are wrongly given to a class; 0.3 is Salehi's for small regions."""
    beta: float = 0.5
    """What pixels of a class count that are missed; 0.7 is Salehi's."""
    gamma: float = 1.0
    """The focal form: a class counts by the gamma-th root of its loss, so that over 1 classes that are
    nearly right go on to count; Abraham and Khan take 4/3."""

    def __post_init__(self) -> None:
        check_factor("weight of false positives", self.alpha)
        for what, value in (("weight of false negatives", self.beta), ("gamma", self.gamma)):
            if not 0 < value < math.inf:
                raise ConfigError(f"a {what} of {value} is impossible", fix="choose one over 0")

    def build(self, num_classes: int) -> Tversky:
        return Tversky(self)


class Tversky(SupervisedLoss):
    """`(1 - TP / (TP + alpha FP + beta FN)) ** (1 / gamma)` over all pixels of a batch with a label, mean
    over the classes that occur in it; 0 where none does.

    TP is the sum of p over the pixels of a class, FP over all others, FN the sum of 1 - p over those of
    the class; p is a softmax, of one logit the sigmoid: a class (id 1) and its absence (id 0).

    Source: Salehi et al. 2017, Tversky loss function for image segmentation using 3D fully convolutional
    deep networks; Abraham and Khan 2018, A novel focal Tversky loss function with improved attention U-Net
    for lesion segmentation, with Salehi's names of the two weights. segmentation-models-pytorch takes the
    power gamma, not 1 / gamma, and of the mean over classes.
    """

    def __init__(self, config: TverskyConfig) -> None:
        super().__init__()
        self._alpha, self._beta = config.alpha, config.beta
        self._power = 1 / config.gamma

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        p = probabilities(logits)
        hot = one_hot(target, logits.shape[1])
        rest = ~hot & (target != IGNORE_ID)[:, None]
        counts = hot.sum(dim=(0, 2, 3))  # (B, C, H, W) -> (C,)
        hits = (p * hot).sum(dim=(0, 2, 3))
        wrong = self._alpha * (p * rest).sum(dim=(0, 2, 3)) + self._beta * ((1 - p) * hot).sum(
            dim=(0, 2, 3)
        )
        occurs = counts > 0
        # Not 1 - TP / ...: of what is nearly right that leaves the rounding alone.
        missing = wrong / (hits + wrong).where(occurs, 1.0)
        some = missing > _LEAST
        per_class = missing.where(some, 1.0) ** self._power * (some & occurs)
        loss = per_class.sum() / occurs.sum().clamp(min=1)
        return LossOutput(total=loss, parts={"tversky": loss.detach()})
