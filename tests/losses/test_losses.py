"""Cross-entropy, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from curbside.errors import ConfigError
from curbside.losses import CrossEntropyConfig


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


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    # One pixel with p = (3/4, 1/4); 0.2 spread over two classes makes the target (0.9, 0.1).
    logits = torch.log(torch.tensor([[[[0.75, 0.5]], [[0.25, 0.5]]]]))
    loss = CrossEntropyConfig(label_smoothing=0.2).build(2)(logits, torch.tensor([[[0, 255]]]))
    expected = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    assert loss.total.item() == pytest.approx(expected, rel=1e-6)
