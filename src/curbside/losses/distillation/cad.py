"""Channel-wise angular distillation: the direction of each channel, without its magnitude."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._directions import squared_chord

__all__ = ["CAD", "CADConfig"]


@dataclass(frozen=True, kw_only=True)
class CADConfig(FeatureLossConfig):
    """Channel-wise angular distillation."""

    def build(self, channels: int) -> CAD:
        return CAD(self)


class CAD(FeatureLoss):
    """`weight` times the squared distance of the features brought to length 1, 0..4.

    The map of each channel is a vector; mean over channels and pictures.

    Source: Liu et al. 2024, Rethinking Knowledge Distillation with Raw Features for Semantic
    Segmentation. The weight of 1 is ours.
    """

    def __init__(self, config: CADConfig) -> None:
        super().__init__()
        self._weight = config.weight

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        cad = squared_chord(student, teacher, dim=(2, 3)).mean()
        return LossOutput(total=self._weight * cad, parts={"cad": cad.detach()})
