"""Losses of depth: by hand, from their definitions in numpy, and by finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from curbside.errors import ConfigError
from curbside.losses import DepthLossConfig

KINDS = ("berhu", "l1", "silog")


def _loss(config: DepthLossConfig, depth, target, weight=None) -> tuple[float, torch.Tensor]:
    """The loss of one row of pixels, and its slope at each of them."""
    found = torch.tensor(depth, dtype=torch.float64).float().view(1, 1, 1, -1).requires_grad_()
    true = torch.tensor(target, dtype=torch.float32).view(1, 1, -1)
    counts = (
        torch.ones_like(true) if weight is None else torch.tensor(weight).float().view(1, 1, -1)
    )
    total, parts = config.build()(found, true, counts)
    assert parts == {config.kind: total}
    assert total.dtype == torch.float32
    total.backward()
    return total.item(), found.grad.flatten()


def test_berhu_is_linear_inside_its_threshold_and_quadratic_beyond() -> None:
    config = DepthLossConfig(normalize_by_m=10, threshold=0.5)
    # Apart by 0.2, 0.5 and 1 in tens of metres: 0.2, 0.5, (1 + 0.25) / 1.
    value, slope = _loss(config, [7.0, 5.0, 20.0], [5.0, 10.0, 10.0])
    assert value == pytest.approx((0.2 + 0.5 + 1.25) / 3)
    assert slope.tolist() == pytest.approx([0.1 / 3, -0.1 / 3, 0.1 * (1 / 0.5) / 3])


def test_berhu_has_neither_a_step_nor_a_bend_at_its_threshold() -> None:
    config = DepthLossConfig(normalize_by_m=10, threshold=0.5)
    (below, before), (above, after) = (_loss(config, [m], [10.0]) for m in (14.999, 15.001))
    assert above - below == pytest.approx(0.0002, rel=1e-2)
    assert before.item() == pytest.approx(after.item(), rel=1e-3)


def test_berhu_takes_a_fifth_of_the_largest_difference_that_is_known() -> None:
    # Apart by 1, 10 and, where nothing is known, 70 m: c is 2 m, so 1 and (100 + 4) / 4.
    config = DepthLossConfig(normalize_by_m=1)
    value, slope = _loss(config, [2.0, 20.0, 70.0], [1.0, 10.0, 0.0], [1, 1, 0])
    assert value == pytest.approx((1 + 26) / 2)
    assert slope.tolist() == pytest.approx([0.5, 0.5 * 10 / 2, 0])


def test_l1_is_a_mean_by_weight() -> None:
    config = DepthLossConfig(kind="l1", normalize_by_m=10)
    value, slope = _loss(config, [2.0, 9.0, 4.0], [1.0, 13.0, 4.5], [1, 0.5, 0])
    assert value == pytest.approx((0.1 + 0.5 * 0.4) / 1.5)
    assert slope.tolist() == pytest.approx([0.1 / 1.5, -0.05 / 1.5, 0])


def test_silog_is_the_one_of_numpy() -> None:
    rng = np.random.default_rng(0)
    depth, target = rng.uniform(1, 60, (2, 50))
    weight = rng.uniform(0, 1, 50) * (rng.random(50) > 0.3)
    apart = np.log(depth) - np.log(target)
    square = (weight * apart**2).sum() / weight.sum()
    mean = (weight * apart).sum() / weight.sum()
    value, _ = _loss(DepthLossConfig(kind="silog", variance_focus=0.6), depth, target, weight)
    assert value == pytest.approx(math.sqrt(square - 0.6 * mean**2), abs=2e-4)
    doubled, _ = _loss(DepthLossConfig(kind="silog", variance_focus=1), 2 * target, target, weight)
    assert doubled < 2e-3  # a factor is free


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_those_of_small_steps(kind: str) -> None:
    rng = np.random.default_rng(1)
    depth, target, weight = rng.uniform(2, 30, 12), rng.uniform(2, 30, 12), rng.random(12)
    weight[3] = 0
    target[3] = math.nan
    config = DepthLossConfig(kind=kind, threshold=0.1)  # type: ignore[arg-type]
    _, slope = _loss(config, depth, target, weight)
    for place in range(12):
        step = np.zeros(12)
        step[place] = 0.02
        up, down = (_loss(config, depth + sign * step, target, weight)[0] for sign in (1, -1))
        assert slope[place].item() == pytest.approx((up - down) / 0.04, abs=3e-5), place


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_which_nothing_is_known_costs_nothing_and_can_be_learnt(kind: str) -> None:
    value, slope = _loss(DepthLossConfig(kind=kind), [3.0, 5.0], [0.0, math.inf], [0, 0])  # type: ignore[arg-type]
    assert value == pytest.approx(0, abs=1e-7) and slope.tolist() == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_costs_nothing_and_has_a_finite_slope(kind: str) -> None:
    value, slope = _loss(DepthLossConfig(kind=kind), [3.0, 5.0], [3.0, 5.0])  # type: ignore[arg-type]
    assert value == pytest.approx(0, abs=1e-6) and bool(slope.isfinite().all())


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_reckoned_in_whole(kind: str) -> None:
    rng = np.random.default_rng(2)
    depth = torch.tensor(rng.uniform(1, 70, (2, 1, 4, 5))).bfloat16()
    target = torch.tensor(rng.uniform(1, 70, (2, 4, 5))).float()
    loss, weight = DepthLossConfig(kind=kind).build(), torch.ones(2, 4, 5)  # type: ignore[arg-type]
    found = loss(depth, target, weight).total
    assert found.dtype == torch.float32
    assert found.item() == loss(depth.float(), target, weight).total.item()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"normalize_by_m": 0.0}, "normalize_by_m of the depth loss is 0.0"),
        ({"threshold": -1.0}, "threshold of the depth loss is -1.0"),
        ({"threshold": math.nan}, "nan"),
        ({"variance_focus": 1.5}, "variance focus of 1.5"),
    ],
)
def test_impossible_numbers_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DepthLossConfig(**wrong)  # type: ignore[arg-type]
