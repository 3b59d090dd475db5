"""Losses against independent computations, by hand and in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from curbside.errors import ConfigError
from curbside.losses import CrossEntropyConfig, LogitKDConfig


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_cross_entropy_by_hand() -> None:
    # Two pixels: p(true) = 3/4 and 1/2; a third is ignored.
    logits = torch.log(torch.tensor([[[[0.75, 0.5, 0.1]], [[0.25, 0.5, 0.9]]]]))
    target = torch.tensor([[[0, 1, 255]]])
    loss = CrossEntropyConfig().build(2)(logits, target)
    assert loss.total.item() == pytest.approx((-math.log(0.75) - math.log(0.5)) / 2, rel=1e-6)
    assert set(loss.parts) == {"ce"}


def test_cross_entropy_weights_are_a_weighted_mean() -> None:
    logits = torch.log(torch.tensor([[[[0.75, 0.5]], [[0.25, 0.5]]]]))
    loss = CrossEntropyConfig(class_weights=(1.0, 3.0)).build(2)(logits, torch.tensor([[[0, 1]]]))
    assert loss.total.item() == pytest.approx((-math.log(0.75) - 3 * math.log(0.5)) / 4, rel=1e-6)


def test_cross_entropy_of_nothing_is_zero_with_a_gradient() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = CrossEntropyConfig().build(3)(logits, torch.full((1, 2, 2), 255))
    loss.total.backward()
    assert loss.total.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_cross_entropy_refuses_the_wrong_number_of_weights() -> None:
    with pytest.raises(ConfigError, match="2 class weights were given for 3 classes"):
        CrossEntropyConfig(class_weights=(1.0, 2.0)).build(3)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_logit_kd_against_numpy(temperature: float) -> None:
    rng = np.random.default_rng(3)
    student, teacher = rng.normal(0, 3, (2, 2, 5, 4, 6))
    target = rng.integers(0, 5, (2, 4, 6))
    target[0, :2] = 255
    p, q = _softmax(teacher / temperature), _softmax(student / temperature)
    per_pixel = (p * (np.log(p) - np.log(q))).sum(axis=1)
    expected = per_pixel[target != 255].mean() * temperature**2 * 0.5
    loss = LogitKDConfig(temperature=temperature, weight=0.5).build()
    value = loss(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(target != 255)
    ).total.item()
    assert value == pytest.approx(expected, rel=1e-5)


def test_logit_kd_is_zero_at_equality_and_blind_to_shifts() -> None:
    logits = torch.randn(1, 7, 3, 3)
    loss = LogitKDConfig().build()
    counts = torch.ones(1, 3, 3, dtype=torch.bool)
    assert loss(logits, logits, counts).total.item() == pytest.approx(0, abs=1e-6)
    assert loss(logits, logits + 5, counts).total.item() == pytest.approx(0, abs=1e-5)


def test_logit_kd_sends_no_gradient_to_the_teacher_nor_to_ignored_pixels() -> None:
    student = torch.randn(1, 4, 2, 2, requires_grad=True)
    teacher = torch.randn(1, 4, 2, 2, requires_grad=True)
    counts = torch.tensor([[[True, False], [True, True]]])
    LogitKDConfig().build()(student, teacher, counts).total.backward()
    assert teacher.grad is None
    assert student.grad[0, :, 0, 1].abs().sum() == 0
    assert (student.grad[0].abs().sum(dim=0) > 0).sum() == 3


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"weight": -1.0}])
def test_logit_kd_refuses_impossible_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        LogitKDConfig(**bad)


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    # One pixel with p = (3/4, 1/4); 0.2 spread over two classes makes the target (0.9, 0.1).
    logits = torch.log(torch.tensor([[[[0.75, 0.5]], [[0.25, 0.5]]]]))
    loss = CrossEntropyConfig(label_smoothing=0.2).build(2)(logits, torch.tensor([[[0, 255]]]))
    expected = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    assert loss.total.item() == pytest.approx(expected, rel=1e-6)
