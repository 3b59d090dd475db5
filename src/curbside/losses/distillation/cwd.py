"""Channel-wise distillation: where in the picture each channel of a feature looks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._divergence import check_temperature, soft_divergence

__all__ = ["CWD", "CWDConfig"]


@dataclass(frozen=True, kw_only=True)
class CWDConfig(FeatureLossConfig):
    """Channel-wise distillation of features."""

    weight: float = 50.0
    """Factor of this loss in the sum of all."""
    temperature: float = 4.0
    """Softens both distributions over the picture; higher ones look at wider areas."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def build(self, channels: int) -> CWD:
        return CWD(self)


class CWD(FeatureLoss):
    """`weight * T^2 * KL` of each channel's distribution over the picture, mean over channels and pictures.

    Source: Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction, with its weight
    and temperature for features.
    """

    def __init__(self, config: CWDConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        per_channel = soft_divergence(
            student.flatten(2), teacher.flatten(2), self._config.temperature, dim=2
        )  # (B, C)
        kl = per_channel.mean()
        return LossOutput(total=self._config.weight * kl, parts={"cwd": kl.detach()})
