"""One network for classes and depth, learnt from pictures of which none has both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_training import tiny_run

from curbside.datasets import AugmentConfig, TrainItem
from curbside.errors import ConfigError
from curbside.labels import load_space
from curbside.losses import DepthLossConfig
from curbside.models import EncoderConfig, LightWeightRefineNetConfig, ModelOutput
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.runtime import DepthPredictor, JointPredictor, SemanticPredictor
from curbside.training import (
    DepthConfig,
    DistillationConfig,
    OptimizerConfig,
    TaskWeightingConfig,
    fit,
    load_run,
    load_run_predictor,
    read_metrics,
)
from curbside.training.loading import _weights
from curbside.training.task import SegmentationTask

SPACE = load_space("idd-lite7")
SIZE = (64, 64)
ENCODER = EncoderConfig(name="mobilenetv2_035", every_block=True, pretrained=False)
HYDRA = LightWeightRefineNetConfig(encoder=ENCODER, depth="capped", max_depth_m=20.0)
PLAIN = replace(HYDRA, depth="none")


def _picture(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Red is class 0, blue is class 6; the brighter, the nearer."""
    rng = np.random.default_rng(number)
    split = int(rng.integers(16, 48))
    ids = np.where(np.arange(64)[None] < split, 0, 6).astype(np.uint8).repeat(64, 0)
    depth = np.float32(rng.uniform(2, 18)) * np.ones(SIZE, np.float32)
    bright = np.uint8(255 - 12 * depth)
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = np.where(ids == 0, bright, 20), np.where(ids == 6, bright, 20)
    return rgb, ids, depth


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen training pictures with a mask or with depth; six to score with both."""
    root = tmp_path_factory.mktemp("joint") / "apart"
    writer = PreparedWriter(root, space=SPACE, source="test", options={})
    for number in range(22):
        rgb, ids, depth = _picture(number)
        scored, deep = number >= 16, number % 2 == 1
        data = SampleData(
            id=f"p{number:02d}",
            split="val" if scored else "train",
            image=rgb,
            semantic=ids if scored or not deep else None,
            depth_m=depth if scored or deep else None,
            annotated=() if deep and not scored else None,
            focal_xy_px=(80.0, 80.0),
            tags={"kind": "depth" if deep else "mask"},
        )
        writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return root


def _joint(root: Path, out: Path, **changes):
    config = tiny_run(root, out, model=HYDRA, tasks="semantic+depth", steps=90, validate_every=90)
    plain = AugmentConfig(scale=(1, 1), ratio=(1, 1), brightness=0, contrast=0, saturation=0)
    data = replace(config.data, augment=plain, batch_size=8, crop_hw=SIZE, eval_hw=SIZE)
    return replace(config, data=data, optimizer=OptimizerConfig(lr=1e-3), **changes)


@pytest.fixture(scope="module")
def trained(apart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("joint-run") / "run"
    config = _joint(apart, out, weighting=TaskWeightingConfig(kind="uncertainty"))
    mix = (("semantic", 1.0), ("depth", 1.0))
    fit(replace(config, data=replace(config.data, mix=mix)))
    return out


def test_both_are_learnt_from_pictures_that_have_one(trained):
    rows = read_metrics(trained / "metrics.csv")
    last, noted = rows[-1], set().union(*rows)
    assert last["val/miou"] > 0.7
    assert last["val/delta1"] > 0.4  # the best constant has 0.23
    assert last["val/joint"] == pytest.approx((last["val/miou"] + last["val/delta1"]) / 2)
    assert {"train/ce", "train/berhu", "train/semantic", "train/depth"} <= noted
    assert {"train/sigma-semantic", "train/sigma-depth"} <= noted


def test_a_run_tells_the_camera_of_its_metres(trained):
    run = load_run(trained)
    assert run.depth is not None and run.depth.max_m == 20.0
    assert run.depth.focal_xy_px == (80.0, 80.0)
    assert "80 px at 64 x 64" in run.depth.camera
    assert {"joint", "miou", "delta1", "abs_rel"} <= run.scores["validation"].keys()


def test_a_run_is_one_predictor_of_both(trained):
    rgb, ids, depth = _picture(20)
    with load_run_predictor(trained) as predictor:
        assert isinstance(predictor, JointPredictor)
        found = predictor(np.ascontiguousarray(rgb[..., ::-1]))
    assert (found.semantic.ids == ids).mean() > 0.8
    assert np.median(found.depth.depth_m) == pytest.approx(float(depth[0, 0]), rel=0.3)


@pytest.mark.parametrize(
    ("tasks", "kind"), [("depth", DepthPredictor), ("semantic", SemanticPredictor)]
)
def test_one_of_both_alone(apart, tmp_path, tasks, kind):
    """What is not learnt stays as it was, and is not promised."""
    fit(_joint(apart, tmp_path / "run", tasks=tasks, steps=2, validate_every=2))
    run = load_run(tmp_path / "run")
    untouched = "segmentation" if tasks == "depth" else "depth"
    torch.manual_seed(run.config.seed)
    fresh = run.config.model.build(SPACE.num_channels)
    for name, value in fresh.get_submodule(untouched).state_dict().items():
        assert torch.equal(run.model.get_submodule(untouched).state_dict()[name], value)
    assert type(load_run_predictor(tmp_path / "run")) is kind
    scores = read_metrics(tmp_path / "run" / "metrics.csv")[-1]
    assert ("val/delta1" in scores, "val/miou" in scores) == (tasks == "depth", tasks != "depth")
    assert (run.depth is None) == (tasks == "semantic")


def test_gradnorm_and_a_teacher_of_depth(apart, trained, tmp_path):
    config = _joint(
        apart,
        tmp_path / "run",
        steps=2,
        validate_every=2,
        weighting=TaskWeightingConfig(kind="gradnorm"),
        distillation=DistillationConfig(teacher=(trained,), depth=2.0),
    )
    fit(config)
    last = read_metrics(tmp_path / "run" / "metrics.csv")[-1]
    assert last["train/weight-semantic"] + last["train/weight-depth"] == pytest.approx(2, abs=1e-5)
    assert last["train/depth-kd"] > 0 and last["train/kl"] > 0


def _task(**changes) -> SegmentationTask:
    config = _joint(Path("data"), Path("out"), **changes)
    return SegmentationTask(config, HYDRA.build(SPACE.num_channels), SPACE, 10)


def _batch(**changes) -> TrainItem:
    target = torch.full((2, 4, 4), 255, dtype=torch.uint8)
    target[0, :2] = 3
    item = TrainItem(torch.zeros(2, 3, 4, 4), target, torch.ones(2, 4, 4).bool(), None, (), ())
    return item._replace(
        depth=torch.full((2, 4, 4), 8.0), depth_weight=torch.ones(2, 4, 4), **changes
    )


def test_what_samples_count():
    """Twice the weight is twice the loss; a sample of weight 0 has none."""
    torch.manual_seed(0)
    depth = torch.stack([torch.full((1, 4, 4), 12.0), torch.full((1, 4, 4), 10.0)])
    output = ModelOutput(torch.randn(2, 7, 4, 4), depth=depth)
    task = _task(depth=DepthConfig(loss=DepthLossConfig(kind="l1", normalize_by_m=1.0)))
    plain, parts = task._supervise(_batch(), output)
    assert float(parts["l1"]) == pytest.approx(3.0)  # the mean of 4 and 2
    _, parts = task._supervise(_batch(weight=torch.tensor([[1.0, 1.0], [1.0, 0.5]])), output)
    assert float(parts["l1"]) == pytest.approx((1.0 * 4 + 0.5 * 2) / 2)
    same, _ = task._supervise(_batch(weight=torch.ones(2, 2)), output)
    torch.testing.assert_close(same, plain)
    _, parts = task._supervise(_batch(weight=torch.tensor([[0.0, 0.0], [2.0, 2.0]])), output)
    assert float(parts["ce"]) == 0 and float(parts["l1"]) == pytest.approx(2.0)


def test_what_networks_made_may_count_less(apart):
    config = _joint(apart, apart / "out")
    samples = PreparedFolder(apart).samples("train")[:3]
    made = replace(samples[1], record=replace(samples[1].record, pseudo=("depth",)))
    assert _weights(config, [*samples, made]) == []
    less = replace(config, data=replace(config.data, pseudo_weight=0.25))
    assert _weights(less, samples) == []
    assert _weights(less, [samples[0], made]) == [(1, 1), (1, 0.25)]
    both = replace(less, data=replace(less.data, weights=(2.0,)))
    assert _weights(both, [samples[0], made]) == [(2, 2), (2, 0.5)]


def test_refusals(apart, tmp_path):
    with pytest.raises(ConfigError, match="gives no depth"):
        fit(_joint(apart, tmp_path / "a", model=PLAIN))
    with pytest.raises(ConfigError, match="learns depth"):
        _joint(
            apart,
            tmp_path,
            tasks="semantic",
            distillation=DistillationConfig(teacher=(apart,), depth=1),
        )
    config = _joint(apart, tmp_path / "b")
    with pytest.raises(ConfigError, match=r"by kind there are depth 8, mask 8"):
        fit(replace(config, data=replace(config.data, mix_by="kind", mix=(("mask", 1.0),))))
    with pytest.raises(ConfigError, match="both have shares"):
        replace(config.data, mix=(("semantic", 1.0),), shares=(1.0,))
    with pytest.raises(ConfigError, match="weight of pseudo-labels"):
        replace(config.data, pseudo_weight=-1.0)
    with pytest.raises(ConfigError, match="do not fit 1 folders"):
        replace(config.data, weights=(1.0, 2.0))
    assert not (tmp_path / "a" / "config.json").exists()
