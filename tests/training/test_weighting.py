"""How the losses of several tasks become one."""

from __future__ import annotations

import math

import pytest
import torch

from curbside.errors import ConfigError
from curbside.training import TaskWeightingConfig

TASKS = ("semantic", "depth")
BOTH = {"semantic": True, "depth": True}


def _losses(first: float, second: float) -> dict[str, torch.Tensor]:
    return {
        "semantic": torch.tensor(first, requires_grad=True),
        "depth": torch.tensor(second, requires_grad=True),
    }


def test_fixed_weights_are_a_weighted_sum():
    weighting = TaskWeightingConfig(semantic=0.5, depth=3.0).build(TASKS)
    assert float(weighting(_losses(2.0, 4.0), BOTH, None).total.detach()) == pytest.approx(13.0)
    assert not list(weighting.parameters())


def test_uncertainty_is_kendalls():
    weighting = TaskWeightingConfig(kind="uncertainty").build(TASKS)
    with torch.no_grad():
        weighting.log_variance.copy_(torch.log(torch.tensor([4.0, 0.25])))  # sigma 2 and 1/2
    found = weighting(_losses(3.0, 5.0), BOTH, None)
    expected = 3 / (2 * 4) + math.log(2) + 5 / (2 * 0.25) + math.log(0.5)
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-6)
    assert float(found.parts["sigma-semantic"]) == pytest.approx(2)
    found.total.backward()
    # d/ds of L e^-s / 2 + s / 2: nothing left to learn where the variance is the loss.
    assert weighting.log_variance.grad.tolist() == pytest.approx([(1 - 3 / 4) / 2, (1 - 20) / 2])


def test_a_task_that_a_batch_lacks_moves_nothing():
    weighting = TaskWeightingConfig(kind="uncertainty").build(TASKS)
    found = weighting(_losses(3.0, 0.0), {"semantic": True, "depth": False}, None)
    found.total.backward()
    assert weighting.log_variance.grad[1] == 0
    assert float(found.total.detach()) == pytest.approx(1.5)


def test_gradnorm_brings_pulls_together():
    """Two tasks on one shared number whose gradients differ by a factor of 100: their weighted pulls
    become equal where none learns slower (alpha 0)."""
    weighting = TaskWeightingConfig(kind="gradnorm", alpha=0.0, lr=0.02).build(TASKS)
    shared = torch.tensor([1.0], requires_grad=True)
    for _ in range(300):
        losses = {"semantic": (100 * shared).sum(), "depth": (1 * shared).sum()}
        weighting(losses, BOTH, shared)
    ratio = float(weighting.weight[1] / weighting.weight[0])
    assert ratio == pytest.approx(100, rel=0.02)
    assert float(weighting.weight.sum()) == pytest.approx(2)
    before = weighting.weight.clone()
    weighting(losses, {"semantic": True, "depth": False}, shared)
    assert torch.equal(weighting.weight, before)


def test_gradnorm_lets_the_slower_task_pull_harder():
    weighting = TaskWeightingConfig(kind="gradnorm", alpha=1.0).build(TASKS)
    shared = torch.tensor([1.0], requires_grad=True)
    for step in range(200):
        losses = {"semantic": shared.sum(), "depth": shared.sum() * (1.0 if step == 0 else 0.5)}
        # The second fell to half of what it was, and has half the gradient.
        weighting(losses, BOTH, shared)
    pulls = weighting.weight * torch.tensor([1.0, 0.5])
    assert float(pulls[0] / pulls[1]) == pytest.approx(2.0, rel=0.02)


def test_one_task_needs_no_weighting():
    weighting = TaskWeightingConfig(kind="gradnorm").build(("depth",))
    assert float(weighting({"depth": torch.tensor(4.0)}, {"depth": True}, None).total) == 4


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="no task counts"):
        TaskWeightingConfig(semantic=0, depth=0)
    with pytest.raises(ConfigError, match="no uncertainty to learn"):
        TaskWeightingConfig(kind="uncertainty", depth=0)
    with pytest.raises(ConfigError, match="alpha"):
        TaskWeightingConfig(alpha=-1)
