"""Feature distillation in its first form: the student's features become the teacher's."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ..base import FeatureLoss, FeatureLossConfig, LossOutput

__all__ = ["FeatureL2", "FeatureL2Config"]


@dataclass(frozen=True, kw_only=True)
class FeatureL2Config(FeatureLossConfig):
    """Squared differences of features."""

    pairs: tuple[tuple[str, str], ...] = ()
    """Names of the student's features, each with the teacher's to compare it with; without any, all of
    the student's with the teacher's at the same stride."""

    def build(self, channels: int) -> FeatureL2:
        return FeatureL2(self)


class FeatureL2(FeatureLoss):
    """`weight` times the mean of the squared differences.

    Source: Romero et al. 2015, FitNets: Hints for Thin Deep Nets; normalised as in the ACDC thesis,
    equation 3.6.
    """

    def __init__(self, config: FeatureL2Config) -> None:
        super().__init__()
        self._weight = config.weight

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        l2 = F.mse_loss(student.float(), teacher.detach().float())
        return LossOutput(total=self._weight * l2, parts={"l2": l2.detach()})
