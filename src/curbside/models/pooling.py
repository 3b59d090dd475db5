"""Mean over the cells of a grid, in operators that every exporter has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["GridPool", "grid_pool", "replace_adaptive_pools"]


def grid_pool(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """What `adaptive_avg_pool2d` gives, as one plain pooling or two products with constants.

    Adaptive pooling exports only where the grid divides the picture. It is linear, and separable
    because its cells are the products of row and column ranges.

    Args:
        x: (B, C, H, W) float.
        grid: Rows and columns of the result; more than H and W are allowed.

    Returns:
        (B, C, rows, columns), type and device of `x`.
    """
    height, width = (int(side) for side in x.shape[-2:])
    rows, columns = grid
    if height % rows == 0 and width % columns == 0:
        return F.avg_pool2d(x, (height // rows, width // columns))
    x = x @ _cells(width, columns, x).mT  # (B, C, H, W) @ (W, columns) -> (B, C, H, columns)
    return _cells(height, rows, x) @ x  # (rows, H) @ (B, C, H, columns) -> (B, C, rows, columns)


class GridPool(nn.Module):
    """`grid_pool` as a layer, to stand where an `nn.AdaptiveAvgPool2d` stood.

    Args:
        grid: Rows and columns of the result.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        return grid_pool(x, self.grid)

    def extra_repr(self) -> str:
        return f"grid={self.grid}"


def replace_adaptive_pools(module: nn.Module) -> None:
    """Put a `GridPool` in the place of every adaptive mean pooling; global ones export and stay.

    Args:
        module: What to look through; changed in place, its weights and their names stay.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            size: Any = child.output_size
            grid = (size, size) if isinstance(size, int) else tuple(size)
            assert None not in grid, "a side that keeps its size"
            if grid != (1, 1):
                setattr(module, name, GridPool(grid))
        else:
            replace_adaptive_pools(child)


def _cells(size: int, cells: int, like: Tensor) -> Tensor:
    """(cells, size) weights of the mean over each cell; neighbours may share a pixel."""
    pixel = torch.arange(size, device=like.device)
    number = torch.arange(cells, device=like.device)[:, None]
    first, last = number * size // cells, ((number + 1) * size - 1) // cells
    inside = ((pixel >= first) & (pixel <= last)).to(like.dtype)
    return inside / (last - first + 1).to(like.dtype)
