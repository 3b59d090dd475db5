"""Training end to end on tiny data: learning, exact resume, damage, distillation, refusals."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from builders_data import blocks_folder, colour_blocks
from builders_training import tiny_run
from safetensors.torch import load_file, save_file

from curbside.datasets import Augmentation
from curbside.errors import ConfigError, CurbsideError, DataError, LabelError, ModelFileError
from curbside.evaluation import evaluate
from curbside.losses import BoundaryConfig, CWDConfig, LogitKDConfig
from curbside.models import (
    DeepLabV3PlusConfig,
    EncoderConfig,
    LightWeightRefineNetConfig,
    LRASPPConfig,
    PIDNetConfig,
)
from curbside.prepared import PreparedFolder
from curbside.training import (
    DistillationConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
    config_from_json,
    config_to_json,
    fit,
    load_run,
    load_run_predictor,
    loop_task,
)
from curbside.training.loop_task import Score
from curbside.training.record import Checkpoints
from curbside.training.task import SegmentationTask


def _config(root: Path, out: Path, **changes: object) -> TrainConfig:
    settings: dict[str, object] = {
        "schedule": ScheduleConfig(kind="constant"),
        "steps": 6,
        "validate_every": 3,
    }
    return tiny_run(root, out, **settings | changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(_config(data, out, steps=60, validate_every=20, ema_decay=0.9))
    return out


def _rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_folder_is_complete_and_the_network_learns(run: Path) -> None:
    for name in (
        "config.json",
        "metrics.csv",
        "best.ckpt",
        "last.ckpt",
        "model.safetensors",
        "losses.svg",
        "scores.svg",
    ):
        assert (run / name).stat().st_size > 100
    losses = [float(row["train/loss"]) for row in _rows(run) if row["train/loss"]]
    scores = [float(row["val/miou"]) for row in _rows(run) if row["val/miou"]]
    assert losses[-1] < 0.6 * losses[0]
    assert scores[-1] > 0.25 > 1 / 11
    assert not list(run.glob(".partial*"))


def test_the_scored_run_is_the_validated_one(run: Path, data: Path) -> None:
    # Training's own validation and `curbside evaluate` of the run folder must be one number.
    logged = max(float(row["val/miou"]) for row in _rows(run) if row["val/miou"])
    result = evaluate(load_run_predictor(run, device="cpu"), PreparedFolder(data).samples("val"))
    assert result.headline()["mIoU"] == pytest.approx(logged, abs=1e-6)


def test_the_predictor_of_a_run_gives_probabilities(run: Path) -> None:
    rgb, _ = colour_blocks(7)
    result = load_run_predictor(run, device="cpu")(rgb[..., ::-1].copy(), probabilities=True)
    assert result.probabilities.shape == (11, 64, 96)
    assert np.allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    assert (result.probabilities.argmax(axis=0) == result.ids).mean() > 0.999


def test_a_finished_run_is_left_alone(run: Path, data: Path) -> None:
    before = (run / "last.ckpt").stat().st_mtime_ns
    result = fit(_config(data, run, steps=60, validate_every=20, ema_decay=0.9))
    assert result.resumed_at == 60 and (run / "last.ckpt").stat().st_mtime_ns == before


def test_killed_and_resumed_gives_the_same_curve(data: Path, tmp_path: Path) -> None:
    # A process that trains is killed by SIGKILL somewhere behind its first checkpoint. All that is compared comes
    # from processes of its own: to the last digit, what ran in this one before would count.
    arguments = [
        "train", "camvid-mnv4s-lraspp", "--data.root", str(data), "--steps", "36", "--validate-every", "6",
        "--data.crop-hw", "64", "64", "--data.eval-hw", "64", "96", "--data.batch-size", "2", "--data.workers", "0",
        "--precision", "fp32", "--accelerator", "cpu",
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "curbside.cli", *arguments, "--out"]
    process = subprocess.Popen(
        [*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while (
        not (killed / "last.ckpt").is_file()
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    time.sleep(0.15)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = len(_rows(killed)) if (killed / "metrics.csv").is_file() else 0
    for out in (killed, whole):
        subprocess.run([*command, str(out)], check=True, capture_output=True)
    assert reached < len(_rows(whole))
    assert (killed / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody ended, however often the others are kept."""
    out = tmp_path_factory.mktemp("undisturbed") / "whole"
    fit(_config(data, out, steps=12, validate_every=6))
    return out


@pytest.mark.parametrize(("checkpoint_every", "ended_at"), [(3, 4), (3, 10), (2, 3), (6, 7)])
def test_a_run_that_ended_anywhere_is_scored_where_it_would_have_been(
    undisturbed: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    checkpoint_every: int,
    ended_at: int,
) -> None:
    ended = tmp_path / "ended"
    settings = {"steps": 12, "validate_every": 6, "checkpoint_every": checkpoint_every}
    config = _config(data, ended, **settings)
    step = SegmentationTask.training_step

    def ends(self: SegmentationTask, batch: object, index: int) -> torch.Tensor:
        if self.global_step == ended_at:
            raise RuntimeError("ended")
        return step(self, batch, index)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="ended"):
        patch.setattr(SegmentationTask, "training_step", ends)
        fit(config)
    assert fit(config).resumed_at == ended_at // checkpoint_every * checkpoint_every
    scored = [int(row["step"]) for row in _rows(undisturbed) if row["val/miou"]]
    assert scored == [6, 12]
    for name in ("metrics.csv", "model.safetensors"):
        assert (ended / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.slow
def test_two_processes_train_one_run(data: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "curbside.cli", "train", "camvid-mnv4s-lraspp", "--data.root", str(data), "--steps", "4",
        "--validate-every", "2", "--data.crop-hw", "64", "64", "--data.eval-hw", "64", "96", "--data.batch-size", "4",
        "--data.workers", "0", "--precision", "fp32", "--accelerator", "cpu", "--devices", "2", "--out", "run",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained   4 steps") == 1
    assert [int(row["step"]) for row in _rows(tmp_path / "run")] == [1, 2, 3, 4]


def test_distillation_pulls_the_student_to_its_teacher(
    run: Path, data: Path, tmp_path: Path
) -> None:
    teacher = DistillationConfig(teacher=(run,), losses=(LogitKDConfig(resolution="input"),))
    student = _config(data, tmp_path / "student", steps=30, validate_every=15, distillation=teacher)
    fit(student)
    rows = [row for row in _rows(student.run_folder) if row["train/kl"]]
    assert float(rows[-1]["train/kl"]) < float(rows[0]["train/kl"])
    for row in rows:
        assert float(row["train/loss"]) == pytest.approx(
            float(row["train/ce"]) + float(row["train/kl"]), rel=1e-5
        )
    # The teacher is no part of what is saved.
    state = torch.load(student.run_folder / "last.ckpt", weights_only=True)["state_dict"]
    assert not any("teacher" in key for key in state)


def test_a_teacher_of_other_classes_is_refused(run: Path, tmp_path: Path) -> None:
    from curbside.labels import load_space
    from curbside.prepared import PreparedWriter, SampleData, write_sample

    writer = PreparedWriter(tmp_path / "lite", space=load_space("idd-lite7"), source="x")
    for split in ("train", "val"):
        sample = SampleData(
            id="a",
            split=split,
            image=np.zeros((64, 64, 3), np.uint8),
            semantic=np.zeros((64, 64), np.uint8),
        )
        writer.add(write_sample(writer.root, sample, writer.space))
    writer.finish()
    with pytest.raises(LabelError, match=r"camvid11.*idd-lite7"):
        fit(
            _config(
                tmp_path / "lite", tmp_path / "out", distillation=DistillationConfig(teacher=(run,))
            )
        )


def test_a_corrupt_picture_is_reported_once_and_skipped(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    root = blocks_folder(tmp_path / "data", train=4, val=2)
    broken = root / "train/images/001.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    result = fit(_config(root, tmp_path / "out"))
    assert result.steps == 6
    told = [str(w.message) for w in recwarn if "001.jpg" in str(w.message)]
    assert len(told) == 1 and "fetch the file again" in told[0]


def test_another_config_on_a_run_folder_is_refused(run: Path, data: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds a run with another seed \(42, not 1\)"):
        fit(_config(data, run, steps=60, validate_every=20, ema_decay=0.9, seed=1))


def test_a_mistake_leaves_the_run_folder_free(run: Path, data: Path, tmp_path: Path) -> None:
    def config(*pairs: tuple[str, str]) -> TrainConfig:
        taught = DistillationConfig(teacher=(run,), losses=(CWDConfig(pairs=pairs),))
        return _config(data, tmp_path / "out", steps=1, distillation=taught)

    with pytest.raises(ConfigError, match="no feature 'stage9'"):
        fit(config(("stage9", "stage1")))
    assert not (tmp_path / "out/config.json").exists()
    assert fit(config()).steps == 1


def test_missing_data_and_empty_splits(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        fit(_config(tmp_path / "nowhere", tmp_path / "out"))
    config = _config(data, tmp_path / "out")
    with pytest.raises(DataError, match=r"split 'test' of .* has no sample"):
        fit(replace(config, data=replace(config.data, val_split="test")))
    assert not (tmp_path / "out").exists()


def test_a_loss_that_explodes_says_what_to_do(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CurbsideError, match=r"the loss became .*--optimizer.lr"):
        fit(_config(data, tmp_path / "out", optimizer=OptimizerConfig(lr=1e18), steps=40))


@pytest.mark.parametrize(
    ("steps", "every", "checkpoint", "scored"),
    [(10, 5, 2, [5, 10]), (3, 2, 1, [1, 3]), (1, 50, 1, [1]), (5, 2, 3, [2, 5])],
)
def test_validation_comes_at_its_interval_and_at_the_end(
    data: Path, tmp_path: Path, steps: int, every: int, checkpoint: int, scored: list[int]
) -> None:
    changes = {"steps": steps, "validate_every": every, "checkpoint_every": checkpoint}
    fit(_config(data, tmp_path / "out", **changes))
    assert [int(row["step"]) for row in _rows(tmp_path / "out") if row["val/miou"]] == scored
    last = torch.load(tmp_path / "out/last.ckpt", weights_only=True)
    assert last["global_step"] == steps


def test_the_best_checkpoint_is_the_one_of_the_best_score(run: Path) -> None:
    scores = {int(row["step"]): float(row["val/miou"]) for row in _rows(run) if row["val/miou"]}
    best = torch.load(run / "best.ckpt", weights_only=True)["global_step"]
    assert scores[best] == max(scores.values())


def test_configs_survive_json(data: Path, tmp_path: Path) -> None:
    config = _config(
        data, tmp_path / "out", distillation=DistillationConfig(), weights=Path("w.safetensors")
    )
    assert config_from_json(config_to_json(config), where="test") == config


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("data"),
        lambda d: d["model"].update({"class": "Nothing"}),
        lambda d: d.update(seed="four"),
        lambda d: d.clear(),
    ],
)
def test_a_spoiled_config_is_one_line(data: Path, tmp_path: Path, spoil) -> None:
    stored = config_to_json(_config(data, tmp_path / "out"))
    spoil(stored)
    if "data" not in stored and stored:
        stored["data"] = 3
    with pytest.raises(ModelFileError, match="does not hold a config"):
        config_from_json(stored, where="test")


def test_broken_run_folders(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        load_run(tmp_path / "none")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/config.json").write_bytes((run / "config.json").read_bytes())
    with pytest.raises(ModelFileError, match=r"has no model.safetensors yet"):
        load_run(tmp_path / "half")
    (tmp_path / "half/model.safetensors").write_bytes(
        (run / "model.safetensors").read_bytes()[:5000]
    )
    with pytest.raises(ModelFileError, match="does not fit its config"):
        load_run(tmp_path / "half")


@pytest.mark.parametrize(
    ("kind", "at_half"), [("poly", 0.5**0.9), ("cosine", 0.5), ("constant", 1.0)]
)
def test_schedules_by_hand(kind, at_half: float) -> None:
    factor = ScheduleConfig(kind=kind, warmup_steps=10).build(110)
    assert factor(0) == pytest.approx(1 / 11)
    assert factor(9) == pytest.approx(10 / 11)
    assert factor(60) == pytest.approx(at_half)


def test_weights_decay_but_biases_and_norms_do_not() -> None:
    model = LRASPPConfig().build(3)
    groups = (
        OptimizerConfig(lr=1.0, weight_decay=0.5, encoder_lr_factor=0.1).build(model).param_groups
    )
    for group in groups:
        shapes = {p.ndim > 1 for p in group["params"]}
        assert shapes == {group["weight_decay"] == 0.5}
    assert sorted({group["lr"] for group in groups}) == [0.1, 1.0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_the_score_of_other_sizes_is_the_one_of_evaluate(data: Path, tmp_path: Path) -> None:
    # Crops, scored pictures and the pictures themselves (64 x 96) differ in size.
    config = _config(data, tmp_path / "out", steps=20, validate_every=20)
    config = replace(config, data=replace(config.data, crop_hw=(64, 64), eval_hw=(48, 80)))
    result = fit(config)
    predictor = load_run_predictor(config.run_folder, device="cpu")
    assert predictor.manifest.input.size_hw == (48, 80)
    scored = evaluate(predictor, PreparedFolder(data).samples("val")).headline()["mIoU"]
    assert scored == pytest.approx(result.best_score, abs=1e-6)
    assert result.best_score > 0.02 and result.score_name == "mIoU"


def test_the_scores_of_a_run_are_those_of_its_log(run: Path) -> None:
    best = max((r for r in _rows(run) if r["val/miou"]), key=lambda r: float(r["val/miou"]))
    opened = load_run(run)
    step, miou = int(best["step"]), float(best["val/miou"])
    assert opened.scores == {"validation": {"miou": miou, "split": "val", "step": step}}
    assert opened.source["step"] == step and opened.source["recipe"] == "tiny"


def test_the_learning_rate_moves_every_step(data: Path, tmp_path: Path) -> None:
    schedule = ScheduleConfig(kind="poly", power=1.0)
    fit(_config(data, tmp_path / "out", steps=4, validate_every=4, schedule=schedule))
    rates = [float(row["train/lr"]) for row in _rows(tmp_path / "out")]
    assert rates == pytest.approx([5e-3 * factor for factor in (1, 0.75, 0.5, 0.25)])


def test_the_average_is_what_is_shipped(data: Path, tmp_path: Path) -> None:
    fit(_config(data, tmp_path / "out", steps=3, ema_decay=0.9))
    state = torch.load(tmp_path / "out/last.ckpt", weights_only=True)["state_dict"]
    shipped = load_file(tmp_path / "out/model.safetensors")
    assert all(torch.equal(v, state[f"average.module.{k}"]) for k, v in shipped.items())
    assert not torch.equal(shipped["deep.weight"], state["model.deep.weight"])


@pytest.mark.parametrize(("count", "kept"), [(0, 0.1), (8, 0.5), (1000, 0.9)])
def test_the_average_keeps_its_share_and_follows_quickly_while_young(
    count: int, kept: float
) -> None:
    moved = loop_task._ema(0.9)(torch.tensor(1.0), torch.tensor(0.0), count)
    assert moved.item() == pytest.approx(kept)


def test_gradients_are_clipped(data: Path, tmp_path: Path) -> None:
    # Far below AdamW's epsilon the step is next to nothing.
    still = OptimizerConfig(lr=5e-3, weight_decay=0, clip_norm=1e-13)
    config = _config(data, tmp_path / "out", steps=1, validate_every=1, optimizer=still)
    fit(config)
    torch.manual_seed(config.seed)
    before, after = config.model.build(11), load_run(tmp_path / "out").model
    for one, two in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def test_a_kill_costs_no_more_steps_than_was_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, whole = [0], Checkpoints.on_train_epoch_end

    def noted(self, trainer, module):
        whole(self, trainer, module)
        saved.append(torch.load(tmp_path / "out/last.ckpt", weights_only=True)["global_step"])

    monkeypatch.setattr(Checkpoints, "on_train_epoch_end", noted)
    fit(_config(data, tmp_path / "out", steps=10, validate_every=5, checkpoint_every=2))
    assert saved[-1] == 10 and max(np.diff(saved)) <= 2


def test_a_lower_score_replaces_nothing_even_after_a_resume(tmp_path: Path) -> None:
    task = SimpleNamespace(
        latest={"val/miou": 0.5},
        scored_model=torch.nn.Linear(1, 1),
        score=Score(key="val/miou", name="mIoU"),
    )
    first, resumed = Checkpoints(tmp_path, task, None), Checkpoints(tmp_path, task, None)
    trainer = SimpleNamespace(sanity_checking=False, global_step=7, is_global_zero=False)
    first.on_validation_end(trainer, None)
    resumed.load_state_dict(first.state_dict())
    for score, step, best in ((0.4, 8, (0.5, 7)), (0.5, 9, (0.5, 7)), (0.6, 10, (0.6, 10))):
        task.latest["val/miou"], trainer.global_step = score, step
        resumed.on_validation_end(trainer, None)
        assert (resumed.best_score, resumed.best_step) == best


def test_dropout_follows_the_step_the_seed_and_the_process() -> None:
    def drawn(seed: int, step: int, rank: int) -> float:
        task = SimpleNamespace(
            config=SimpleNamespace(seed=seed, data=SimpleNamespace(accumulate=1)),
            global_step=step,
            global_rank=rank,
        )
        SegmentationTask.on_train_batch_start(task, None, 0)
        return torch.rand(1).item()

    with torch.random.fork_rng(devices=[]):
        assert drawn(1, 5, 0) == drawn(1, 5, 0)
        assert len({drawn(1, 5, 0), drawn(1, 6, 0), drawn(2, 5, 0), drawn(1, 5, 1)}) == 4


def test_another_seed_augments_otherwise(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, whole = [], Augmentation.__call__

    def seen(self, rgb, ids, *, seed):
        seeds.append(seed)
        return whole(self, rgb, ids, seed=seed)

    monkeypatch.setattr(Augmentation, "__call__", seen)
    for seed in (1, 2):
        fit(_config(data, tmp_path / str(seed), steps=1, validate_every=1, seed=seed))
    assert len(seeds) == len(set(seeds)) == 8


def test_a_weights_file_reaches_the_encoder(data: Path, tmp_path: Path) -> None:
    published = timm.create_model("mobilenetv4_conv_small")
    save_file(published.state_dict(), tmp_path / "w.safetensors")
    still = OptimizerConfig(lr=1e-12, weight_decay=0)
    weights = tmp_path / "w.safetensors"
    fit(
        _config(data, tmp_path / "out", steps=1, validate_every=1, optimizer=still, weights=weights)
    )
    state = load_run(tmp_path / "out").model.encoder.state_dict()
    stem = next(key for key in state if key.endswith("conv_stem.weight"))
    torch.testing.assert_close(state[stem], published.state_dict()["conv_stem.weight"])


def test_weights_are_not_fetched_again_for_a_run_that_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[bool] = []
    make = timm.create_model

    def create(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        fetched.append(pretrained)
        return make(name, pretrained=False, **options)

    monkeypatch.setattr("timm.create_model", create)
    encoder = EncoderConfig(name="mobilenetv4_conv_small_035", pretrained=True)
    config = _config(data, tmp_path / "run", model=LRASPPConfig(encoder=encoder), steps=2)
    fit(config)
    assert any(fetched)
    fetched.clear()
    fit(config)
    assert fetched and not any(fetched)


def test_auxiliary_and_boundary_heads_learn_by_their_share(data: Path, tmp_path: Path) -> None:
    tiny = PIDNetConfig(width=8, context_channels=16, head_channels=16)
    config = _config(data, tmp_path / "run", model=tiny, steps=1, validate_every=1)
    whole = fit(config).folder
    off = BoundaryConfig(weight=0, aware_weight=0)
    without = fit(replace(config, out=tmp_path / "without", aux_weight=0, boundary=off)).folder
    rows = [_rows(folder)[0] for folder in (whole, without)]
    parts = ("ce", "aux", "boundary", "aware")
    ce, aux, boundary, aware = (float(rows[0][f"train/{part}"]) for part in parts)
    total = ce + 0.4 * aux + 20 * boundary + aware
    assert float(rows[0]["train/loss"]) == pytest.approx(total, rel=1e-4)
    assert float(rows[1]["train/loss"]) == pytest.approx(float(rows[1]["train/ce"]), rel=1e-5)
    first = PIDNetConfig(width=8, context_channels=16, head_channels=16).build(4)
    heads = [key for key in first.state_dict() if key.startswith(first.training_only)]
    assert heads and set(heads) <= set(load_file(whole / "model.safetensors"))


def test_a_depth_head_without_a_loss_stays_as_it_is(data: Path, tmp_path: Path) -> None:
    encoder = EncoderConfig(name="mobilenetv4_conv_small_035", every_block=True)
    model = LightWeightRefineNetConfig(encoder=encoder, depth="capped")
    config = _config(data, tmp_path / "run", model=model, steps=1)
    with pytest.warns(UserWarning, match="depth: stays as it is, there is no loss for it"):
        folder = fit(config).folder
    classes = load_run(folder).space.num_classes
    torch.manual_seed(config.seed)
    first = model.build(classes).state_dict()
    last = load_file(folder / "model.safetensors")
    same = {key for key in first if torch.equal(first[key], last[key])}
    assert {key for key in first if key.startswith("depth.")} <= same
    assert not {key for key in first if key.startswith("head.")} & same


def test_a_batch_of_one_is_refused_where_it_cannot_be_learnt_from(
    data: Path, tmp_path: Path
) -> None:
    alone = replace(_config(data, tmp_path).data, batch_size=1)
    model = DeepLabV3PlusConfig(encoder=EncoderConfig(name="mobilenetv4_conv_small_035"))
    with pytest.raises(ConfigError, match=r"cannot learn from a batch of 1 .*batch-size 2 or more"):
        fit(_config(data, tmp_path / "refused", model=model, data=alone))
    assert not (tmp_path / "refused").exists()
    assert fit(_config(data, tmp_path / "run", data=alone, steps=1)).steps == 1


def test_numbers_of_a_config_keep_their_kind(data: Path, tmp_path: Path) -> None:
    stored = json.loads(json.dumps(config_to_json(_config(data, tmp_path / "out"))))
    stored["optimizer"]["lr"] = 1  # as a person may write it
    lr = config_from_json(stored, where="test").optimizer.lr
    assert (lr, type(lr)) == (1.0, float)
    stored["seed"] = True
    with pytest.raises(ModelFileError, match="does not hold a config"):
        config_from_json(stored, where="test")


def test_a_broken_off_run_goes_on_at_its_last_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, whole = _config(data, tmp_path / "out"), Checkpoints.on_train_epoch_end

    def broken_off(self, trainer, module):
        whole(self, trainer, module)
        raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="pulled the plug"):
        patch.setattr(Checkpoints, "on_train_epoch_end", broken_off)
        fit(config)
    result = fit(config)
    assert (result.resumed_at, result.steps) == (3, 6)
    assert [int(row["step"]) for row in _rows(tmp_path / "out")] == [1, 2, 3, 4, 5, 6]
