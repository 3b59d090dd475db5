"""A run in phases: ENet's encoder on small labels, then the whole network from its weights."""

from __future__ import annotations

import json
import math
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders_data import blocks_folder
from builders_training import tiny_run
from safetensors.torch import load_file

from curbside.datasets import TrainItem
from curbside.errors import ConfigError, DataError
from curbside.labels import load_space
from curbside.losses import BCEDiceConfig, CrossEntropyConfig
from curbside.models import ENetConfig, ModelOutput
from curbside.prepared import PreparedFolder
from curbside.recipes import load_recipe
from curbside.training import (
    OptimizerConfig,
    PhaseConfig,
    TrainConfig,
    fit,
    load_config,
    load_run,
)
from curbside.training.task import SegmentationTask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data")


def config(data: Path, out: Path, **changes: object) -> TrainConfig:
    settings: dict[str, object] = {
        "name": "tiny-enet",
        "model": ENetConfig(),
        "optimizer": OptimizerConfig(kind="adam", lr=5e-4),
        "class_balance": "enet",
        "steps": 4,
        "validate_every": 2,
        "checkpoint_every": 1,
        "phases": (PhaseConfig(model=ENetConfig(encoder_only=True), steps=4),),
    }
    return tiny_run(data, out, **settings | changes)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    fit(config(data, out))
    return out


def test_each_phase_is_a_run_and_the_last_one_is_the_run_itself(whole: Path) -> None:
    first, last = load_run(whole / "phase-1"), load_run(whole)
    assert first.title == "ENet (encoder only)" and last.title == "ENet"
    assert load_config(whole / "phase-1").supervise_at == "logits"
    assert load_config(whole).supervise_at == "input"
    x = torch.rand(1, 3, 64, 96)
    assert first.model(x).logits.shape == (1, 11, 8, 12)
    assert last.model(x).logits.shape == (1, 11, 64, 96)


def test_the_whole_network_begins_with_the_encoder_of_the_phase_before(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, torch.Tensor]] = []
    step = SegmentationTask.training_step

    def noted(self: SegmentationTask, batch: TrainItem, index: int) -> torch.Tensor:
        if not begun and self.config.name == "tiny-enet":
            begun.append({k: v.detach().clone() for k, v in self.model.named_parameters()})
        return step(self, batch, index)

    monkeypatch.setattr(SegmentationTask, "training_step", noted)
    fit(config(data, tmp_path / "out"))
    trained = load_file(tmp_path / "out/phase-1/model.safetensors")
    shared = [key for key in begun[0] if key.startswith("encoder.")]
    assert len(shared) > 100
    for key in shared:
        assert torch.equal(begun[0][key].contiguous(), trained[key]), key


@pytest.mark.parametrize(
    ("phase", "ended_at", "kind"),
    [("-phase-1", 2, KeyboardInterrupt), ("", 0, RuntimeError), ("", 3, RuntimeError)],
)
def test_stopped_in_a_phase_or_between_it_goes_on_with_the_same_curve(
    whole: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    ended_at: int,
    kind: type[BaseException],
) -> None:
    step = SegmentationTask.training_step

    def ends(self: SegmentationTask, batch: TrainItem, index: int) -> torch.Tensor:
        if self.config.name == f"tiny-enet{phase}" and self.global_step == ended_at:
            raise kind("ended")
        return step(self, batch, index)

    out, heeds = tmp_path / "out", signal.getsignal(signal.SIGINT)
    try:
        with monkeypatch.context() as patch, pytest.raises(kind):
            patch.setattr(SegmentationTask, "training_step", ends)
            fit(config(data, out))
    finally:
        signal.signal(signal.SIGINT, heeds)  # Lightning ignores it after a first one
    assert (out / "last.ckpt").exists() == (ended_at == 3)
    fit(config(data, out))
    for name in ("metrics.csv", "model.safetensors"):
        for part in (".", "phase-1"):
            assert (out / part / name).read_bytes() == (whole / part / name).read_bytes()


def test_what_is_finished_is_not_done_again(whole: Path, data: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in whole.rglob("*.safetensors")}
    result = fit(config(data, whole))
    assert result.resumed_at == result.steps == 4
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_another_phase_in_a_runs_folder_is_refused(whole: Path, data: Path) -> None:
    longer = PhaseConfig(model=ENetConfig(encoder_only=True), steps=5)
    with pytest.raises(ConfigError, match=r"another phases\.0\.steps \(4, not 5\)"):
        fit(config(data, whole, phases=(longer,)))


def test_a_phase_that_cannot_be_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    phase = PhaseConfig(model=ENetConfig(encoder_only=True), loss=BCEDiceConfig())
    with pytest.raises(ConfigError, match="BCEDice weighs no classes"):
        config(data, tmp_path / "out", phases=(phase,))
    with pytest.raises(ConfigError, match="a crop size of 8 x 8 is too small"):
        config(data, tmp_path / "out", phases=(replace(phase, loss=None, crop_hw=(8, 8)),))


@pytest.mark.parametrize("at", ["input", "logits"])
def test_the_loss_is_taken_where_it_is_asked_for(data: Path, tmp_path: Path, at: str) -> None:
    made = config(data, tmp_path / "out", supervise_at=at, class_balance="none", phases=())
    space = load_space("camvid11")
    task = SegmentationTask(made, ENetConfig(encoder_only=True).build(11), space, 1)
    generator = torch.Generator().manual_seed(0)
    logits = torch.rand(1, 11, 3, 4, generator=generator)
    target = torch.randint(0, 11, (1, 24, 32), generator=generator, dtype=torch.uint8)
    batch = TrainItem(torch.zeros(1), target, torch.zeros(1), None, (), ())
    total, _ = task._supervise(batch, ModelOutput(logits))
    if at == "logits":  # of 8 pixels the one behind the middle
        expected = torch.nn.functional.cross_entropy(logits, target[:, 4::8, 4::8].long())
    else:
        large = torch.nn.functional.interpolate(logits, size=(24, 32), mode="bilinear")
        expected = torch.nn.functional.cross_entropy(large, target.long())
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["enet", "inverse", "median"])
def test_classes_are_weighed_by_their_shares(data: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    fit(config(data, out, class_balance=kind, steps=1, phases=()))
    fit(config(data, out, class_balance=kind, steps=1, phases=()))  # the same config once more
    masks = [s.read_semantic() for s in PreparedFolder(data).samples("train")]
    counts = Counter(np.concatenate([mask.ravel() for mask in masks]).tolist())
    total = counts.total()
    beside = {c: sum(mask.size for mask in masks if (mask == c).any()) for c in range(11)}
    frequency = {c: counts[c] / beside[c] for c in range(11)}
    expected = {
        "enet": [1 / math.log(1.02 + counts[c] / total) for c in range(11)],
        "inverse": [total / (11 * counts[c]) for c in range(11)],
        "median": [np.median(list(frequency.values())) / frequency[c] for c in range(11)],
    }
    said = json.loads((out / "config.json").read_text())["config"]["loss"]["class_weights"]
    assert said == pytest.approx(expected[kind])


def test_weights_of_classes_reach_the_auxiliary_loss_too(data: Path, tmp_path: Path) -> None:
    made = config(data, tmp_path, aux_loss=CrossEntropyConfig(label_smoothing=0.1), phases=())
    weighed = made.weighted((1.0, 2.0))
    assert weighed.loss == CrossEntropyConfig(class_weights=(1.0, 2.0))
    assert weighed.aux_loss == CrossEntropyConfig(label_smoothing=0.1, class_weights=(1.0, 2.0))


def test_masks_without_labels_weigh_nothing(tmp_path: Path) -> None:
    root = blocks_folder(tmp_path / "data", train=2, val=2)
    for mask in (root / "train/masks").glob("*.png"):
        cv2.imwrite(str(mask), np.full((64, 96), 255, np.uint8))
    with pytest.raises(DataError, match=r"no mask of .* has a labelled pixel in train"):
        fit(config(root, tmp_path / "out", phases=()))


def test_recipes_of_enet_are_in_two_phases() -> None:
    for name, folder in (("camvid-enet", "camvid"), ("camvid-enet-12", "camvid12")):
        recipe = load_recipe(name, TrainConfig)
        assert recipe.data.root == (Path("data") / folder,)
        (first,) = recipe.phases
        assert isinstance(first.model, ENetConfig) and first.model.encoder_only
        assert not recipe.model.encoder_only and first.supervise_at == "logits"
        assert recipe.optimizer.lr == first.optimizer.lr == 5e-4
        assert recipe.optimizer.kind == "adam" and recipe.class_balance == "enet"
