"""What each distillation loss costs: forward and backward, on one thread.

    python benchmarks/distillation_losses.py
    python benchmarks/distillation_losses.py --only cwd lad --turns 9

The batch is 8 pictures of 512x512 with 16 classes. Losses on logits get them at the student's stride of
8 and at the size of the picture, losses on features 128 channels at stride 8 and 256 at stride 16, the
student's already adapted. All take turns, so that a busy neighbour slows all alike; the table gives the
least and the median of the turns in milliseconds, and the most memory that a step holds beyond its
inputs, the student's gradient included, in MiB, by the allocator's own trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
import tyro
from torch import Tensor

from curbside.losses import FeatureLossConfig, LogitLossConfig, distillation_losses

__all__ = ["main"]

_BATCH, _CLASSES = 8, 16
_LOGITS = {"logits 64x64": 64, "logits 512x512": 512}
_FEATURES = {"feature 128x64x64": (128, 64), "feature 256x32x32": (256, 32)}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One loss on one kind of input."""

    name: str
    where: str
    step: Callable[[], None]
    """Forward and backward."""


def main(only: tuple[str, ...] = (), turns: int = 5) -> None:
    """Time the losses.

    Args:
        only: Names of losses; all where none is given.
        turns: How often each is timed.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cases = [
        case
        for name, kind in distillation_losses().items()
        if not only or name in only
        for case in _cases(name, kind())
    ]
    memory = {id(case): _peak_mib(case.step) for case in cases}  # the first step warms up
    times: dict[int, list[float]] = {id(case): [] for case in cases}
    for _ in range(turns):
        for case in cases:
            start = perf_counter()
            case.step()
            times[id(case)].append((perf_counter() - start) * 1000)
    _print(cases, times, memory)


def _cases(name: str, config: object) -> list[Case]:
    cases = []
    if isinstance(config, LogitLossConfig):
        on_logits = config.build()
        for where, side in _LOGITS.items():
            shape = (_BATCH, _CLASSES, side, side)
            student, teacher = 3 * torch.randn(shape), 3 * torch.randn(shape)
            counts = torch.rand(_BATCH, side, side) > 0.1
            inputs = (student.requires_grad_(), teacher, counts, counts.float())
            cases.append(Case(name=name, where=where, step=_step(on_logits, *inputs)))
    if isinstance(config, FeatureLossConfig):
        for where, (channels, side) in _FEATURES.items():
            shape = (_BATCH, channels, side, side)
            student, teacher = torch.randn(shape), torch.randn(shape)
            loss = config.build(channels)
            step = _step(loss, student.requires_grad_(), teacher)
            cases.append(Case(name=name, where=where, step=step))
    return cases


def _step(loss: torch.nn.Module, student: Tensor, *others: Tensor) -> Callable[[], None]:
    def step() -> None:
        student.grad = None
        loss(student, *others).total.backward()

    return step


def _peak_mib(step: Callable[[], None]) -> float:
    """The most that a step holds at once beyond what it began with."""
    with torch.profiler.profile(profile_memory=True) as trace:
        step()
    held = most = 0
    for event in trace.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most / 2**20


def _print(
    cases: list[Case], times: Mapping[int, list[float]], memory: Mapping[int, float]
) -> None:
    print(f"{'loss':<14} {'on':<18} {'least ms':>9} {'median ms':>10} {'peak MiB':>9}")
    for case in cases:
        taken = times[id(case)]
        print(
            f"{case.name:<14} {case.where:<18} {min(taken):>9.1f} {median(taken):>10.1f}"
            f" {memory[id(case)]:>9.0f}"
        )


if __name__ == "__main__":
    tyro.cli(main)
