"""DIST: the teacher's relations between classes and between pixels, in the place of its exact values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import LogitLoss, LogitLossConfig, LossOutput, check_factor
from ._divergence import check_temperature

__all__ = ["Dist", "DistConfig"]

_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class DistConfig(LogitLossConfig):
    """Distillation of relations."""

    inter: float = 1.0
    """Factor of the relation between the classes of a pixel."""
    intra: float = 1.0
    """Factor of the relation between the pixels of a batch, for each class."""
    temperature: float = 1.0
    """Softens both distributions; 1 leaves them as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)
        check_factor("factor between classes", self.inter)
        check_factor("factor within classes", self.intra)

    def build(self) -> Dist:
        return Dist(self)


class Dist(LogitLoss):
    """`weight * T^2 * (inter * (1 - r) + intra * (1 - r'))` with Pearson correlations of probabilities.

    r is between student and teacher over the classes of a pixel, mean over the pixels that count; r' is
    over all pixels of the batch that count, mean over the classes. So the student may be less sure
    than its teacher at no cost. A relation that neither network shows, such as over one pixel, is one
    that they agree on.

    Source: Huang et al. 2022, Knowledge Distillation from A Stronger Teacher, with its weights for
    semantic segmentation: 1 and 1, without a temperature.
    """

    def __init__(self, config: DistConfig) -> None:
        super().__init__()
        self._config = config

    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        config = self._config
        first, second = (
            torch.softmax(logits.float() / config.temperature, dim=1)
            for logits in (student, teacher.detach())
        )
        weights = counts[:, None].float()  # (B, 1, h, w)
        pixels = weights.sum().clamp(min=1)
        mean = 1 / student.shape[1]  # of probabilities over classes
        inter = (1 - _cosine(first - mean, second - mean, dim=(1,))) * counts  # (B, h, w)
        between = inter.sum() / pixels * config.temperature**2
        over = (0, 2, 3)
        first, second = (
            (share - (share * weights).sum(dim=over, keepdim=True) / pixels) * weights
            for share in (first, second)
        )
        within = (1 - _cosine(first, second, dim=over)).mean() * config.temperature**2
        return LossOutput(
            total=config.weight * (config.inter * between + config.intra * within),
            parts={"dist_inter": between.detach(), "dist_intra": within.detach()},
        )


def _cosine(first: Tensor, second: Tensor, dim: tuple[int, ...]) -> Tensor:
    """The cosine along axes; 1 between two vectors of zeros."""
    squares = first.square().sum(dim=dim) * second.square().sum(dim=dim)
    lengths = squares.clamp(min=1e-36).sqrt()  # the root of 0 has no gradient
    return ((first * second).sum(dim=dim) + _EPSILON) / (lengths + _EPSILON)
