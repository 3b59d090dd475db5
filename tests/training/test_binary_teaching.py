"""Teachers of a network that answers yes or no: compared by both answers, kept in a cache, and weighed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_data import blocks_folder
from torch import Tensor

from curbside.datasets import TeacherCache, TrainItem, open_mixture
from curbside.errors import ConfigError
from curbside.labels import load_space, mapping
from curbside.losses import BCEDiceConfig, CrossEntropyConfig, LogitKDConfig
from curbside.models import LRASPPConfig, ModelOutput, normalize
from curbside.prepared import PreparedFolder
from curbside.training import DataConfig, DistillationConfig, Run, TrainConfig
from curbside.training.balance import balanced
from curbside.training.caching import cache_teacher
from curbside.training.distiller import Distiller

ROAD = load_space("road2")
SIZE = (64, 96)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data", train=5, val=1)


def config(data: Path, **changes: object) -> TrainConfig:
    made = TrainConfig(
        name="tiny-road",
        model=LRASPPConfig(channels=16),
        data=DataConfig(root=(data,), space="road2", crop_hw=SIZE, eval_hw=SIZE),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def teacher(data: Path) -> Run:
    """A run as one is opened, of a network that was never trained but is sure of some pixels."""
    torch.manual_seed(4)
    made = config(data)
    model = made.model.from_random().build(ROAD.num_channels).eval()
    rgb = PreparedFolder(data).samples("train")[0].read_rgb()
    image = normalize(torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None], model.normalization)
    with torch.no_grad():
        said = model(image).logits
        for layer in (model.fine, model.deep):  # the score is the sum of what they give
            layer.weight.mul_(2 / said.std())
            layer.bias.mul_(2 / said.std())
        model.deep.bias.sub_(2 * said.mean() / said.std())
    return Run(
        folder=Path("teacher"),
        config=made,
        space=ROAD,
        model=model,
        source={"recipe": "teacher", "step": 1, "weights_sha256": "0" * 64},
        scores={},
    )


def probability(run: Run, rgb: np.ndarray) -> np.ndarray:
    """Of road, by the network itself: (h, w)."""
    image = normalize(
        torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None], run.model.normalization
    )
    with torch.no_grad():
        return run.model(image).logits[0, 0].double().sigmoid().numpy()


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """`T^2 KL(teacher || student)` of two answers, by its definition: (B, h, w)."""
    q, p = ((score.double() / temperature).sigmoid()[:, 0] for score in (student, teacher))
    return temperature**2 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log())


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_one_score_is_compared_with_another_by_both_answers(temperature: float) -> None:
    drawn = torch.Generator().manual_seed(1)
    student, taught = (3 * torch.randn(2, 1, 4, 6, generator=drawn) for _ in range(2))
    student.requires_grad_()
    counts = torch.rand(2, 4, 6, generator=drawn) > 0.3
    batch = TrainItem(torch.zeros(1), counts.long(), counts, None, (taught,), ())
    made = DistillationConfig(
        teacher=(Path("cache"),), losses=(LogitKDConfig(temperature=temperature, weight=2.0),)
    )
    distiller = Distiller(made, LRASPPConfig(channels=8).from_random().build(1), [None])
    found = distiller(batch, ModelOutput(student), student)
    expected = divergence(student, taught, temperature)[counts].mean()
    assert expected > 0.1
    assert found.total.item() == pytest.approx(2 * expected.item(), rel=1e-5)
    (slope,) = torch.autograd.grad(found.total, student)
    (true_slope,) = torch.autograd.grad(2 * expected, student)
    torch.testing.assert_close(slope, true_slope, rtol=1e-4, atol=1e-6)
    assert (slope != 0).any()


@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.parametrize("flip", [False, True])
def test_a_cache_holds_both_answers(
    data: Path, teacher: Run, tmp_path: Path, top_k: int | None, flip: bool
) -> None:
    found = cache_teacher(
        teacher, [data], tmp_path / "c", precision="fp32", top_k=top_k, flip=flip, device="cpu"
    )
    assert found.faithfulness.agreement > 0.99 and found.faithfulness.kl_1 < 1e-2
    cache, seen = TeacherCache(tmp_path / "c"), []
    assert cache.space == ROAD
    for sample in PreparedFolder(data).samples("train"):
        held = np.exp(cache.read(sample).whole())
        rgb = sample.read_rgb()
        p = probability(teacher, rgb)
        if flip:
            p = (p + probability(teacher, rgb[:, ::-1])[:, ::-1]) / 2
        assert held.shape == (2, *p.shape)
        want = np.stack([1 - p, p])
        assert np.abs(held ** (1 / 8) - want ** (1 / 8)).max() < 1.5 / 63
        seen.append(p)
    assert 0.2 < np.mean(seen) < 0.8 and np.std(seen) > 0.2  # there was something to be kept


def test_classes_of_yes_or_no_are_weighed_by_their_shares(data: Path) -> None:
    mixture = open_mixture((data,), "road2")
    train = mixture.samples("train")
    to_road = mapping(load_space("camvid11"), ROAD)
    masks = [to_road.apply(s.read_semantic()) for s in PreparedFolder(data).samples("train")]
    share = np.mean([(mask == 1).mean() for mask in masks])
    assert 0 < share < 0.5
    weighed = balanced(config(data, class_balance="enet"), train)
    expected = [1 / math.log(1.02 + part) for part in (1 - share, share)]
    assert isinstance(weighed.loss, CrossEntropyConfig)
    assert weighed.loss.class_weights == pytest.approx(expected)
    logits = torch.tensor([-1.0, 0.5, 2.0]).view(1, 1, 1, 3)
    target = torch.tensor([[[0, 1, 255]]])
    total = weighed.loss.build(ROAD.num_channels)(logits, target).total
    costs = [-math.log(1 - 1 / (1 + math.exp(1.0))), -math.log(1 / (1 + math.exp(-0.5)))]
    assert total.item() == pytest.approx(np.average(costs, weights=expected), rel=1e-5)
    with pytest.raises(ConfigError, match="BCEDice weighs no classes"):
        config(data, class_balance="enet", loss=BCEDiceConfig())
