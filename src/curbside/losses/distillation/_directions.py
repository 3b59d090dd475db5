"""Features by their direction alone."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["squared_chord"]

_SHORTEST = 1e-20  # of the product of two squared lengths


def squared_chord(student: Tensor, teacher: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """The squared distance between two vectors brought to length 1, 0..4.

    It is computed as `2 - 2 cos`, which needs no normalised copies. A vector of zeros has no direction:
    its distance is 0, without a gradient.

    Args:
        student: float, of any shape.
        teacher: The same shape; no gradient flows into it.
        dim: The axes that make up a vector.

    Returns:
        float32, without those axes.
    """
    first, second = student.float(), teacher.detach().float()
    lengths = first.square().sum(dim=dim) * second.square().sum(dim=dim)
    none = lengths < _SHORTEST
    # Infinity where there is none: the gradient of 1 / 0 would spoil all others.
    cosine = (first * second).sum(dim=dim) * torch.rsqrt(lengths.masked_fill(none, torch.inf))
    return 2 - 2 * cosine.masked_fill(none, 1)
