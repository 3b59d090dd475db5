"""Layer-wise angular distillation: the direction of the whole feature, without its magnitude."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._directions import squared_chord

__all__ = ["LAD", "LADConfig"]


@dataclass(frozen=True, kw_only=True)
class LADConfig(FeatureLossConfig):
    """Layer-wise angular distillation."""

    def build(self, channels: int) -> LAD:
        return LAD(self)


class LAD(FeatureLoss):
    """`weight` times the squared distance of the features brought to length 1, 0..4.

    The feature of a picture is one vector; mean over pictures.

    Source: Liu et al. 2024, Rethinking Knowledge Distillation with Raw Features for Semantic
    Segmentation. The weight of 1 is ours.
    """

    def __init__(self, config: LADConfig) -> None:
        super().__init__()
        self._weight = config.weight

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        lad = squared_chord(student, teacher, dim=(1, 2, 3)).mean()
        return LossOutput(total=self._weight * lad, parts={"lad": lad.detach()})
