"""What a step of training costs: multiply-accumulates by the shapes, or seconds by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...datasets import TrainItem
from ...models import ModelConfig, ModelOutput, SegmentationModel
from ...models.complexity import on_meta
from ..config import TrainConfig
from ..distiller import Distiller

__all__ = ["Budget", "Cost", "count_macs"]

Budget = Literal["flops", "time", "steps"]
"""What is equal: arithmetic, seconds on this machine, or steps."""

BACKWARD = 3
"""Forward and backward pass together, in forward passes: one for the forward, two for the gradients
with respect to the weights and to what goes in."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run costs, apart from its length."""

    pictures: int
    """Pictures in a step."""
    student: int
    """MACs of the student's forward pass over one picture, in the form that is trained."""
    losses: int
    """MACs of what is between student and teacher, forward and per picture: adapters, and matrix
    products in losses."""
    teacher: int
    """MACs of the forward passes of all teachers that run beside the student, over one picture."""
    once: int
    """MACs that were spent before the first step: the teachers' over the pictures of their caches."""
    seconds: float | None = None
    """Seconds of a step, measured; None where they were not."""
    once_seconds: float = 0.0
    """Seconds that were spent before the first step."""

    @property
    def macs(self) -> int:
        """MACs of a step."""
        return self.pictures * (BACKWARD * (self.student + self.losses) + self.teacher)

    def spent(self, budget: Budget, steps: float) -> float:
        """What so many steps cost, with what was spent before: MACs, seconds or steps."""
        if budget == "steps":
            return steps
        if budget == "flops":
            return self.once + steps * self.macs
        assert self.seconds is not None
        return self.once_seconds + steps * self.seconds

    def steps_for(self, budget: Budget, amount: float) -> int:
        """How many steps an amount of MACs, seconds or steps is enough for, at least one."""
        once = self.spent(budget, 0)
        return max(1, round((amount - once) / (self.spent(budget, 1) - once)))

    def teachers_macs(self, steps: int) -> int:
        """MACs of the teachers in so many steps, and those behind their caches."""
        return self.once + steps * self.pictures * self.teacher


def count_macs(
    config: TrainConfig,
    num_classes: int,
    teachers: Sequence[ModelConfig | None],
    *,
    once: int = 0,
) -> Cost:
    """Count what a step of a run computes; see `models.complexity` for what is counted.

    Args:
        config: The run.
        num_classes: How many scores the networks give per place, see `LabelSpace.num_channels`.
        teachers: The network of each teacher of the config, None for one that is a cache.
        once: MACs that were spent beforehand.
    """
    size_hw = config.data.crop_hw
    student = on_meta(config.model, num_classes).train()
    macs, output = _forward(student, size_hw)
    asked = [None if one is None else on_meta(one, num_classes).eval() for one in teachers]
    answers = [None if one is None else _forward(one, size_hw) for one in asked]
    losses = 0
    if config.distillation is not None:
        shown = [
            None if one is None or answer is None else _Shown(one, answer[1])
            for one, answer in zip(asked, answers, strict=True)
        ]
        losses = _between(config, student, output, shown)
    return Cost(
        pictures=config.data.batch_size * config.data.accumulate,
        student=macs,
        losses=losses,
        teacher=sum(answer[0] for answer in answers if answer is not None),
        once=once,
    )


_COUNTED = 2  # pictures: BatchNorm in training mode refuses a single value per channel


def _forward(model: SegmentationModel, size_hw: tuple[int, int]) -> tuple[int, ModelOutput]:
    """MACs per picture, and what comes out, without values."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = model(torch.empty(_COUNTED, 3, *size_hw, device="meta"))
    return counter.get_total_flops() // (2 * _COUNTED), output


class _Shown(SegmentationModel):
    """A teacher whose answer is known."""

    def __init__(self, teacher: SegmentationModel, output: ModelOutput) -> None:
        super().__init__(teacher.num_classes)
        self.feature_specs, self.depth_only = teacher.feature_specs, teacher.depth_only
        self.output = output
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> ModelOutput:
        features = tuple(_like(feature, len(image)) for feature in self.output.features)
        return ModelOutput(_like(self.output.logits, len(image)), features=features)


def _like(tensor: Tensor, pictures: int) -> Tensor:
    return torch.rand(
        pictures, *tensor.shape[1:], device=torch.get_default_device(), dtype=torch.float32
    )


def _between(
    config: TrainConfig,
    student: SegmentationModel,
    output: ModelOutput,
    teachers: Sequence[_Shown | None],
) -> int:
    """MACs per picture of the distillation losses and their adapters."""
    try:
        # All of the batch, as losses may compare its pictures with one another.
        return _distill(config, student, output, teachers, config.data.batch_size, "meta")
    except (RuntimeError, NotImplementedError):  # a loss that looks at values
        return _distill(config, student, output, teachers, _COUNTED, "cpu")


def _distill(
    config: TrainConfig,
    student: SegmentationModel,
    output: ModelOutput,
    teachers: Sequence[_Shown | None],
    pictures: int,
    device: str,
) -> int:
    assert config.distillation is not None
    height, width = config.data.crop_hw
    with torch.device(device):
        distiller = Distiller(config.distillation, student, teachers)
        logits = torch.rand(pictures, student.num_classes, height, width)
        small = _like(output.logits, pictures)
        features = tuple(_like(feature, pictures) for feature in output.features)
        ones = torch.ones(pictures, height, width)
        batch = TrainItem(
            image=torch.zeros(pictures, 3, 1, 1, device="cpu"),
            target=torch.zeros(pictures, height, width, dtype=torch.uint8),
            counts=ones > 0,
            border_weight=ones,
            taught=tuple(_like(output.logits, pictures) for one in teachers if one is None),
            problems=(),
        )
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            distiller(batch, ModelOutput(small, features=features), logits)
    return counter.get_total_flops() // (2 * pictures)
