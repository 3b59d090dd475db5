"""Pixel-wise angular distillation: the direction of each pixel, without its magnitude."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._directions import squared_chord

__all__ = ["PAD", "PADConfig"]


@dataclass(frozen=True, kw_only=True)
class PADConfig(FeatureLossConfig):
    """Pixel-wise angular distillation."""

    def build(self, channels: int) -> PAD:
        return PAD(self)


class PAD(FeatureLoss):
    """`weight` times the squared distance of the features brought to length 1, 0..4.

    The channels of each pixel are a vector; mean over pixels and pictures.

    Source: Liu et al. 2024, Rethinking Knowledge Distillation with Raw Features for Semantic
    Segmentation. The weight of 1 is ours.
    """

    def __init__(self, config: PADConfig) -> None:
        super().__init__()
        self._weight = config.weight

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        pad = squared_chord(student, teacher, dim=1).mean()
        return LossOutput(total=self._weight * pad, parts={"pad": pad.detach()})
