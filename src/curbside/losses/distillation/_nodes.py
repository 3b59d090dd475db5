"""A feature as a few nodes, to be compared with each other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError

__all__ = ["check_nodes", "unit_nodes"]

_SHORTEST = 1e-6


def unit_nodes(feature: Tensor, per_side: int) -> Tensor:
    """Directions of a feature over a grid of areas.

    Args:
        feature: (B, C, h, w) float.
        per_side: Areas along each side; fewer where the feature is smaller.

    Returns:
        (B, N, C) float32, each of length 1; one without a direction is zero, without a gradient.
    """
    height, width = feature.shape[-2:]
    pooled = _averaged(feature.float(), (min(per_side, height), min(per_side, width)))
    nodes = pooled.flatten(2).transpose(1, 2)
    length = torch.linalg.vector_norm(nodes, dim=2, keepdim=True)
    return nodes / length.masked_fill(length < _SHORTEST, torch.inf)


def _averaged(feature: Tensor, size_hw: tuple[int, int]) -> Tensor:
    height, width = feature.shape[-2:]
    if height % size_hw[0] or width % size_hw[1]:
        return F.adaptive_avg_pool2d(feature, size_hw)
    return F.avg_pool2d(feature, (height // size_hw[0], width // size_hw[1]))  # the same, faster


def check_nodes(per_side: int) -> None:
    """Refuse a grid without areas.

    Raises:
        ConfigError: It is one.
    """
    if per_side < 1:
        raise ConfigError(f"{per_side} nodes per side are impossible", fix="choose 1 or more")
