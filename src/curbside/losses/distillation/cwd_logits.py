"""Channel-wise distillation of logits: where in the picture each class is seen."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..base import LogitLoss, LogitLossConfig, LossOutput
from ._divergence import check_temperature, soft_divergence

__all__ = ["CWDLogits", "CWDLogitsConfig"]

_NEVER = -1e30  # finite, over any temperature: what is nowhere must not make NaNs


@dataclass(frozen=True, kw_only=True)
class CWDLogitsConfig(LogitLossConfig):
    """Channel-wise distillation of logits."""

    weight: float = 3.0
    """Factor of this loss in the sum of all."""
    temperature: float = 4.0
    """Softens both distributions over the picture; higher ones look at wider areas."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def build(self) -> CWDLogits:
        return CWDLogits(self)


class CWDLogits(LogitLoss):
    """`weight * T^2 * KL` of each class's distribution over the pixels that count, mean over classes and pictures.

    Pixels that do not count have no share in either distribution; pictures in which none does, none in
    the mean.

    Source: Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction, with its weight
    and temperature for logits.
    """

    def __init__(self, config: CWDLogitsConfig) -> None:
        super().__init__()
        self._config = config

    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        hidden = ~counts[:, None]  # (B, 1, h, w)
        first, second = (
            logits.float().masked_fill(hidden, _NEVER).flatten(2) for logits in (student, teacher)
        )  # (B, C, h*w)
        per_class = soft_divergence(first, second, self._config.temperature, dim=2)  # (B, C)
        pictures = counts.flatten(1).any(dim=1).sum().clamp(min=1)
        kl = per_class.mean(dim=1).sum() / pictures
        return LossOutput(total=self._config.weight * kl, parts={"cwd_logits": kl.detach()})
