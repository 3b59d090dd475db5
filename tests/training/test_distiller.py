"""What the losses between a student and its teachers add up to, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from curbside.datasets import TrainItem
from curbside.errors import ConfigError
from curbside.losses import CADConfig, FeatureL2Config, LogitKDConfig, PreLogitL2Config
from curbside.models import LRASPPConfig, SegmentationModel, normalize
from curbside.training import DistillationConfig
from curbside.training.distiller import Distiller

HW = (64, 64)


def network(seed: int) -> SegmentationModel:
    torch.manual_seed(seed)
    return LRASPPConfig(channels=8).from_random().build(4).eval()


def compared(losses: tuple, teachers: int = 1):
    student = network(0)
    config = DistillationConfig(teacher=(Path("t"),) * teachers, losses=losses)
    torch.manual_seed(9)  # the adapters of a first loss do not depend on those behind it
    distiller = Distiller(config, student, [network(1 + i) for i in range(teachers)])
    image = torch.randint(0, 256, (2, 3, *HW), generator=torch.Generator().manual_seed(3)).byte()
    counts = torch.ones(2, *HW, dtype=torch.bool)
    batch = TrainItem(image, counts.long(), counts, None, (), ())
    with torch.no_grad():
        output = student(normalize(image, student.normalization))
        return distiller(batch, output, output.logits)


@pytest.mark.parametrize("teachers", [1, 2])
def test_parts_of_one_name_are_told_apart(teachers: int) -> None:
    soft, hard = LogitKDConfig(temperature=4.0), LogitKDConfig(temperature=1.0, weight=3.0)
    found = compared((soft, hard, LogitKDConfig()), teachers)
    alone = [compared((loss,), teachers) for loss in (soft, hard)]
    assert set(found.parts) == {"kl", "kl-2", "kl-3"}
    for name, one in (("kl", alone[0]), ("kl-2", alone[1]), ("kl-3", alone[0])):
        assert found.parts[name].item() == pytest.approx(one.parts["kl"].item(), rel=1e-5)
    assert found.parts["kl"].item() != pytest.approx(found.parts["kl-2"].item(), rel=0.01)
    total = 2 * alone[0].total.item() + alone[1].total.item()
    assert found.total.item() == pytest.approx(total, rel=1e-5)


def test_features_in_two_losses_are_told_apart() -> None:
    alone = compared((FeatureL2Config(),))
    found = compared((FeatureL2Config(), PreLogitL2Config()))
    assert set(found.parts) == {*alone.parts, "l2/decoder-2"}
    for name, value in alone.parts.items():
        assert found.parts[name].item() == pytest.approx(value.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "name"), [(CADConfig(), "cad"), (PreLogitL2Config(), "pre-logit-l2")]
)
def test_a_cache_is_refused_by_the_name_of_the_loss(loss, name: str) -> None:
    config = DistillationConfig(teacher=(Path("runs/cache"),), losses=(loss,))
    with pytest.raises(
        ConfigError, match=rf"runs/cache holds a teacher's logits, and {name} compares"
    ):
        Distiller(config, network(0), [None])


@pytest.mark.parametrize("taught_hw", [(32, 32), (8, 8)], ids=["finer teacher", "finer student"])
@pytest.mark.parametrize("resolution", ["logits", "input"])
def test_logits_are_compared_at_the_finer_size(taught_hw, resolution) -> None:
    student = network(0)
    loss = LogitKDConfig(temperature=1.0, resolution=resolution)
    config = DistillationConfig(teacher=(Path("t"),), losses=(loss,))
    torch.manual_seed(5)
    image = torch.randint(0, 256, (2, 3, *HW)).byte()
    taught, counts = 3 * torch.randn(2, 4, *taught_hw), torch.ones(2, *HW, dtype=torch.bool)
    batch = TrainItem(image, counts.long(), counts, None, (taught,), ())
    with torch.no_grad():
        output = student(normalize(image, student.normalization))
        assert output.logits.shape[-2:] == (16, 16)
        full = F.interpolate(output.logits, size=HW, mode="bilinear")
        found = Distiller(config, student, [None])(batch, output, full).total
    size = HW if resolution == "input" else max(taught_hw, (16, 16))
    ours, theirs = (
        F.interpolate(logits, size=size, mode="bilinear").log_softmax(dim=1)
        for logits in (output.logits, taught)
    )
    expected = (theirs.exp() * (theirs - ours)).sum(dim=1).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
