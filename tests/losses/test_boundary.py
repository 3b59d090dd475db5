"""The boundary loss: where borders are, and what a prediction of them costs, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from curbside.errors import ConfigError
from curbside.losses.boundary import BoundaryConfig, label_borders

LN2 = math.log(2)


def _row(*ids: int) -> torch.Tensor:
    return torch.tensor([[ids]])


@pytest.mark.parametrize(
    ("ids", "radius", "borders"),
    [
        ([3, 3, 3, 3, 5, 5, 5, 5], 1, [3, 4]),
        ([3, 3, 3, 3, 5, 5, 5, 5], 2, [2, 3, 4, 5]),
        ([0, 0, 0, 9, 0, 0, 0, 0], 1, [2, 3, 4]),
        ([4, 4, 4, 4, 4, 4, 4, 4], 2, []),
        # Ignored pixels make no border and have none; what lies on their two sides still may meet.
        ([7, 7, 7, 7, 255, 255, 255, 255], 2, []),
        ([7, 7, 7, 255, 0, 0, 0, 0], 1, []),
        ([7, 7, 7, 255, 0, 0, 0, 0], 2, [2, 4]),
    ],
)
def test_borders_of_a_row(ids: list[int], radius: int, borders: list[int]) -> None:
    found = label_borders(_row(*ids), radius)
    assert found[0, 0].nonzero().flatten().tolist() == borders


def test_borders_run_down_and_across_corners() -> None:
    target = torch.zeros(2, 5, 6, dtype=torch.long)
    target[0, :2, :3] = 1
    expected = torch.zeros(2, 5, 6, dtype=torch.bool)  # the other picture has none
    expected[0, 1:3, :4] = True
    expected[0, :3, 2:4] = True
    assert torch.equal(label_borders(target, 1), expected)


def test_borders_of_every_pixel_by_its_neighbours() -> None:
    target = torch.randint(0, 3, (1, 9, 11), generator=torch.Generator().manual_seed(1))
    target = target.repeat_interleave(3, 1).repeat_interleave(3, 2)
    target[0, 4:9, 5:13] = 255
    found = label_borders(target, 2)[0]
    ids = target[0]
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            near = ids[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            differs = ((near != ids[y, x]) & (near != 255)).any()
            assert found[y, x] == (ids[y, x] != 255 and differs)


def test_loss_by_hand() -> None:
    # Six pixels, of which the fifth is ignored: borders at 2 and 3, that is 2 of 5.
    target = _row(0, 0, 0, 1, 255, 1)
    chance = torch.tensor([0.5, 0.2, 0.75, 0.5, 0.9, 0.1])
    loss = BoundaryConfig(radius=1, weight=10).build()(
        torch.logit(chance)[None, None, None], target
    )
    others = -(math.log(0.5) + math.log(0.8) + math.log(0.9))
    borders = -(math.log(0.75) + math.log(0.5))
    bce = (2 / 5 * others + 3 / 5 * borders) / 5
    assert set(loss.parts) == {"boundary"}
    assert loss.parts["boundary"].item() == pytest.approx(bce, rel=1e-6)
    assert loss.total.item() == pytest.approx(10 * bce, rel=1e-6)


def test_scores_are_brought_to_the_size_of_the_labels() -> None:
    target = torch.zeros(1, 8, 8, dtype=torch.long)
    target[:, :, 4:] = 1
    # Columns 2..5 of 8 are borders. Without an opinion both halves cost 1/2 * ln 2.
    unsure = BoundaryConfig(weight=1).build()(torch.zeros(1, 1, 2, 2), target)
    assert unsure.total.item() == pytest.approx(LN2 / 2, rel=1e-6)
    # From two columns (-3, 3) to eight, pixel centres on pixel centres.
    scores = torch.tensor([-3.0, 3.0]).expand(1, 1, 2, 2)
    wide = [-3, -3, -2.25, -0.75, 0.75, 2.25, 3, 3]
    costs = [math.log1p(math.exp(s if x in (0, 1, 6, 7) else -s)) for x, s in enumerate(wide)]
    loss = BoundaryConfig(weight=1).build()(scores, target)
    assert loss.total.item() == pytest.approx(sum(costs) / 8 / 2, rel=1e-6)


@pytest.mark.parametrize("ids", [4, 255], ids=["one class", "nothing known"])
def test_a_batch_without_borders_costs_nothing(ids: int) -> None:
    scores = torch.randn(2, 1, 4, 4, requires_grad=True)
    loss = BoundaryConfig().build()(scores, torch.full((2, 8, 8), ids))
    loss.total.backward()
    assert loss.total.item() == 0
    assert torch.equal(scores.grad, torch.zeros_like(scores))


def test_borders_pull_up_others_down_and_ignored_pixels_not_at_all() -> None:
    scores = torch.zeros(1, 1, 1, 8, requires_grad=True)
    target = _row(0, 0, 0, 1, 1, 1, 255, 255)
    BoundaryConfig(radius=1).build()(scores, target).total.backward()
    assert scores.grad.sign().flatten().tolist() == [1, 1, -1, -1, 1, 1, 0, 0]
    # Both sides pull with the same force in all.
    assert scores.grad.sum().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("bad", [{"weight": -1.0}, {"radius": 0}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        BoundaryConfig(**bad)
