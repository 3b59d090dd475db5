"""Attention-guided distillation: features compared where, and in the channels, that matter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base import FeatureLoss, FeatureLossConfig, LossOutput
from ._directions import squared_chord

__all__ = ["AttnFD", "AttnFDConfig"]

_REDUCTION = 16


@dataclass(frozen=True, kw_only=True)
class AttnFDConfig(FeatureLossConfig):
    """Attention-guided feature distillation."""

    weight: float = 2.0
    """Factor of this loss in the sum of all."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Names of the student's features, each with the teacher's to compare it with; without any, all of
    the student's with the teacher's at the same stride."""

    def build(self, channels: int) -> AttnFD:
        return AttnFD(self, channels)


class AttnFD(FeatureLoss):
    """`weight` times the squared distance, 0..4, of the normalised features after attention to channels,
    then to places; a picture's feature is one vector, mean over pictures.

    The student's attention is learnt. The teacher's follows from its feature alone: the sigmoid of its
    mean and maximum over places, then over channels. So equal features are not at 0, unless their
    attention is equal too.

    Source: Mansourian et al. 2024, Attention-guided Feature Distillation for Semantic Segmentation,
    with its weight; there the student's attention comes before the adapter, and features are
    normalised over the whole batch.
    """

    def __init__(self, config: AttnFDConfig, channels: int) -> None:
        super().__init__()
        self._weight = config.weight
        hidden = max(1, channels // _REDUCTION)
        self.channel_gate = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.place_gate = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        with torch.autocast(student.device.type, enabled=False):
            student, teacher = student.float(), teacher.detach().float()
            mean, peak = student.mean(dim=(2, 3)), student.amax(dim=(2, 3))  # (B, C)
            gate = torch.sigmoid(self.channel_gate(mean) + self.channel_gate(peak))
            student = student * gate[:, :, None, None]
            student = student * torch.sigmoid(self.place_gate(_mean_and_peak(student)))

            mean, peak = teacher.mean(dim=(2, 3)), teacher.amax(dim=(2, 3))
            teacher = teacher * torch.sigmoid(mean + peak)[:, :, None, None]
            teacher = teacher * torch.sigmoid(_mean_and_peak(teacher).sum(dim=1, keepdim=True))

            attention = squared_chord(student, teacher, dim=(1, 2, 3)).mean()
        return LossOutput(total=self._weight * attention, parts={"attention": attention.detach()})


def _mean_and_peak(feature: Tensor) -> Tensor:
    """Over channels: (B, C, h, w) -> (B, 2, h, w)."""
    return torch.stack([feature.mean(dim=1), feature.amax(dim=1)], dim=1)
