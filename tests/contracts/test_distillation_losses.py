"""What every distillation loss keeps to, found as the command line finds them."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from torch import Tensor

from curbside.errors import ConfigError
from curbside.losses import (
    DistillationLossConfig,
    FeatureLossConfig,
    LogitLossConfig,
    LossOutput,
    distillation_losses,
)
from curbside.models import load_network
from curbside.training import (
    DistillationConfig,
    TrainConfig,
    config_from_json,
    config_to_json,
)

KINDS = distillation_losses()
every = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
Loss = torch.nn.Module


def build(config: DistillationLossConfig) -> Loss:
    """The loss, with the same random weights each time, if it has any."""
    torch.manual_seed(3)
    assert isinstance(config, (LogitLossConfig, FeatureLossConfig))
    return config.build() if isinstance(config, LogitLossConfig) else config.build(6)


def run(loss: Loss, student: Tensor, teacher: Tensor, kind: type) -> LossOutput:
    if issubclass(kind, FeatureLossConfig):
        return loss(student, teacher)
    counts = torch.ones(len(student), *student.shape[2:], dtype=torch.bool)
    return loss(student, teacher, counts, counts.float())


def pair(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    student, teacher = torch.randn(2, 2, 6, 4, 5, generator=generator).to(dtype).unbind()
    return student.clone().requires_grad_(), teacher.clone().requires_grad_()


def test_names_are_those_of_the_command_line() -> None:
    assert set(KINDS) >= {
        "affinity",
        "attn-fd",
        "border-kd",
        "cad",
        "cross-image",
        "cwd",
        "cwd-logits",
        "dist",
        "feature-l2",
        "lad",
        "logit-kd",
        "pad",
        "pre-logit-l2",
    }


@every
def test_a_finite_scalar_whose_gradient_is_the_students(kind: type[DistillationLossConfig]) -> None:
    student, teacher = pair()
    loss = run(build(kind()), student, teacher, kind)
    loss.total.backward()
    assert loss.total.shape == ()
    assert loss.total.dtype == torch.float32
    assert 0 < loss.total.item() < math.inf
    assert teacher.grad is None
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0


@every
def test_a_step_against_the_gradient_lowers_the_loss(kind: type[DistillationLossConfig]) -> None:
    student, teacher = pair()
    loss = build(kind())
    before = run(loss, student, teacher, kind).total
    (gradient,) = torch.autograd.grad(before, student)
    step = 1e-3 * before.item() / gradient.square().sum().item()
    after = run(loss, (student - step * gradient).detach(), teacher, kind).total.item()
    # To first order, the thousandth part of it.
    assert before.item() - after == pytest.approx(1e-3 * before.item(), rel=0.05)


@every
def test_the_weight_scales_the_total_and_not_the_parts(kind: type[DistillationLossConfig]) -> None:
    student, teacher = pair()
    once, thrice, never = (
        run(build(kind(weight=weight)), student, teacher, kind) for weight in (1.0, 3.0, 0.0)
    )
    assert thrice.total.item() == pytest.approx(3 * once.total.item(), rel=1e-6)
    assert never.total.item() == 0
    assert once.parts
    for name, part in once.parts.items():
        assert part.shape == ()
        assert not part.requires_grad
        assert part.item() == thrice.parts[name].item() == never.parts[name].item()
    if len(once.parts) == 1:
        assert once.total.item() == pytest.approx(*(p.item() for p in once.parts.values()))


@every
def test_half_precision_outside_is_single_precision_inside(
    kind: type[DistillationLossConfig],
) -> None:
    student, teacher = pair(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        half = run(build(kind()), student, teacher, kind).total
    half.backward()
    full = run(build(kind()), student.detach().float(), teacher.detach().float(), kind).total
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full.item(), rel=1e-5)
    assert student.grad.dtype == torch.bfloat16
    assert student.grad.isfinite().all()


@every
def test_student_and_teacher_may_differ_in_precision(kind: type[DistillationLossConfig]) -> None:
    student, teacher = pair()
    mixed = run(build(kind()), student, teacher.bfloat16(), kind).total
    same = run(build(kind()), student, teacher.bfloat16().float(), kind).total
    assert mixed.item() == pytest.approx(same.item(), rel=1e-5)


@every
def test_neither_prediction_is_changed(kind: type[DistillationLossConfig]) -> None:
    student, teacher = pair()
    kept = student.detach().clone(), teacher.detach().clone()
    run(build(kind()), student, teacher, kind).total.backward()
    assert torch.equal(student, kept[0])
    assert torch.equal(teacher, kept[1])


RELATIONS = [k for k in KINDS.values() if issubclass(k, FeatureLossConfig) and not k.adapts]


@pytest.mark.parametrize("kind", RELATIONS)
def test_channels_may_differ_where_nothing_adapts_them(kind: type[FeatureLossConfig]) -> None:
    student, teacher = pair()
    run(build(kind()), student[:, :2], teacher, kind).total.backward()
    assert student.grad[:, :2].abs().sum() > 0


@every
def test_a_config_survives_the_run_folder(kind: type[DistillationLossConfig]) -> None:
    changed = {
        field.name: getattr(kind(), field.name) * 2
        for field in dataclasses.fields(kind)
        if isinstance(getattr(kind(), field.name), float)
    }
    if issubclass(kind, FeatureLossConfig):
        changed["pairs"] = (("stage1", "stage2"), ("decoder", "decoder"))
    config = TrainConfig(
        name="t",
        model=load_network("lraspp-resnet18"),
        distillation=DistillationConfig(losses=(kind(), kind(**changed))),
    )
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text), where="a test") == config


@every
def test_a_weight_that_is_no_factor_is_refused(kind: type[DistillationLossConfig]) -> None:
    for weight in (-0.5, math.nan, math.inf):
        with pytest.raises(ConfigError, match=f"weight of {weight}"):
            kind(weight=weight)
