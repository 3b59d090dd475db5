"""How wrong mixed masks are, inside the boxes of their objects."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["mask_losses", "mask_targets"]


def mask_targets(objects: Tensor, numbers: Tensor, cells_hw: tuple[int, int]) -> Tensor:
    """What share of each cell some objects cover.

    Args:
        objects: (H, W) int, which object each pixel is of.
        numbers: (N,) the objects wanted.
        cells_hw: Height and width of the map of cells, which divide those of the picture.

    Returns:
        (N, h, w) float in 0..1.
    """
    stride = objects.shape[0] // cells_hw[0], objects.shape[1] // cells_hw[1]
    apart = (objects == numbers[:, None, None]).float()  # (N, H, W)
    return F.avg_pool2d(apart[:, None], stride)[:, 0]


def mask_losses(mixed: Tensor, targets: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy per cell of the box, and one minus Dice's coefficient in it.

    Args:
        mixed: (N, h, w) float scores before the sigmoid, with gradient.
        targets: (N, h, w) float in 0..1.
        boxes: (N, 4) left, top, right, bottom in cells; every cell that a box touches counts.

    Returns:
        (N,) each.

    Source: Bolya et al. 2019, YOLACT (cross-entropy in the box, over its area); Milletari et al.
    2016, V-Net (Dice with squares).
    """
    height, width = mixed.shape[1:]
    rows = torch.arange(height, device=mixed.device)[None, :, None]
    columns = torch.arange(width, device=mixed.device)[None, None]
    left, top, right, bottom = boxes[:, :, None, None].unbind(1)
    seen = (columns + 1 > left) & (columns < right) & (rows + 1 > top) & (rows < bottom)
    area = seen.flatten(1).sum(dim=1).clamp(min=1)
    entropy = F.binary_cross_entropy_with_logits(mixed, targets, reduction="none")
    entropy = (entropy * seen).flatten(1).sum(dim=1) / area
    shown, truth = (mixed.sigmoid() * seen).flatten(1), (targets * seen).flatten(1)
    shared = (shown * truth).sum(dim=1)
    whole = shown.square().sum(dim=1) + truth.square().sum(dim=1)
    return entropy, 1 - (2 * shared + 1) / (whole + 1)
