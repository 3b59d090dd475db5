"""Logit distillation: the student learns the teacher's whole distribution at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..labels import IGNORE_ID
from .base import LossOutput

__all__ = ["LogitKD", "LogitKDConfig"]


@dataclass(frozen=True, kw_only=True)
class LogitKDConfig:
    """Logit distillation."""

    temperature: float = 4.0
    """Softens both distributions; 1 leaves them as they are."""
    weight: float = 1.0
    """Factor of the loss beside the supervised one (alpha)."""
    resolution: Literal["input", "logits"] = "input"
    """Where pixels are compared: at the picture's size, or at the student's own stride, which is cheaper."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(
                f"a temperature of {self.temperature} is impossible", fix="choose a positive one"
            )
        if self.weight < 0:
            raise ConfigError(
                f"a distillation weight of {self.weight} is impossible", fix="choose 0 or more"
            )

    def build(self) -> LogitKD:
        """The loss."""
        return LogitKD(self)


class LogitKD(nn.Module):
    """`weight * T^2 * KL(teacher / T || student / T)`, mean over the pixels that have a label.

    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network; per pixel as in the IDD
    edge segmentation project.
    """

    def __init__(self, config: LogitKDConfig) -> None:
        super().__init__()
        self._temperature = config.temperature
        self._weight = config.weight

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor) -> LossOutput:
        """Compare two predictions.

        Args:
            student: (B, C, H, W) logits, with gradient.
            teacher: (B, C, H, W) logits; no gradient flows into them.
            target: (B, H, W) int64 class ids; pixels of 255 do not count.
        """
        log_student = F.log_softmax(student.float() / self._temperature, dim=1)
        log_teacher = F.log_softmax(teacher.detach().float() / self._temperature, dim=1)
        per_pixel = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)  # (B, H, W)
        known = target != IGNORE_ID
        kl = (per_pixel * known).sum() / known.sum().clamp(min=1) * self._temperature**2
        return LossOutput(total=self._weight * kl, parts={"kl": kl.detach()})
