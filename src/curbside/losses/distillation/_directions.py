"""Features by their direction alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["squared_chord"]

_SHORTEST = 1e-20  # of a squared length


def squared_chord(student: Tensor, teacher: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """The squared distance between two vectors brought to length 1, 0..4.

    It is computed from differences: `2 - 2 cos` would lose what nearly equal directions differ by. A
    vector of zeros has no direction: its distance is 0, without a gradient.

    Args:
        student: float, of any shape.
        teacher: The same shape; no gradient flows into it.
        dim: The axes that make up a vector.

    Returns:
        float32, without those axes.
    """
    return _SquaredChord.apply(student, teacher, dim)  # type: ignore[no-untyped-call]


class _SquaredChord(torch.autograd.Function):
    """Value and gradient at once; only the gradient is kept."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, dim: int | tuple[int, ...]) -> Tensor:
        first, second = student.float(), teacher.float()
        squares = [vector.square().sum(dim=dim, keepdim=True) for vector in (first, second)]
        none = torch.minimum(*squares) < _SHORTEST
        # Where there is no direction, both become 0, and all that follows from them.
        of_first, of_second = (square.masked_fill_(none, torch.inf).rsqrt_() for square in squares)
        difference = (first * of_first).addcmul_(second, of_second, value=-1)
        chord = difference.square().sum(dim=dim, keepdim=True)
        # With u and v of length 1, the gradient of |u - v|^2 is 2 (u - v), without its part along u,
        # over the student's length; that part is |u - v|^2 / 2.
        gradient = difference.addcmul_(first, of_first * chord, value=-0.5)
        ctx.save_for_backward(gradient, of_first.mul_(2))
        return chord.squeeze(dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outside: Tensor) -> tuple[Tensor, None, None]:
        gradient, factor = ctx.saved_tensors
        return gradient * (outside[0].view_as(factor) * factor), None, None
