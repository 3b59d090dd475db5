"""Statistics of batch normalisation: exact over all pictures, only where they belong, and in a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_data import blocks_folder
from builders_training import tiny_run
from safetensors.torch import load_file
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from curbside import cli
from curbside.errors import ConfigError
from curbside.models import ModelOutput, SegmentationModel
from curbside.prepared import PreparedFolder
from curbside.training import TrainConfig, fit, load_run
from curbside.training.batch_statistics import recalibrate, using_batch_statistics
from curbside.training.recalibration import score_network
from curbside.training.run_folder import weights_facts, write_weights


def pictures(count: int = 7) -> Tensor:
    return torch.rand(count, 3, 6, 5, generator=torch.Generator().manual_seed(3)) * 4 - 1


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance per channel of (B, C, H, W)."""
    flat = values.astype(np.float64).swapaxes(0, 1).reshape(values.shape[1], -1)
    return flat.mean(axis=1), flat.var(axis=1, ddof=1)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNormAct2d])
def test_the_first_layers_are_those_of_all_pictures_whatever_the_batches(norm: type) -> None:
    model = nn.Sequential(norm(3)).eval()
    seen = pictures()
    assert recalibrate(model, seen.split([3, 3, 1])) == 7
    mean, variance = moments(seen.numpy())
    np.testing.assert_allclose(model[0].running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(model[0].running_var.numpy(), variance, rtol=1e-5)
    assert not model[0].training and model[0].momentum == 0.1


def test_large_means_do_not_drown_small_variances() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3)).eval()
    seen = 1e4 + 1e-1 * pictures()
    recalibrate(model, seen.split(2))
    np.testing.assert_allclose(model[0].running_var.numpy(), moments(seen.numpy())[1], rtol=2e-2)


def test_a_later_layer_sees_what_batches_normalised_by_themselves_give() -> None:
    torch.manual_seed(0)
    first, second = nn.BatchNorm2d(3), nn.BatchNorm2d(4)
    middle = nn.Conv2d(3, 4, 1)
    model = nn.Sequential(first, middle, nn.Dropout(0.9), second).eval()
    batches = pictures(8).split(4)
    recalibrate(model, batches)
    given = []
    for batch in batches:
        mean = batch.mean(dim=(0, 2, 3), keepdim=True)
        variance = batch.var(dim=(0, 2, 3), keepdim=True, correction=0)
        with torch.no_grad():
            given.append(middle((batch - mean) / (variance + first.eps).sqrt()).numpy())
    mean, variance = moments(np.concatenate(given))
    np.testing.assert_allclose(second.running_mean.numpy(), mean, atol=1e-5)
    np.testing.assert_allclose(second.running_var.numpy(), variance, rtol=1e-4)


def test_a_layer_that_runs_at_two_scales_counts_both() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x).sum() + self.norm(3 * x[:, :, ::2]).sum()

    model, seen = Twice().eval(), pictures()
    recalibrate(model, [seen])
    flat = [seen.numpy(), 3 * seen[:, :, ::2].numpy()]
    both = np.concatenate([part.swapaxes(0, 1).reshape(3, -1) for part in flat], axis=1)
    np.testing.assert_allclose(model.norm.running_mean.numpy(), both.mean(axis=1), rtol=1e-4)


def test_using_a_batchs_own_leaves_the_kept_ones_alone() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3)).eval()
    model[0].running_mean.fill_(7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with using_batch_statistics(model):
        given = model(pictures())
    assert given.mean().abs() < 1e-5
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model(pictures()).max() < -3  # by the kept ones again: up to 3 less 7


def test_what_breaks_leaves_a_network_as_it_was() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("broken")

    counted, alone = nn.BatchNorm2d(3, momentum=None), nn.BatchNorm2d(3, track_running_stats=False)
    model = nn.Sequential(counted, alone, Breaks()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="broken"):
        recalibrate(model, [pictures()])
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert counted.momentum is None and not counted.training and not counted._forward_pre_hooks
    # It keeps no statistics, so there are none to compute anew; another one that never runs keeps its own.
    left_out = nn.BatchNorm2d(3)
    model = nn.Sequential(counted, alone)
    model.left_out = left_out
    model.forward = lambda x: alone(counted(x))  # type: ignore[method-assign]
    recalibrate(model.eval(), [pictures()])
    np.testing.assert_allclose(
        counted.running_mean.numpy(), moments(pictures().numpy())[0], rtol=1e-5
    )
    assert alone.running_mean is None
    assert torch.equal(left_out.running_mean, torch.zeros(3))
    assert counted.num_batches_tracked == 0


def test_a_last_picture_alone_joins_the_batch_before_it(data: Path, run: Path) -> None:
    class Pools(SegmentationModel):
        """Refuses a single picture, as a normalisation behind global pooling does."""

        def __init__(self) -> None:
            super().__init__(11)
            self.norm, self.seen = nn.BatchNorm2d(3), []

        def forward(self, image: Tensor) -> ModelOutput:
            self.seen.append(len(image))
            pooled = self.norm(image.mean(dim=(2, 3), keepdim=True))
            return ModelOutput(pooled.expand(-1, -1, 8, 8).repeat(1, 4, 1, 1)[:, :11])

    model, samples = Pools().eval(), PreparedFolder(data).samples("val")
    with using_batch_statistics(model):
        score_network(model, samples[:3], (64, 96), 2, saying="x")
        assert model.seen == [3]
        with pytest.raises(ValueError, match="more than 1 value"):
            score_network(model, samples, (64, 96), 1, saying="x")


def test_nothing_to_recalibrate_is_said() -> None:
    with pytest.raises(ConfigError, match="no batch normalisation"):
        recalibrate(nn.Sequential(nn.Conv2d(3, 1, 1)), [pictures()])
    with pytest.raises(ConfigError, match="no picture"):
        recalibrate(nn.Sequential(nn.BatchNorm2d(3)), [])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data")


def config(data: Path, out: Path, **changes: object) -> TrainConfig:
    return tiny_run(data, out, **{"steps": 40, "validate_every": 40} | changes)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(config(data, out))
    return out


def spoilt(run: Path) -> bytes:
    """Give a run statistics that have nothing to do with it; the bytes of its weights."""
    opened = load_run(run)
    for name, value in opened.model.named_buffers():
        if name.endswith("running_mean"):
            value.fill_(0.0)
        elif name.endswith("running_var"):
            value.fill_(30.0)
    weights = run / "model.safetensors"
    write_weights(opened.model, weights, weights_facts(weights))
    return weights.read_bytes()


def scores(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    assert cli.main(["recalibrate", *words, "--batch-size", "4", "--threads", "1", "--json"]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)
    return found


def test_a_run_with_bad_statistics_is_healed_and_keeps_them(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(run, bad)
    before = spoilt(bad)
    (bad / "calibration.json").write_text("{}")
    looked = scores([str(bad), "--dry-run"], capsys)
    assert (bad / "model.safetensors").read_bytes() == before and not (bad / "kept").exists()
    assert looked["recalibrated"] > looked["running"] + 0.1
    assert looked["recalibrated"] > looked["batch"] - 0.1
    assert looked["scored"] == 4 and looked["pictures"] == 12

    found = scores([str(bad)], capsys)
    assert found["recalibrated"] == looked["recalibrated"]
    assert (bad / "kept/running.safetensors").read_bytes() == before
    facts = weights_facts(bad / "model.safetensors")
    assert facts["recalibrated"]["pictures"] == 12 and facts["recalibrated"]["batch_size"] == 4
    assert facts["recalibrated"]["before"] == {
        "val_miou": load_run(run).scores["validation"]["miou"]
    }
    assert load_run(bad, calibrated=False).scores["validation"]["miou"] == found["recalibrated"]
    kept, now = (load_file(bad / n) for n in ("kept/running.safetensors", "model.safetensors"))
    moved = [name for name in kept if not torch.equal(kept[name], now[name])]
    assert moved and all("running_" in name for name in moved)

    assert cli.main(["recalibrate", str(bad)]) == 2
    assert "is recalibrated already" in capsys.readouterr().err
    again = scores([str(bad), "--dry-run"], capsys)
    assert again["running"] == pytest.approx(found["recalibrated"])


def test_a_recipe_asks_for_it_and_it_is_done_once(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fit(config(data, out, steps=4, validate_every=4, recalibrate=4))
    kept = (out / "kept/running.safetensors").read_bytes()
    plain, done = (load_file(out / n) for n in ("kept/running.safetensors", "model.safetensors"))
    assert all(torch.equal(plain[k], done[k]) for k in plain if "running_" not in k)
    assert not all(torch.equal(plain[k], done[k]) for k in plain)
    assert "recalibrated" not in weights_facts(out / "kept/running.safetensors")
    stamp = (out / "model.safetensors").stat().st_mtime_ns
    fit(config(data, out, steps=4, validate_every=4, recalibrate=4))
    assert (out / "model.safetensors").stat().st_mtime_ns == stamp
    # Killed after the training and before this step: the same command does it.
    after = (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").write_bytes(kept)
    fit(config(data, out, steps=4, validate_every=4, recalibrate=4))
    assert (out / "model.safetensors").read_bytes() == after


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch-size", "1"], "statistics of 1 pictures are none"),
        (["--pictures", "1"], "statistics of 1 pictures are none"),
        (["--data", "nowhere"], "does not exist"),
    ],
)
def test_mistakes_are_one_line(
    run: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["recalibrate", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
