"""A network that finds objects, from the command line: it learns, goes on after a kill, and ships."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_objects import objects_folder

from curbside.cli import main
from curbside.datasets import AugmentConfig, open_object_folders, true_objects
from curbside.errors import ConfigError, ModelFileError
from curbside.export import ExportConfig, export_instances, onnx_file
from curbside.metrics import FoundObjects, InstanceScores
from curbside.models import EncoderConfig, PrototypeMasksConfig
from curbside.prepared import PreparedFolder
from curbside.runtime import InstanceConfig, InstancePredictor, load_predictor
from curbside.training import (
    InstanceTrainConfig,
    ObjectDataConfig,
    OptimizerConfig,
    ScheduleConfig,
    config_from_json,
    config_to_json,
    fit,
    load_instance_run,
    load_run,
    load_run_predictor,
    load_semantic_run_predictor,
)
from curbside.training.instance_task import SCORED, InstanceTask

TINY = PrototypeMasksConfig(
    encoder=EncoderConfig(name="mobilenetv4_conv_small_035"), channels=16, depth=1, prototypes=8
)


def _config(root: Path, out: Path, **changes: object) -> InstanceTrainConfig:
    config = InstanceTrainConfig(
        name="tiny",
        model=TINY,
        data=ObjectDataConfig(
            root=(root,),
            batch_size=2,
            crop_hw=(64, 96),
            eval_hw=(96, 128),
            workers=0,
            augment=AugmentConfig(scale=(0.8, 1.0)),
        ),
        optimizer=OptimizerConfig(lr=3e-3),
        schedule=ScheduleConfig(kind="constant"),
        steps=6,
        validate_every=3,
        precision="fp32",
        accelerator="cpu",
        out=out,
    )
    return replace(config, **changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return objects_folder(tmp_path_factory.mktemp("yard") / "data", train=2)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on two pictures until it knows them, and scored on them."""
    config = _config(data, tmp_path_factory.mktemp("runs") / "run")
    seen = replace(
        config.data,
        val_split="train",
        crop_hw=(96, 128),
        augment=AugmentConfig(
            scale=(1, 1), ratio=(1, 1), flip=0, brightness=0, contrast=0, saturation=0
        ),
    )
    fit(replace(config, data=seen, steps=80, validate_every=40, ema_decay=0.9))
    return config.run_folder


def _rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_it_learns_two_pictures(run: Path) -> None:
    losses = [float(row["train/loss"]) for row in _rows(run) if row["train/loss"]]
    assert losses[-1] < 0.5 * losses[0]
    scores = [float(row["val/box_ap50"]) for row in _rows(run) if row["val/box_ap50"]]
    assert scores[-1] > 0.2
    parts = {"class", "box", "distance", "mask", "dice"}
    assert parts < {name.removeprefix("train/") for name in _rows(run)[0]}


def test_the_scored_run_is_the_validated_one(run: Path, data: Path) -> None:
    logged = max(float(row["val/mask_ap"]) for row in _rows(run) if row["val/mask_ap"])
    predictor = load_run_predictor(run, device="cpu")
    assert isinstance(predictor, InstancePredictor)
    predictor.config = SCORED
    folders = open_object_folders([data])
    scores = InstanceScores(folders.space)
    for sample in folders.samples("train"):
        result = predictor(sample.read_bgr())
        found = FoundObjects(
            boxes_xyxy=result.boxes_xyxy,
            scores=result.scores,
            class_ids=result.class_ids,
            masks=[(mask.top, mask.left, mask.inside) for mask in result.masks],
        )
        scores.update(true_objects(sample, folders.classes, folders.space), found)
    assert logged > 0
    assert scores.summary().mask.average.ap == pytest.approx(logged, abs=1e-4)
    opened = load_instance_run(run)
    assert opened.scores["validation"]["mask_ap"] == pytest.approx(logged)
    assert opened.space.names == ("car", "bus", "dog") and opened.title.startswith("prototype")


def test_a_run_that_ended_anywhere_gives_the_same_curve(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def config(out: str) -> InstanceTrainConfig:
        return _config(data, tmp_path / out, steps=6, validate_every=3)

    fit(config("whole"))
    step = InstanceTask.training_step

    def ends(self: InstanceTask, batch: object, index: int) -> torch.Tensor:
        if self.global_step == 4:
            raise RuntimeError("ended")
        return step(self, batch, index)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="ended"):
        patch.setattr(InstanceTask, "training_step", ends)
        fit(config("ended"))
    result = fit(config("ended"))
    assert result.resumed_at == 3 and result.score_name == "mask AP"
    for name in ("metrics.csv", "model.safetensors"):
        ours, whole = (tmp_path / folder / name for folder in ("ended", "whole"))
        assert ours.read_bytes() == whole.read_bytes()


def test_from_the_command_line_to_a_file_that_runs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "--data.root", str(data), "--out", str(tmp_path / "run"), "--steps", "2", "--data.crop-hw", "64", "64",
        "--data.eval-hw", "64", "96", "--data.batch-size", "2", "--data.workers", "0", "--model.channels", "8",
        "--model.depth", "1", "--model.encoder.name", "mobilenetv4_conv_small_035", "--accelerator", "cpu",
    ]  # fmt: skip
    assert main(["train", "drawn-instances", *flags]) == 0
    said = capsys.readouterr()
    assert "trained   2 steps" in said.out and "best      mask AP 0.00 %" in said.out
    assert main(["train", "drawn-instances", *flags]) == 0
    assert "is finished" in capsys.readouterr().err
    file = tmp_path / "m.onnx"
    assert main(["export", str(tmp_path / "run"), "--out", str(file)]) == 0
    said = capsys.readouterr()
    assert "96 x 64 pixels, letterboxed, bgr in" in said.out and "verified" in said.out
    frames = sorted((data / "val/images").glob("*"))
    saved = tmp_path / "shown"
    assert main(["run", str(file), "--source", str(frames[0].parent), "--save", str(saved)]) == 0
    assert len(list(saved.iterdir())) == len(frames) == 2


def test_the_file_finds_what_the_run_finds(run: Path, data: Path, tmp_path: Path) -> None:
    opened, file = load_instance_run(run), tmp_path / "m.onnx"
    frames = [sample.read_bgr() for sample in PreparedFolder(data).samples("train")]
    found = export_instances(
        opened.model,
        file,
        config=ExportConfig(size_hw=opened.image_size_hw, channels="rgb"),
        space=opened.space,
        title=opened.title,
        source=opened.source,
        scores=opened.scores,
        pictures=frames,
    )
    assert found.objects > 4 and found.agreement == 1 and found.score_difference < 1e-3
    settings = InstanceConfig(confidence=0.2)
    ours = load_run_predictor(run, device="cpu")
    ours.config = settings
    with load_predictor(file, instances=settings, threads=1) as theirs:
        assert theirs.manifest.scores == opened.scores
        assert theirs.manifest.source["recipe"] == "tiny"
        for frame in frames:
            one, other = ours(frame), theirs(frame)
            assert len(one) == len(other) > 0
            np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.05)
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
            assert one.class_ids.tolist() == other.class_ids.tolist()


def test_a_file_that_disagrees_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    from curbside.export import instance_file

    honest = onnx_file.to_onnx

    def sabotaged(graph: torch.nn.Module, opset: int) -> onnx.ModelProto:
        proto = honest(graph, opset)
        item = next(i for i in proto.graph.initializer if i.name.endswith("shapes.0.last.0.bias"))
        shifted = onnx.numpy_helper.to_array(item) + np.float32(1)
        shifted[0] += 3
        item.CopyFrom(onnx.numpy_helper.from_array(shifted, item.name))
        return proto

    monkeypatch.setattr(instance_file, "to_onnx", sabotaged)
    opened = load_instance_run(run)
    with pytest.raises(ModelFileError, match=r"maps differ by up to 4: .* was not written"):
        export_instances(
            opened.model,
            tmp_path / "m.onnx",
            config=ExportConfig(size_hw=(96, 128)),
            space=opened.space,
            title="x",
        )
    assert not list(tmp_path.iterdir())


def test_a_diverged_network_is_refused(run: Path, tmp_path: Path) -> None:
    opened = load_instance_run(run)
    opened.model.objects[0].last[0].bias.data[0] = float("nan")
    with pytest.raises(ModelFileError, match="no finite numbers"):
        export_instances(
            opened.model,
            tmp_path / "m.onnx",
            config=ExportConfig(size_hw=(96, 128)),
            space=opened.space,
            title="x",
        )


def test_the_kinds_of_run_are_told_apart(run: Path, data: Path, tmp_path: Path) -> None:
    config = _config(data, tmp_path / "out")
    stored = json.loads(json.dumps(config_to_json(config)))
    assert config_from_json(stored, where="test") == config
    for opens in (load_run, load_semantic_run_predictor):
        with pytest.raises(ModelFileError, match="for the task instances, and this needs"):
            opens(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--loss", "dice"], "does not go with --loss"),
        (["--distill", "cwd", "--teacher", "x"], "does not go with --distill"),
        (["--network", "lraspp-resnet18"], "no network 'lraspp-resnet18' that finds objects"),
        (["--data.crop-hw", "100", "64"], "100 x 64 does not divide by 32"),
        (["--data.val-pictures", "0"], "scored on 0 pictures"),
        (["--loss.mask-weight", "-1"], "mask weight of -1"),
        (["--loss.assignment.count", "0"], "0 places"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "drawn-instances", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


def test_outputs_of_a_semantic_network_are_refused(run: Path, tmp_path: Path) -> None:
    opened = load_instance_run(run)
    with pytest.raises(ConfigError, match="has no logits"):
        export_instances(
            opened.model,
            tmp_path / "m.onnx",
            config=ExportConfig(size_hw=(96, 128), outputs="logits"),
            space=opened.space,
            title="x",
        )
