"""Cross-image distillation: what each area resembles in each picture of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._divergence import check_temperature, soft_divergence
from ._nodes import check_nodes, unit_nodes

__all__ = ["CrossImage", "CrossImageConfig"]


@dataclass(frozen=True, kw_only=True)
class CrossImageConfig(FeatureLossConfig):
    """Cross-image distillation."""

    adapts: ClassVar[bool] = False

    temperature: float = 0.1
    """Softens both distributions; a small one looks at the most similar areas alone."""
    nodes: int = 16
    """Areas along each side of the picture; each is the mean of its pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)
        check_nodes(self.nodes)

    def build(self, channels: int) -> CrossImage:
        return CrossImage(self)


class CrossImage(FeatureLoss):
    """`weight * KL` of how each area's similarity is spread over the areas of each picture of the batch.

    The mean over all areas and pictures; each picture is compared with itself too.

    Source: Yang et al. 2022, Cross-Image Relational Knowledge Distillation for Semantic Segmentation:
    its part within a batch, with its weight and temperature.
    """

    def __init__(self, config: CrossImageConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        with torch.autocast(student.device.type, enabled=False):
            first, second = (
                _similarities(unit_nodes(feature, self._config.nodes)) / self._config.temperature
                for feature in (student, teacher.detach())
            )
            # Without the factor T^2, as in the paper: at so low a temperature little would be left.
            kl = soft_divergence(first, second, temperature=1, dim=2).mean()
        return LossOutput(total=self._config.weight * kl, parts={"cross_image": kl.detach()})


def _similarities(nodes: Tensor) -> Tensor:
    """Cosines of each node, (B, N, C), with those of every picture: (B*N, B, N)."""
    batch, count, _ = nodes.shape
    every = nodes.flatten(0, 1)
    return (every @ every.T).view(batch * count, batch, count)
