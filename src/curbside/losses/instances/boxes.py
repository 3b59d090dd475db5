"""How far boxes overlap, and how wrong a distribution of distances is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["complete_iou", "distance_focal", "pairwise_iou"]

_LEAST = 1e-7


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of all pairs of boxes.

    Args:
        first: (N, 4) left, top, right, bottom.
        second: (M, 4).

    Returns:
        (N, M) in 0..1.
    """
    return _overlap(first[:, None], second[None])[0]


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union, less for boxes whose centres or shapes differ: 1 for the same box.

    Args:
        first: (N, 4) left, top, right, bottom, with gradient.
        second: (N, 4), the truth.

    Returns:
        (N,), at most 1.

    Source: Zheng et al. 2020, Distance-IoU Loss.
    """
    iou, around = _overlap(first, second)
    apart = (first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]).square().sum(-1) / 4
    (width, height), (true_width, true_height) = _sides(first), _sides(second)
    turn = torch.atan(true_width / true_height.clamp(min=_LEAST)) - torch.atan(
        width / height.clamp(min=_LEAST)
    )
    shape = turn.square() * (4 / math.pi**2)
    with torch.no_grad():
        share = shape / (1 - iou + shape).clamp(min=_LEAST)
    return iou - apart / around.clamp(min=_LEAST) - share * shape


def _overlap(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and the squared diagonal of the smallest box around both."""
    low, high = (
        torch.maximum(first[..., :2], second[..., :2]),
        torch.minimum(first[..., 2:], second[..., 2:]),
    )
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).clamp(min=0).prod(dim=-1) for box in (first, second)]
    union = areas[0] + areas[1] - shared
    outer = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(
        first[..., :2], second[..., :2]
    )
    return shared / union.clamp(min=_LEAST), outer.square().sum(dim=-1)


def _sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0], sides[:, 1]


def distance_focal(distribution: Tensor, distances: Tensor) -> Tensor:
    """How improbable the two bins around each true distance are.

    Args:
        distribution: (N, 4 * bins) float scores, with gradient.
        distances: (N, 4) true distances in cells; beyond the last bin they count as that.

    Returns:
        (N,), the mean of the four sides.

    Source: Li et al. 2020, Generalized Focal Loss (distribution focal loss).
    """
    sides = distribution.unflatten(-1, (4, -1)).flatten(0, 1)  # (N * 4, bins)
    bins = sides.shape[-1]
    wanted = distances.clamp(0, bins - 1).flatten()
    lower = wanted.floor().clamp(max=bins - 2).long()
    share = wanted - lower
    below = F.cross_entropy(sides, lower, reduction="none")
    above = F.cross_entropy(sides, lower + 1, reduction="none")
    return ((1 - share) * below + share * above).view(-1, 4).mean(dim=1)
