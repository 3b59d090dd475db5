"""Logit distillation that counts pixels near borders for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..base import LogitLoss, LogitLossConfig, LossOutput
from ._divergence import check_temperature, soft_divergence

__all__ = ["BorderKD", "BorderKDConfig"]


@dataclass(frozen=True, kw_only=True)
class BorderKDConfig(LogitLossConfig):
    """Logit distillation, weighted by the distance to the nearest border."""

    uses_border_weight: ClassVar[bool] = True

    temperature: float = 1.0
    """Softens both distributions; 1 leaves them as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def build(self) -> BorderKD:
        return BorderKD(self)


class BorderKD(LogitLoss):
    """`weight * T^2 * KL(teacher / T || student / T)`, mean over the pixels that count by their border weights.

    A picture without labels shows no borders and does not count.

    Source: the ACDC thesis, equation 3.5, with its temperature of 1 and a weight equal to that of the
    supervised loss.
    """

    def __init__(self, config: BorderKDConfig) -> None:
        super().__init__()
        self._config = config

    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        assert border_weight is not None, "uses_border_weight asks for it"
        weights = border_weight.float() * counts  # (B, h, w)
        per_pixel = soft_divergence(student, teacher, self._config.temperature, dim=1)
        kl = (per_pixel * weights).sum() / weights.sum().clamp(min=1e-6)
        return LossOutput(total=self._config.weight * kl, parts={"border_kl": kl.detach()})
