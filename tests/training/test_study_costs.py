"""What a step costs, counted against sums by hand, and how many steps a budget is enough for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from curbside.losses import LogitKDConfig
from curbside.losses.distillation.cross_image import CrossImageConfig
from curbside.losses.distillation.feature_l2 import FeatureL2Config
from curbside.models import FeatureSpec, ModelConfig, ModelOutput, SegmentationModel
from curbside.training import DataConfig, DistillationConfig, TrainConfig
from curbside.training.study.cost import Cost, count_macs

HEIGHT, WIDTH, CLASSES = 32, 40, 5
PIXELS = HEIGHT * WIDTH


@dataclass(frozen=True, kw_only=True)
class _Config(ModelConfig):
    """A 3x3 convolution and a classifier, and an auxiliary head that training mode alone runs."""

    channels: int

    def build(self, num_classes: int) -> _Network:
        return _Network(self.channels, num_classes)

    @property
    def title(self) -> str:
        return "two layers"


class _Network(SegmentationModel):
    training_only = ("aux",)

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(num_classes)
        self.stem = nn.Conv2d(3, channels, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Conv2d(channels, num_classes, 1)
        self.aux = nn.Conv2d(channels, num_classes, 1)
        self.feature_specs = (FeatureSpec(name="decoder", channels=channels, stride=2),)

    def forward(self, image: Tensor) -> ModelOutput:
        feature = self.norm(self.stem(image))
        aux = (self.aux(feature),) if self.training else ()
        return ModelOutput(self.head(feature), aux=aux, features=(feature,))


def _config(*losses: object, teachers: int = 1, **data: int) -> TrainConfig:
    paths = tuple(Path(str(i)) for i in range(teachers))
    return TrainConfig(
        name="hand",
        model=_Config(channels=8),
        data=DataConfig(batch_size=3, crop_hw=(HEIGHT, WIDTH), **data),
        distillation=DistillationConfig(teacher=paths, losses=losses) if losses else None,
    )


STUDENT = PIXELS // 4 * (3 * 8 * 9 + 8 * CLASSES + 8 * CLASSES)  # with the auxiliary head
TEACHER = PIXELS // 4 * (3 * 12 * 9 + 12 * CLASSES)  # without it


def test_a_student_alone_costs_three_forward_passes() -> None:
    cost = count_macs(_config(accumulate=2), CLASSES, ())
    assert (cost.pictures, cost.student, cost.losses, cost.teacher) == (6, STUDENT, 0, 0)
    assert cost.macs == 6 * 3 * STUDENT


def test_a_teacher_beside_it_costs_one_and_an_adapter_three() -> None:
    config = _config(LogitKDConfig(), FeatureL2Config(), teachers=2)
    cost = count_macs(config, CLASSES, [_Config(channels=12)] * 2)
    adapters = 2 * PIXELS // 4 * 8 * 12  # one for each teacher
    assert (cost.student, cost.losses, cost.teacher) == (STUDENT, adapters, 2 * TEACHER)
    assert cost.macs == 3 * (3 * (STUDENT + adapters) + 2 * TEACHER)


def test_products_inside_a_loss_are_counted_over_the_whole_batch() -> None:
    alone = count_macs(_config(LogitKDConfig()), CLASSES, [_Config(channels=12)])
    crossed = count_macs(_config(CrossImageConfig()), CLASSES, [_Config(channels=12)])
    assert alone.losses == 0
    assert crossed.losses > 0


def test_a_loss_that_looks_at_values_is_counted_with_values(monkeypatch) -> None:
    from curbside.losses.distillation import feature_l2

    forward = feature_l2.FeatureL2.forward

    def looking(self, student, teacher):
        assert float(student.sum()) == float(student.sum())  # refused without values
        return forward(self, student, teacher)

    monkeypatch.setattr(feature_l2.FeatureL2, "forward", looking)
    cost = count_macs(_config(FeatureL2Config()), CLASSES, [_Config(channels=12)])
    assert cost.losses == PIXELS // 4 * 8 * 12


def test_a_cached_teacher_costs_its_pictures_once() -> None:
    cost = count_macs(_config(LogitKDConfig()), CLASSES, [None], once=1000)
    assert (cost.teacher, cost.losses, cost.once) == (0, 0, 1000)
    assert cost.spent("flops", 7) == 1000 + 7 * 3 * 3 * STUDENT


def test_counting_takes_no_memory_for_the_networks() -> None:
    huge = _Config(channels=300_000)  # 24 GB at this size
    cost = count_macs(
        replace(_config(LogitKDConfig()), data=DataConfig(crop_hw=(256, 320))), CLASSES, [huge]
    )
    assert cost.teacher == 128 * 160 * (3 * 300_000 * 9 + 300_000 * CLASSES)
    assert torch.get_default_device().type == "cpu"


CONTROL = Cost(pictures=4, student=100, losses=0, teacher=0, once=0, seconds=0.5)
TAUGHT = Cost(
    pictures=4, student=100, losses=10, teacher=270, once=6000, seconds=0.8, once_seconds=9.0
)


@pytest.mark.parametrize(
    ("budget", "amount", "steps"),
    [
        ("flops", 120_000, 48),  # control: 4 * 300 a step; taught: 6000 + steps * 4 * (330 + 270)
        ("time", 50, 51),  # 9 + 51 * 0.8 = 49.8
        ("steps", 100, 100),
        ("flops", 6000, 1),  # the cache alone took all: a run of no step is none
    ],
)
def test_steps_for_a_budget(budget, amount, steps) -> None:
    whole = CONTROL.spent(budget, 100)
    assert whole == {"flops": 120_000, "time": 50, "steps": 100}[budget]
    assert CONTROL.steps_for(budget, whole) == 100
    assert TAUGHT.steps_for(budget, amount) == steps
