"""The places of several maps in one row, and the boxes that they propose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Places", "expected_distances"]


class Places(NamedTuple):
    """Every cell of some maps, map after map, row by row: P in all."""

    points_xy: Tensor
    """(P, 2) float, centres of the cells in pixels of the input."""
    strides: Tensor
    """(P,) float, pixels per cell."""

    @classmethod
    def of(cls, maps: Sequence[Tensor], strides: Sequence[int]) -> Places:
        """The places of maps (B, channels, h, w) of these strides."""
        points, sizes = [], []
        for found, stride in zip(maps, strides, strict=True):
            height, width = found.shape[-2:]
            rows = torch.arange(height, device=found.device, dtype=torch.float32)
            columns = torch.arange(width, device=found.device, dtype=torch.float32)
            y, x = torch.meshgrid((rows + 0.5) * stride, (columns + 0.5) * stride, indexing="ij")
            points.append(torch.stack([x, y], dim=-1).flatten(0, 1))  # (h * w, 2)
            sizes.append(torch.full((height * width,), float(stride), device=found.device))
        return cls(torch.cat(points), torch.cat(sizes))

    @staticmethod
    def rows(maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, channels, h, w) as one row of places, (B, P, channels) float32."""
        return torch.cat([found.float().flatten(2).transpose(1, 2) for found in maps], dim=1)

    def boxes(self, distances: Tensor) -> Tensor:
        """Boxes from distances.

        Args:
            distances: (..., P, 4) to the left, top, right and bottom, in cells.

        Returns:
            (..., P, 4) left, top, right, bottom in pixels of the input.
        """
        before, after = (distances * self.strides[:, None]).split(2, dim=-1)
        return torch.cat([self.points_xy - before, self.points_xy + after], dim=-1)

    def distances(self, boxes_xyxy: Tensor) -> Tensor:
        """Distances to the sides of boxes, (P, 4) in cells: the inverse of `boxes`."""
        before = self.points_xy - boxes_xyxy[:, :2]
        after = boxes_xyxy[:, 2:] - self.points_xy
        return torch.cat([before, after], dim=-1) / self.strides[:, None]

    def take(self, keep: Tensor) -> Places:
        """Some of the places, as torch indexes them."""
        return Places(self.points_xy[keep], self.strides[keep])


def expected_distances(distribution: Tensor) -> Tensor:
    """The mean of 0, 1, ... bins - 1 by the softmax of each side's scores.

    Args:
        distribution: (..., 4 * bins) float, side after side.

    Returns:
        (..., 4), in cells.

    Source: Li et al. 2020, Generalized Focal Loss.
    """
    sides = distribution.unflatten(-1, (4, -1))  # (..., 4 * bins) -> (..., 4, bins)
    steps = torch.arange(sides.shape[-1], device=sides.device, dtype=sides.dtype)
    return (sides.softmax(dim=-1) * steps).sum(dim=-1)
