"""Undoing a max pooling: every value back at the place where the largest one stood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["max_unpool"]


def max_unpool(values: Tensor, source: Tensor) -> Tensor:
    """Put each value where the source has the maximum of its 2x2 window, and zero elsewhere.

    Among equals the first one in row-major order counts. A last row or column of an odd size belongs
    to no window and stays zero.

    Args:
        values: (B, C, H // 2, W // 2) float.
        source: (B, C, H, W) float; what was pooled.

    Returns:
        (B, C, H, W), in the type of the values.
    """
    if torch.onnx.is_in_onnx_export():
        return _by_comparison(values, source)
    places = F.max_pool2d(source, 2, return_indices=True)[1]
    return F.max_unpool2d(values, places, [2, 2], output_size=source.shape[-2:])


def _by_comparison(values: Tensor, source: Tensor) -> Tensor:
    """The same bits from comparisons alone, which every ONNX runtime has and runs fast.

    torch's exporter knows no unpooling, and pooling with indices and MaxUnpool in ONNX Runtime takes
    2.5 times as long as this; in torch itself this takes 3 times and more as long as the indices.
    """
    # As plain numbers: onnxslim folds a padding wrongly whose width is computed in the graph.
    batch, channels, height, width = map(int, values.shape)
    zero = values.new_zeros(())
    windows = source[..., : 2 * height, : 2 * width]
    # Within a row of a window, then between its two rows: (.., 2h, 2w) -> (.., 2h, w) -> (.., h, w)
    left, right = windows.reshape(batch, channels, 2 * height, width, 2).unbind(-1)
    rows = torch.maximum(left, right).reshape(batch, channels, height, 2, width)
    upper, lower = rows.unbind(-2)
    in_upper, in_left = upper >= lower, left >= right
    chosen = torch.stack([values.where(in_upper, zero), zero.where(in_upper, values)], dim=-2)
    chosen = chosen.reshape(batch, channels, 2 * height, width)
    placed = torch.stack([chosen.where(in_left, zero), zero.where(in_left, chosen)], dim=-1)
    placed = placed.reshape(batch, channels, 2 * height, 2 * width)
    below, beside = int(source.shape[-2]) - 2 * height, int(source.shape[-1]) - 2 * width
    return F.pad(placed, (0, beside, 0, below))
