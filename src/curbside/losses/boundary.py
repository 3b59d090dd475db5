"""Class-balanced cross-entropy of a boundary head; its targets come from the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..labels import IGNORE_ID
from .base import LossOutput

__all__ = ["Boundary", "BoundaryConfig", "label_borders"]


@dataclass(frozen=True, kw_only=True)
class BoundaryConfig:
    """Balanced cross-entropy of the boundary head."""

    weight: float = 20.0
    """Factor of the loss beside the supervised one; 20 is PIDNet's."""
    radius: int = 2
    """Pixels of another label this near, in rows and in columns, make a border; 2 draws it 4 pixels
    wide, as PIDNet's."""

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(
                f"a boundary weight of {self.weight} is impossible", fix="choose 0 or more"
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

    def forward(self, boundary: Tensor, target: Tensor) -> LossOutput:
        """Score predicted borders.

        Args:
            boundary: (B, 1, h, w) float scores before the sigmoid, at any stride.
            target: (B, H, W) int64 class ids; pixels of 255 do not count.
        """
        scores = F.interpolate(
            boundary.float(), size=target.shape[-2:], mode="bilinear", align_corners=False
        ).squeeze(1)  # (B, 1, h, w) -> (B, H, W)
        known = target != IGNORE_ID
        border = label_borders(target, self._radius)
        count = known.sum().clamp(min=1)
        border_share = border.sum() / count
        weight = torch.where(border, 1 - border_share, border_share) * known
        bce = F.binary_cross_entropy_with_logits(
            scores, border.float(), weight=weight, reduction="sum"
        )
        loss = bce / count
        return LossOutput(total=self._weight * loss, parts={"boundary": loss.detach()})


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
