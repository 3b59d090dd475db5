"""Logit distillation: the student learns the teacher's whole distribution at every pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError
from ..base import LogitLoss, LogitLossConfig, LossOutput

__all__ = ["LogitKD", "LogitKDConfig"]


@dataclass(frozen=True, kw_only=True)
class LogitKDConfig(LogitLossConfig):
    """Logit distillation."""

    temperature: float = 4.0
    """Softens both distributions; 1 leaves them as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ConfigError(
                f"a temperature of {self.temperature} is impossible", fix="choose a positive one"
            )

    def build(self) -> LogitKD:
        return LogitKD(self)


class LogitKD(LogitLoss):
    """`weight * T^2 * KL(teacher / T || student / T)`, mean over the pixels that count.

    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network; per pixel as in the IDD
    edge segmentation project.
    """

    def __init__(self, config: LogitKDConfig) -> None:
        super().__init__()
        self._temperature = config.temperature
        self._weight = config.weight

    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        log_student = F.log_softmax(student.float() / self._temperature, dim=1)
        log_teacher = F.log_softmax(teacher.detach().float() / self._temperature, dim=1)
        per_pixel = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)  # (B, h, w)
        kl = (per_pixel * counts).sum() / counts.sum().clamp(min=1) * self._temperature**2
        return LossOutput(total=self._weight * kl, parts={"kl": kl.detach()})
