"""How the losses of several tasks become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..losses import LossOutput
from ..losses.base import check_factor

__all__ = ["TaskWeighting", "TaskWeightingConfig"]

_SCALE = 4096.0
"""Gradients are measured of losses this much larger, as half precision would lose small ones."""
_LEAST = 1e-3
"""A task never counts less than this, of a mean of 1: it could not come back."""


@dataclass(frozen=True, kw_only=True)
class TaskWeightingConfig:
    """How the losses of several tasks become one."""

    kind: Literal["fixed", "uncertainty", "gradnorm"] = "fixed"
    """`fixed`: by the factors below alone; `uncertainty`: each divided by twice a variance that is learnt,
    whose logarithm is added (Kendall et al. 2018); `gradnorm`: such that all tasks pull equally hard at
    the encoder's last stage, those that learn slower a little harder (Chen et al. 2018)."""
    semantic: float = 1.0
    """Factor of the losses of classes, before anything else."""
    depth: float = 1.0
    """Factor of the loss of depth, before anything else."""
    alpha: float = 1.5
    """Of gradnorm: how much harder a slower task pulls; 0 lets all pull alike."""
    lr: float = 0.025
    """Of gradnorm: how fast the weights follow; 1 goes all the way in a step."""

    def __post_init__(self) -> None:
        for name in ("semantic", "depth", "alpha", "lr"):
            check_factor(f"{name} of the task weighting", getattr(self, name))
        if not self.semantic + self.depth > 0:
            raise ConfigError("no task counts", fix="give semantic or depth a factor over 0")
        if self.kind == "uncertainty" and not (self.semantic and self.depth):
            raise ConfigError(
                "a task without a factor has no uncertainty to learn",
                fix="train the other alone with --tasks, or give both a factor over 0",
            )

    def build(self, tasks: tuple[str, ...]) -> TaskWeighting:
        """What weighs the losses of these tasks."""
        return TaskWeighting(self, tasks)


class TaskWeighting(nn.Module):
    """Makes one loss of those of several tasks, with what is learnt or followed for it.

    A task of which a batch holds no sample says nothing: neither its variance nor its weight moves.

    Source: Kendall et al. 2018, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
    Geometry and Semantics; Chen et al. 2018, GradNorm: Gradient Normalization for Adaptive Loss
    Balancing in Deep Multitask Networks.

    Args:
        config: The settings.
        tasks: Their names, in the order of all that is kept by task.
    """

    weight: Tensor | None
    first: Tensor

    def __init__(self, config: TaskWeightingConfig, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self._config, self._tasks = config, tasks
        kind = config.kind if len(tasks) > 1 else "fixed"
        self.log_variance = nn.Parameter(torch.zeros(len(tasks))) if kind == "uncertainty" else None
        followed = kind == "gradnorm"
        self.register_buffer("weight", torch.ones(len(tasks)) if followed else None)
        self.register_buffer("first", torch.zeros(len(tasks)) if followed else None)

    def forward(
        self, losses: Mapping[str, Tensor], present: Mapping[str, bool], shared: Tensor | None
    ) -> LossOutput:
        """The loss to minimise.

        Args:
            losses: A scalar of each task.
            present: Whether the batch holds samples of a task.
            shared: What all tasks are computed from, of any shape, with gradient; None where no
                gradient is wanted.
        """
        factors = {"semantic": self._config.semantic, "depth": self._config.depth}
        scaled = torch.stack([factors[task] * losses[task].float() for task in self._tasks])
        there = scaled.new_tensor([float(present[task]) for task in self._tasks])
        if self.log_variance is not None:
            certainty = (-self.log_variance).exp()
            terms = 0.5 * certainty * scaled + 0.5 * self.log_variance
            parts = {f"sigma-{t}": (v / 2).exp() for t, v in self._by_task(self.log_variance)}
            return LossOutput((terms * there).sum(), parts)
        if self.weight is not None:
            if shared is not None and shared.requires_grad and _everywhere(there):
                self._follow(self.weight, scaled, shared)
            parts = {f"weight-{task}": value for task, value in self._by_task(self.weight)}
            return LossOutput((scaled * self.weight.clone()).sum(), parts)
        return LossOutput(scaled.sum(), {})

    def _by_task(self, values: Tensor) -> list[tuple[str, Tensor]]:
        return list(zip(self._tasks, values.detach().clone(), strict=True))

    @torch.no_grad()
    def _follow(self, weight: Tensor, losses: Tensor, shared: Tensor) -> None:
        """Bring the pulls G_i, the lengths of the gradients of w_i L_i, nearer to mean G * r_i^alpha, in
        which r_i is how much of its first loss a task has left, over the mean of all. The weights are
        multiplied, where the paper subtracts: their fixed point is the same, and losses of very
        different scales do not make them swing."""
        with torch.enable_grad():
            pulls = [
                torch.autograd.grad(_SCALE * one, shared, retain_graph=True)[0] for one in losses
            ]
        length, now = torch.stack([pull.float().norm() for pull in pulls]), losses.detach()
        if _has_company():
            for value in (length, now):
                torch.distributed.all_reduce(value, torch.distributed.ReduceOp.AVG)
        if not bool(self.first.any()):
            self.first.copy_(now.clamp(min=1e-8))
        rate = now / self.first
        rate = rate / rate.mean().clamp(min=1e-8)
        weighted = weight * length
        wanted = weighted.mean() * rate**self._config.alpha
        step = (wanted.clamp(min=1e-12) / weighted.clamp(min=1e-12)) ** self._config.lr
        moved = (weight * step.clamp(0.5, 2)).clamp(min=_LEAST)
        weight.copy_(moved * len(moved) / moved.sum())


def _has_company() -> bool:
    """Whether other processes train the same network."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _everywhere(there: Tensor) -> bool:
    """Whether every process has samples of every task: all of them move the weights, or none."""
    if _has_company():
        there = there.clone()
        torch.distributed.all_reduce(there, torch.distributed.ReduceOp.MIN)
    return bool(there.all())
