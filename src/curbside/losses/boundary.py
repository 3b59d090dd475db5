"""What a boundary head is for: its class-balanced cross-entropy, whose targets come from the labels, and
the pixels on the borders it predicts, where the supervised loss counts once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..labels import IGNORE_ID
from .base import LossOutput, check_factor

__all__ = ["Boundary", "BoundaryConfig", "label_borders"]


@dataclass(frozen=True, kw_only=True)
class BoundaryConfig:
    """The boundary head."""

    weight: float = 20.0
    """Factor of its balanced cross-entropy beside the supervised loss; 20 is PIDNet's."""
    radius: int = 2
    """Pixels of another label this near, in rows and in columns, make a border; 2 draws it 4 pixels
    wide, as PIDNet's."""
    aware_weight: float = 1.0
    """Factor of the supervised loss on predicted borders alone, added to that on all pixels; 0 leaves it
    out, 1 is PIDNet's."""
    aware_threshold: float = 0.8
    """A predicted border is where the head's probability is over this; 0.8 is PIDNet's."""

    def __post_init__(self) -> None:
        check_factor("boundary weight", self.weight)
        check_factor("weight on predicted borders", self.aware_weight)
        if not 0 < self.aware_threshold < 1:
            raise ConfigError(
                f"no border is predicted with a probability over {self.aware_threshold}, or all are",
                fix="choose one between 0 and 1, such as 0.8",
            )
        if self.radius < 1:
            raise ConfigError(
                f"a border radius of {self.radius} is impossible", fix="choose 1 or more"
            )

    def build(self) -> Boundary:
        """The loss."""
        return Boundary(self)


class Boundary(nn.Module):
    """`weight` times the mean binary cross-entropy over pixels with a label, borders against the rest.

    A border pixel weighs the share of other pixels in the batch and the other way round, so that the
    few border pixels count as much as all the rest together. 0 where a batch has no border.

    Source: Xu et al. 2023, PIDNet: A Real-time Semantic Segmentation Network Inspired by PID
    Controllers.
    """

    def __init__(self, config: BoundaryConfig) -> None:
        super().__init__()
        self._weight = config.weight
        self._radius = config.radius
        self._aware_threshold = config.aware_threshold

    def forward(self, boundary: Tensor, target: Tensor, labels: Tensor | None = None) -> LossOutput:
        """Score predicted borders.

        Args:
            boundary: (B, 1, h, w) float scores before the sigmoid, at any stride.
            target: (B, H, W) int64 class ids; pixels of 255 do not count.
            labels: (B, H, W) int64, the ids between which borders lie, where those of `target` are a part
                of them.
        """
        scores = _at_size_of(target, boundary)
        known = target != IGNORE_ID
        border = label_borders(target if labels is None else labels, self._radius) & known
        count = known.sum().clamp(min=1)
        border_share = border.sum() / count
        weight = torch.where(border, 1 - border_share, border_share) * known
        bce = F.binary_cross_entropy_with_logits(
            scores, border.float(), weight=weight, reduction="sum"
        )
        loss = bce / count
        return LossOutput(total=self._weight * loss, parts={"boundary": loss.detach()})

    def aware_target(self, boundary: Tensor, target: Tensor) -> Tensor:
        """The labels on predicted borders.

        Args:
            boundary: (B, 1, h, w) float scores before the sigmoid, at any stride.
            target: (B, H, W) int64 class ids.

        Returns:
            (B, H, W) int64 class ids, 255 everywhere else.
        """
        on_border = _at_size_of(target, boundary.detach()).sigmoid() > self._aware_threshold
        return target.masked_fill(~on_border, IGNORE_ID)


def _at_size_of(target: Tensor, boundary: Tensor) -> Tensor:
    return F.interpolate(
        boundary.float(), size=target.shape[-2:], mode="bilinear", align_corners=False
    ).squeeze(1)  # (B, 1, h, w) -> (B, H, W)


def label_borders(target: Tensor, radius: int) -> Tensor:
    """Where two classes meet.

    Args:
        target: (B, H, W) int64 class ids; pixels of 255 make no border and have none.
        radius: How near, in rows and in columns, a pixel of another class must be.

    Returns:
        (B, H, W) bool.
    """
    known = target != IGNORE_ID
    ids = target.float()
    # The largest id of a window, and minus the smallest: their sum is 0 where it holds one class.
    ends = torch.stack([ids, -ids], dim=1)  # (B, H, W) -> (B, 2, H, W)
    ends = ends.masked_fill(~known[:, None], -torch.inf)
    span = F.max_pool2d(ends, 2 * radius + 1, stride=1, padding=radius).sum(dim=1)
    return (span > 0) & known
