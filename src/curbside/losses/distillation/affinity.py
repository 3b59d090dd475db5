"""Pair-wise distillation: how similar any two areas of a picture are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._nodes import check_nodes, unit_nodes

__all__ = ["Affinity", "AffinityConfig"]


@dataclass(frozen=True, kw_only=True)
class AffinityConfig(FeatureLossConfig):
    """Pair-wise distillation."""

    adapts: ClassVar[bool] = False

    weight: float = 10.0
    """Factor of this loss in the sum of all."""
    nodes: int = 16
    """Areas along each side of the picture; each is the mean of its pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nodes(self.nodes)

    def build(self, channels: int) -> Affinity:
        return Affinity(self)


class Affinity(FeatureLoss):
    """`weight` times the mean squared difference of the cosines between any two areas of a picture.

    Source: Liu et al. 2019, Structured Knowledge Distillation for Semantic Segmentation: its pair-wise
    part, with its weight.
    """

    def __init__(self, config: AffinityConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        with torch.autocast(student.device.type, enabled=False):
            first, second = (
                nodes @ nodes.transpose(1, 2)  # (B, N, C) @ (B, C, N) -> (B, N, N)
                for nodes in (
                    unit_nodes(student, self._config.nodes),
                    unit_nodes(teacher.detach(), self._config.nodes),
                )
            )
            affinity = F.mse_loss(first, second)
        return LossOutput(
            total=self._config.weight * affinity, parts={"affinity": affinity.detach()}
        )
