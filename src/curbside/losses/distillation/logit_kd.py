"""Logit distillation: the student learns the teacher's whole distribution at every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import LogitLoss, LogitLossConfig, LossOutput
from ._divergence import check_temperature, soft_divergence

__all__ = ["LogitKD", "LogitKDConfig"]


@dataclass(frozen=True, kw_only=True)
class LogitKDConfig(LogitLossConfig):
    """Logit distillation."""

    temperature: float = 4.0
    """Softens both distributions; 1 leaves them as they are."""
    standardize: bool = False
    """Compare what the logits of a pixel say of each other and not how far apart they are: mean 0 and
    deviation 1 over the classes of each network's own. Its paper then takes temperature 2, weight 9."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def build(self) -> LogitKD:
        return LogitKD(self)


class LogitKD(LogitLoss):
    """`weight * T^2 * KL(teacher / T || student / T)`, mean over the pixels that count.

    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network; per pixel, with the
    defaults of the IDD edge segmentation project. Standardised: Sun et al. 2024, Logit Standardization
    in Knowledge Distillation.
    """

    def __init__(self, config: LogitKDConfig) -> None:
        super().__init__()
        self._config = config

    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        if self._config.standardize:
            student, teacher = _standardized(student), _standardized(teacher)
        per_pixel = soft_divergence(student, teacher, self._config.temperature, dim=1)  # (B, h, w)
        kl = (per_pixel * counts).sum() / counts.sum().clamp(min=1)
        return LossOutput(total=self._config.weight * kl, parts={"kl": kl.detach()})


def _standardized(logits: Tensor) -> Tensor:
    """Mean 0, standard deviation 1 over the classes of each pixel; equal logits become 0."""
    centred = logits.float() - logits.float().mean(dim=1, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    deviation = length / max(1, logits.shape[1] - 1) ** 0.5
    return centred / (deviation + 1e-7)
