"""A teacher's depth: whose it may be, for which camera it is, and where it counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_training import tiny_run
from torch import Tensor

from curbside.cli import main
from curbside.cli._recipe import read_run
from curbside.datasets import (
    Augmentation,
    AugmentConfig,
    DepthTargets,
    SegmentationDataset,
    TrainItem,
    collate_train,
)
from curbside.errors import ConfigError
from curbside.files import write_json
from curbside.labels import load_space
from curbside.losses import DepthLossConfig, FeatureL2Config, LogitKDConfig
from curbside.models import (
    EncoderConfig,
    LightWeightRefineNetConfig,
    ModelOutput,
    SegmentationModel,
)
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.training import DepthConfig, DistillationConfig, TrainConfig, fit, read_metrics
from curbside.training.cameras import Camera
from curbside.training.distiller import Distiller
from curbside.training.run_folder import describe, write_weights
from curbside.training.serialize import config_from_json, config_to_json
from curbside.training.teachers import open_teachers

SPACE = load_space("idd-lite7")
HYDRA = LightWeightRefineNetConfig(
    encoder=EncoderConfig(name="mobilenetv2_035", every_block=True, pretrained=False),
    depth="capped",
    max_depth_m=20.0,
)
METRES = DepthConfig(loss=DepthLossConfig(kind="l1", normalize_by_m=1.0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, four pictures with depth of a camera of 160 px, and untrained runs: `joint` and `deep`, for
    one of 64 x 100 px, `blind`, for an unknown one, and `classes`, whose depth was not learnt."""
    home = tmp_path_factory.mktemp("teachers")
    writer = PreparedWriter(home / "data", space=SPACE, source="test", options={})
    for number in range(4):
        data = SampleData(
            id=f"p{number}",
            split="val" if number == 3 else "train",
            image=np.full((64, 64, 3), 50 * number, np.uint8),
            depth_m=np.full((64, 64), 5, np.float32),
            focal_xy_px=(160.0, 160.0),
        )
        writer.add(write_sample(home / "data", data, SPACE))
    writer.finish()
    torch.manual_seed(0)
    model = HYDRA.build(SPACE.num_channels)
    camera = Camera(focal_xy_px=(64.0, 100.0), words="a camera")  # 80 px
    for name, tasks, known in (
        ("joint", "semantic+depth", True),
        ("deep", "depth", True),
        ("blind", "semantic+depth", False),
        ("classes", "semantic", False),
    ):
        config = _run(home, tasks=tasks)
        about = {"camera": camera.to_dict()} if known else {}
        write_json(home / name / "config.json", describe(config, SPACE, about, "fp32"))
        write_weights(model, home / name / "model.safetensors", {"step": 1})
    return home


def _run(home: Path, **changes) -> TrainConfig:
    config = tiny_run(home / "data", home / "out", model=HYDRA, depth=METRES, steps=1)
    plain = AugmentConfig(scale=(1, 1), ratio=(1, 1), brightness=0, contrast=0, saturation=0)
    data = replace(config.data, augment=plain, batch_size=2, crop_hw=(64, 64), eval_hw=(64, 64))
    return replace(config, data=data, **changes)


def _taught(home: Path, *names: str, tasks: str = "semantic+depth", **changes) -> TrainConfig:
    config = DistillationConfig(teacher=tuple(home / name for name in names), **changes)
    return _run(home, tasks=tasks, distillation=config)


def _camera(focal_px: float | None) -> Camera:
    return Camera(focal_xy_px=None if focal_px is None else (focal_px, focal_px), words="")


def test_metres_are_told_for_the_camera_of_the_student(home) -> None:
    """The teacher's camera has sqrt(64 * 100) = 80 px: what it sees at 4 m is as large at 6 m with 120."""
    config = _taught(home, "joint", "blind", losses=(), depth=1.0)
    found = open_teachers(config, SPACE, [], _camera(120.0))
    assert found.depth_factors == (pytest.approx(1.5), 1.0)
    assert len(found.notes) == 1 and "blind" in found.notes[0] and "as they are" in found.notes[0]
    unknown = open_teachers(_taught(home, "joint", losses=(), depth=1.0), SPACE, [], _camera(None))
    assert unknown.depth_factors == (1.0,) and len(unknown.notes) == 1


def test_a_teacher_has_learnt_what_it_is_asked_for(home) -> None:
    with pytest.raises(ConfigError, match=r"classes learns classes alone, and its depth"):
        open_teachers(_taught(home, "classes", depth=1.0), SPACE, [], _camera(80.0))
    told = open_teachers(_taught(home, "classes"), SPACE, [])
    assert told.networks[0] is not None and told.notes == ()
    with pytest.raises(ConfigError, match=r"deep learns depth alone, and its classes"):
        open_teachers(_taught(home, "deep"), SPACE, [])
    shown = _taught(home, "deep", losses=(FeatureL2Config(),))
    assert open_teachers(shown, SPACE, []).networks[0] is not None
    # Of depth alone, no classes need to be the same.
    alone = _taught(home, "deep", losses=(), depth=1.0)
    assert len(open_teachers(alone, load_space("camvid11"), [], _camera(80.0)).networks) == 1
    with pytest.raises(ConfigError, match=r"learns depth alone.*--distill depth"):
        open_teachers(_taught(home, "joint", tasks="depth", depth=1.0), SPACE, [])


def test_no_cache_is_made_of_classes_that_were_not_learnt(home, capsys) -> None:
    assert main(["cache", str(home / "deep"), str(home / "data"), "--threads", "1"]) == 2
    error = capsys.readouterr().err.strip()
    assert f"{home / 'deep'} learns depth alone" in error and "\n" not in error
    assert not (home / "deep/cache").exists()


def test_depth_alone_is_distilled(home, tmp_path) -> None:
    """An untrained head says 10 m whatever it sees, which are 20 m to a camera of twice the focal length."""
    config = _taught(home, "deep", tasks="depth", losses=(), depth=3.0)
    fit(replace(config, out=tmp_path / "run"))
    first = read_metrics(tmp_path / "run/metrics.csv")[0]
    assert first["train/depth-kd"] == pytest.approx(3 * (2 * 10 - 10), rel=0.1)
    assert first["train/loss"] == pytest.approx(first["train/l1"] + first["train/depth-kd"])


class _Says(SegmentationModel):
    """The same depth of every picture."""

    depth_only = ("depth",)

    def __init__(self, depth: Tensor) -> None:
        super().__init__(1)
        self.depth = torch.nn.Parameter(depth)

    def forward(self, image: Tensor) -> ModelOutput:
        return ModelOutput(image[:, :1], depth=self.depth.expand(len(image), 1, -1, -1))


def test_depth_counts_where_there_is_a_picture() -> None:
    """The student says 10 m; the left half shows the picture, of which the teachers say 4 and 6 m."""
    one, other = (
        torch.tensor([[near, near, 900.0, 900.0]]).repeat(2, 1)[None, None] for near in (4.0, 6.0)
    )
    config = DistillationConfig(
        teacher=(Path("a"), Path("b")), shares=(3.0, 1.0), losses=(), depth=2.0
    )
    student = _Says(torch.full((1, 1, 2, 4), 10.0))
    distiller = Distiller(
        config, student, [_Says(one), _Says(other)], METRES.loss.build(), (2.0, 0.5)
    )
    covered = torch.zeros(2, 4, 8, dtype=torch.bool)
    covered[..., :4] = True
    target = torch.zeros(2, 4, 8, dtype=torch.uint8)
    batch = TrainItem(torch.zeros(2, 3, 4, 8), target, target > 0, None, (), ())
    output = student(torch.zeros(2, 3, 4, 8))
    padded = distiller(batch._replace(covered=covered), output, output.logits)
    expected = 2 * (0.75 * abs(10 - 2 * 4) + 0.25 * abs(10 - 0.5 * 6))
    assert padded.total.item() == pytest.approx(expected)
    assert padded.parts["depth-kd"].item() == pytest.approx(expected)
    whole = 2 * (0.75 * (2 + 1790) / 2 + 0.25 * (7 + 440) / 2)
    assert distiller(batch, output, output.logits).total.item() == pytest.approx(whole)


def test_a_batch_tells_what_is_padding(home) -> None:
    """At a zoom of a half, a picture of 64 x 64 covers 32 x 32 of a crop as large."""
    samples = PreparedFolder(home / "data").samples("train")
    half = AugmentConfig(zoom=(0.5, 0.5), flip=0, brightness=0, contrast=0, saturation=0)
    depth = DepthTargets(confidence="none", size_hw=(64, 64))
    make = {"size_hw": (64, 64), "augmentation": Augmentation(half, (64, 64))}
    deep = SegmentationDataset(samples, **make, depth=depth)
    batch = collate_train([deep[0, 1], deep[1, 2]])
    expected = torch.zeros(2, 64, 64, dtype=torch.bool)
    expected[:, :32, :32] = True
    assert torch.equal(batch.covered, expected)
    assert collate_train([SegmentationDataset(samples, **make)[0, 1]]).covered is None


def test_depth_is_a_name_among_the_losses_of_the_command_line() -> None:
    given = ["--teacher", "t"]
    alone = read_run("drawn-joint", ["--distill", "depth", *given])
    assert alone.name == "drawn-joint-depth"
    assert alone.distillation == DistillationConfig(teacher=(Path("t"),), losses=(), depth=1.0)
    assert config_from_json(config_to_json(alone), where="here") == alone
    both = read_run("drawn-joint", ["--distill", "depth:weight=2+logit-kd", *given])
    assert (both.distillation.depth, both.distillation.losses) == (2.0, (LogitKDConfig(),))
    words = ["--network", "hydranet-mobilenetv2", "--distill", "depth", *given, "--tasks", "depth"]
    changed = read_run("drawn-student", [*words, "--distillation.depth", "3"])
    assert (changed.tasks, changed.distillation.depth) == ("depth", 3.0)
    other = ["--network", "hydranet-mobilenetv2", "--tasks", "semantic+depth"]
    assert read_run("camvid-enet", other).phases == ()  # which are of another network
    with pytest.raises(ConfigError, match="without a loss or depth to compare"):
        read_run("drawn-joint", ["--distill", "depth", *given, "--distillation.depth", "0"])
    with pytest.raises(ConfigError, match="say --tasks"):
        read_run("drawn-student", words[:-2])
