"""The boundary loss: where borders are, and what a prediction of them costs, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from curbside.datasets import TrainItem
from curbside.errors import ConfigError
from curbside.labels import load_space
from curbside.losses.boundary import BoundaryConfig, label_borders
from curbside.losses.supervised.cross_entropy import CrossEntropyConfig
from curbside.losses.supervised.ohem import OHEMConfig
from curbside.models import ModelOutput, PIDNetConfig
from curbside.training import TrainConfig
from curbside.training.task import SegmentationTask

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


def test_labels_of_one_weight_keep_their_borders_with_the_others() -> None:
    ids = torch.tensor([[[0, 0, 0, 0, 5, 5, 5, 5]]])
    left = ids.masked_fill(ids == 5, 255)
    right = torch.full((1, 1, 1, 8), -9.0)
    right[..., 2:6] = 9.0  # two pixels to either side, as the radius says
    loss = BoundaryConfig().build()
    assert loss(right, left, ids).total < 0.1 < loss(-right, left, ids).total
    assert loss(right, left, left).total == loss(-right, left, left).total == 0  # no border inside


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


def test_labels_remain_where_a_border_is_predicted() -> None:
    scores = torch.logit(torch.tensor([0.9, 0.79, 0.81, 0.1, 0.95]))[None, None, None]
    target = _row(3, 3, 4, 4, 255)
    kept = BoundaryConfig().build().aware_target(scores, target)
    assert torch.equal(kept, _row(3, 255, 4, 255, 255))
    assert torch.equal(target, _row(3, 3, 4, 4, 255))
    lower = BoundaryConfig(aware_threshold=0.05).build().aware_target(scores, target)
    assert torch.equal(lower, target)


def test_predicted_borders_are_brought_to_the_size_of_the_labels() -> None:
    # From two columns (-3, 3) to eight: -3 -3 -2.25 -0.75 0.75 2.25 3 3; 0.8 is a score of 1.386.
    scores = torch.tensor([-3.0, 3.0]).expand(1, 1, 2, 2)
    kept = BoundaryConfig().build().aware_target(scores, torch.full((1, 8, 8), 6))
    assert torch.equal(kept[0], torch.tensor([255] * 5 + [6] * 3).expand(8, 8))


@pytest.mark.parametrize("factor", [1.0, 0.25, 0.0])
def test_the_losses_of_pidnet_add_up(factor: float) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 11, 16, 16, generator=draw, requires_grad=True)
    output = ModelOutput(
        logits,
        aux=(torch.randn(2, 11, 8, 8, generator=draw),),
        boundary=(3 * torch.randn(2, 1, 8, 8, generator=draw)).requires_grad_(),
    )
    target = torch.randint(0, 11, (2, 16, 16), generator=draw, dtype=torch.uint8)
    target[0, :3] = 255
    batch = TrainItem(torch.empty(0), target, target != 255, None, (), ())
    settings = BoundaryConfig(aware_weight=factor)
    config = TrainConfig(
        name="pidnet",
        model=PIDNetConfig(width=8, context_channels=16, head_channels=16),
        loss=OHEMConfig(threshold=0.1, min_share=0.02),
        aux_loss=CrossEntropyConfig(),
        boundary=settings,
    )
    space = load_space("camvid11")
    task = SegmentationTask(config, config.model.build(space.num_classes), space, 1)
    total, parts = task._supervise(batch, output)

    ohem, target = config.loss.build(11), target.long()
    probability = torch.nn.functional.interpolate(
        output.boundary, size=(16, 16), mode="bilinear"
    ).sigmoid()[:, 0]
    on_border = ohem(logits, torch.where(probability > 0.8, target, 255)).total
    aux = torch.nn.functional.interpolate(output.aux[0], size=(16, 16), mode="bilinear")
    expected = (
        ohem(logits, target).total
        + 0.4 * CrossEntropyConfig().build(11)(aux, target).total
        + settings.build()(output.boundary, target).total
        + factor * on_border
    )
    assert on_border > 0
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert set(parts) == {"ohem", "aux", "boundary"} | ({"aware"} if factor else set())
    if factor:
        assert parts["aware"].item() == pytest.approx(on_border.item(), rel=1e-5)
        # The head learns its borders from the labels alone.
        alone = settings.build()(output.boundary, target).total
        (wanted,) = torch.autograd.grad(alone, output.boundary)
        (found,) = torch.autograd.grad(total, output.boundary)
        assert torch.allclose(found, wanted)


@pytest.mark.parametrize(
    "bad",
    [
        {"weight": -1.0},
        {"radius": 0},
        {"aware_weight": -1.0},
        {"weight": math.nan},
        {"aware_weight": math.inf},
        {"aware_threshold": math.nan},
        {"aware_threshold": 0.0},
        {"aware_threshold": 1.0},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        BoundaryConfig(**bad)
