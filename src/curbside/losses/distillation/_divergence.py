"""The Kullback-Leibler divergence between softened distributions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ...errors import ConfigError

__all__ = ["check_temperature", "soft_divergence"]

_CHUNK = 1 << 20  # elements: the few that are being worked on stay in the processor's cache


def soft_divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """`T^2 * KL(softmax(teacher / T) || softmax(student / T))` along an axis.

    The factor keeps the gradient's size when the temperature changes (Hinton et al. 2015).

    Args:
        student: (B, ...) scores, float.
        teacher: Scores of the same shape; no gradient flows into them.
        temperature: Softens both.
        dim: The axis whose entries share a probability of 1; not the first.

    Returns:
        float32, without that axis.
    """
    return _SoftDivergence.apply(student, teacher, temperature, dim)  # type: ignore[no-untyped-call]


class _SoftDivergence(torch.autograd.Function):
    """Value and gradient in one pass over a few rows at a time; only the gradient is kept."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
        gradient = torch.empty_like(student, dtype=torch.float32)
        rows = max(1, _CHUNK * len(student) // max(1, student.numel()))
        values = []
        for first, second, change in zip(
            student.split(rows), teacher.split(rows), gradient.split(rows), strict=True
        ):
            log_student = F.log_softmax(first.float() / temperature, dim=dim)
            log_teacher = F.log_softmax(second.float() / temperature, dim=dim)
            share = log_teacher.exp()
            values.append(log_teacher.sub_(log_student).mul_(share).sum(dim=dim))
            torch.sub(log_student.exp_(), share, out=change)
        ctx.save_for_backward(gradient)
        ctx.dim, ctx.factor = dim, temperature
        return torch.cat(values).mul_(temperature**2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outside: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        factor = (outside[0] * ctx.factor).unsqueeze(ctx.dim)
        return gradient * factor, None, None, None


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive, or infinite.

    Raises:
        ConfigError: It is not.
    """
    if not 0 < temperature < math.inf:
        raise ConfigError(
            f"a temperature of {temperature} is impossible", fix="choose a positive one"
        )
