"""A teacher asked once: what its cache holds, and students that learn from it."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import copyfile, copytree

import numpy as np
import pytest
import torch
from builders import tree_bytes
from builders_data import blocks_folder, colour_blocks
from PIL import Image

from curbside.datasets import (
    AugmentConfig,
    CacheSettings,
    CacheWriter,
    TeacherCache,
    cache_writer,
)
from curbside.errors import ConfigError, DataError, LabelError
from curbside.imaging import resize_frame
from curbside.labels import load_space
from curbside.losses import FeatureLossConfig, LogitKDConfig, distillation_losses
from curbside.models import LRASPPConfig, normalize
from curbside.prepared import PreparedFolder, picture_samples, write_quarantine
from curbside.training import (
    DataConfig,
    DistillationConfig,
    OptimizerConfig,
    Run,
    ScheduleConfig,
    TrainConfig,
    fit,
    load_run,
)
from curbside.training.caching import CacheResult, cache_teacher
from curbside.training.task import SegmentationTask

SIZE = (64, 96)
STILL = AugmentConfig(
    scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0, brightness=0, contrast=0, saturation=0
)


def _config(root: Path, out: Path, **changes: object) -> TrainConfig:
    config = TrainConfig(
        name="tiny",
        model=LRASPPConfig(channels=16),
        data=DataConfig(
            root=(root,), batch_size=4, crop_hw=SIZE, eval_hw=SIZE, workers=0, augment=STILL
        ),
        optimizer=OptimizerConfig(lr=5e-3),
        schedule=ScheduleConfig(kind="constant"),
        steps=4,
        validate_every=2,
        precision="fp32",
        accelerator="cpu",
        out=out,
    )
    return replace(config, **changes)


def _taught(*teachers: Path, **changes: object) -> DistillationConfig:
    return DistillationConfig(teacher=teachers, losses=(LogitKDConfig(temperature=2.0),), **changes)


def _rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["train/loss"]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, `more` (pictures alone), and `teacher`, a run whose logits have a stride of 4."""
    root = tmp_path_factory.mktemp("work")
    data = blocks_folder(root / "data", train=6, val=2, size_hw=SIZE)
    for number in range(3):
        rgb, _ = colour_blocks(500 + number, size_hw=SIZE)
        (root / "more/drive").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(root / f"more/drive/{number}.png")
    fit(_config(data, root / "teacher", steps=30, validate_every=30))
    return root


@pytest.fixture(scope="module")
def teacher(work: Path) -> Run:
    return load_run(work / "teacher")


@pytest.fixture(scope="module")
def cached(work: Path, teacher: Run) -> CacheResult:
    return cache_teacher(
        teacher, [work / "data", work / "more"], work / "cache", precision="fp32", batch_size=4
    )


def _ask(teacher: Run, rgb: np.ndarray, *, flip: bool = False) -> np.ndarray:
    """The probabilities of the training network itself, (C, h, w)."""
    frame = torch.from_numpy(rgb[:, ::-1].copy() if flip else np.array(rgb))
    image = normalize(frame.permute(2, 0, 1)[None], teacher.model.normalization)
    with torch.no_grad():
        said = teacher.model(image).logits.softmax(dim=1)[0].numpy()
    return said[..., ::-1] if flip else said


def test_the_cache_holds_what_the_teacher_says(work, teacher, cached):
    cache = TeacherCache(work / "cache")
    samples = PreparedFolder(work / "data").samples("train")
    samples += picture_samples(work / "more", "train", teacher.space)
    for sample in samples:
        want = _ask(teacher, sample.read_rgb())
        got = np.exp(cache.read(sample).whole())
        assert got.shape == want.shape == (11, 16, 24)
        assert np.abs(got ** (1 / 8) - want ** (1 / 8)).max() < 1.5 / 63
    assert cached.new == 9 and [folder.pictures for folder in cached.folders] == [6, 3]
    found = cached.faithfulness
    assert found.pictures == 9 and found.agreement == 1
    assert 0 < found.kl_4 < found.kl_1 < 2e-3


def test_the_mirror_image_counts_as_much(work, teacher, tmp_path):
    cache_teacher(teacher, [work / "data"], tmp_path / "c", flip=True, limit=2, precision="fp32")
    cache = TeacherCache(tmp_path / "c")
    samples = PreparedFolder(work / "data").samples("train")
    rgb = samples[3].read_rgb()
    want = (_ask(teacher, rgb) + _ask(teacher, rgb, flip=True)) / 2
    got = np.exp(cache.read(samples[3]).whole())
    assert np.abs(got ** (1 / 8) - want ** (1 / 8)).max() < 1.5 / 63
    with pytest.raises(DataError, match="missing"):
        cache.read(samples[1])


def test_size_and_stride_are_the_callers(work, teacher, tmp_path):
    cache_teacher(
        teacher, [work / "data"], tmp_path / "c", stride=8, size_hw=(32, 48), precision="fp32"
    )
    samples = PreparedFolder(work / "data").samples("train")
    said = _ask(teacher, resize_frame(samples[0].read_rgb(), (32, 48)))  # (11, 8, 12)
    pooled = np.exp(np.log(said).reshape(11, 4, 2, 6, 2).mean(axis=(2, 4)))
    want = pooled / pooled.sum(axis=0)
    got = np.exp(TeacherCache(tmp_path / "c").read(samples[0]).whole())
    assert np.abs(got ** (1 / 8) - want ** (1 / 8)).max() < 1.5 / 63


def test_half_precision_costs_little(work, teacher, tmp_path):
    found = cache_teacher(teacher, [work / "data"], tmp_path / "c", limit=3, precision="bf16")
    assert found.faithfulness.kl_1 < 5e-3
    assert found.folders[0].precision == "bf16"


def test_an_interrupted_cache_ends_with_the_same_bytes(
    work, teacher, cached, tmp_path, monkeypatch
):
    folders, out = [work / "data", work / "more"], tmp_path / "c"
    calls, whole = count(), cache_writer.write_entry

    def stop(*arguments):
        if next(calls) >= 5:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(cache_writer, "write_entry", stop)
    with pytest.raises(KeyboardInterrupt):
        cache_teacher(teacher, folders, out, precision="fp32", batch_size=4)
    monkeypatch.undo()
    with pytest.raises(DataError, match="unfinished"):
        TeacherCache(out)
    (out / "logits/data/train/.partial-abc.webp").write_bytes(b"RIFF")  # as kill -9 leaves them
    assert cache_teacher(teacher, folders, out, precision="fp32", batch_size=4).new == 5
    assert tree_bytes(out) == tree_bytes(work / "cache")
    damaged = sorted(out.rglob("*.webp"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-50])
    assert cache_teacher(teacher, folders, out, precision="fp32", batch_size=4).new == 4
    assert tree_bytes(out) == tree_bytes(work / "cache")
    with pytest.raises(ConfigError, match="another stride"):
        cache_teacher(teacher, folders, out, stride=8)


def test_a_picture_that_cannot_be_read_is_left_out_and_added_later(teacher, tmp_path):
    data = blocks_folder(tmp_path / "data", train=3, val=1, size_hw=SIZE)
    picture = data / "train/images/001.jpg"
    good = picture.read_bytes()
    picture.write_bytes(good[:400])
    first = cache_teacher(teacher, [data], tmp_path / "c")
    assert first.new == 2 and len(first.unreadable) == 1 and "001.jpg" in first.unreadable[0]
    picture.write_bytes(good)
    cache_teacher(teacher, [data], tmp_path / "c")
    for sample in PreparedFolder(data).samples("train"):
        TeacherCache(tmp_path / "c").read(sample)
    for path in (data / "train/images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="none of the 3 pictures"):
        cache_teacher(teacher, [data], tmp_path / "d")


def test_a_bare_tree_is_keyed_as_training_keys_it(work, teacher, tmp_path):
    tree = tmp_path / "tree"
    for kind in ("images", "masks"):
        (tree / "train" / kind).mkdir(parents=True)
    rgb, ids = colour_blocks(1, size_hw=SIZE)
    Image.fromarray(rgb).save(tree / "train/images/a.png")
    Image.fromarray(ids).save(tree / "train/masks/a.png")
    assert cache_teacher(teacher, [tree], tmp_path / "c").new == 1
    sample = PreparedFolder(tree, space=teacher.space).samples("train")[0]
    assert TeacherCache(tmp_path / "c").read(sample).whole().shape == (11, 16, 24)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"limit": 0}, "a limit of 0 pictures"),
        ({"batch_size": 0}, "a batch of 0 pictures is"),
        ({"stride": 0}, "stride of 0"),
        ({"top_k": 11}, "top 11 of 11"),
        ({"size_hw": (8, 96)}, "too small"),
    ],
)
def test_impossible_settings_are_refused(work, teacher, tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        cache_teacher(teacher, [work / "data"], tmp_path / "c", **settings)
    assert not (tmp_path / "c").exists()


def test_a_folder_whose_pictures_are_all_set_aside_is_refused(teacher, tmp_path):
    Image.new("RGB", SIZE).save(tmp_path / "a.png")
    write_quarantine(tmp_path, {("train", "a"): ("blurred",)})
    with pytest.raises(DataError, match="has no picture"):
        cache_teacher(teacher, [tmp_path], tmp_path / "c")


def test_folders_and_names_that_are_not_unique_are_refused(work, teacher, tmp_path):
    with pytest.raises(ConfigError, match="each once"):
        cache_teacher(teacher, [work / "data", work / "more/../data"], tmp_path / "c")
    for name in ("a.png", "a.jpg"):
        (tmp_path / "p").mkdir(exist_ok=True)
        Image.new("RGB", SIZE).save(tmp_path / "p" / name)
    with pytest.raises(DataError, match="2 pictures called a"):
        cache_teacher(teacher, [tmp_path / "p"], tmp_path / "c")


# ---- training


def test_a_student_learns_from_the_cache_what_it_learns_from_the_teacher(work, cached, tmp_path):
    # Whole pictures, unchanged: what the cache holds is what the teacher would say of them.
    online = _config(work / "data", tmp_path / "online", distillation=_taught(work / "teacher"))
    offline = _config(work / "data", tmp_path / "offline", distillation=_taught(work / "cache"))
    fit(online)
    fit(offline)
    for one, other in zip(_rows(online.run_folder), _rows(offline.run_folder), strict=True):
        assert float(one["train/kl"]) == pytest.approx(float(other["train/kl"]), rel=0.02)
        assert float(one["train/loss"]) == pytest.approx(float(other["train/loss"]), rel=0.02)


def test_a_run_from_a_cache_resumes_where_it_stopped(work, cached, tmp_path, monkeypatch):
    data = DataConfig(
        root=(work / "data",),
        unlabelled=(work / "more",),
        batch_size=4,
        crop_hw=(48, 64),
        eval_hw=SIZE,
        workers=0,
    )
    whole, broken = (
        _config(work / "data", tmp_path / name, data=data, distillation=_taught(work / "cache"))
        for name in ("whole", "broken")
    )
    fit(whole)
    step = SegmentationTask.training_step

    def stop(self, batch, batch_idx):
        if self.global_step == 3:
            raise RuntimeError("the power is gone")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(SegmentationTask, "training_step", stop)
    with pytest.raises(RuntimeError, match="power"):
        fit(broken)
    monkeypatch.undo()
    assert fit(broken).resumed_at == 2
    for name in ("metrics.csv", "model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()


def test_a_cache_and_a_network_teach_together(work, cached, tmp_path):
    both = _taught(work / "cache", work / "teacher", shares=(1.0, 3.0))
    config = _config(work / "data", tmp_path / "both", distillation=both)
    alone = _config(work / "data", tmp_path / "alone", distillation=_taught(work / "teacher"))
    fit(config)
    fit(alone)
    one, other = _rows(config.run_folder)[0], _rows(alone.run_folder)[0]
    assert float(one["train/kl"]) == pytest.approx(float(other["train/kl"]), rel=0.02)


def test_a_loss_on_features_needs_the_network(work, cached, tmp_path):
    on_features = next(
        kind for kind in distillation_losses().values() if issubclass(kind, FeatureLossConfig)
    )
    config = _config(
        work / "data",
        tmp_path / "run",
        distillation=DistillationConfig(teacher=(work / "cache",), losses=(on_features(),)),
    )
    with pytest.raises(ConfigError, match=r"cache holds a teacher's logits.*run folder"):
        fit(config)


def test_a_cache_that_lacks_pictures_is_refused_before_training(work, teacher, cached, tmp_path):
    cache_teacher(teacher, [work / "data"], tmp_path / "c", limit=3)
    config = _config(work / "data", tmp_path / "run", distillation=_taught(tmp_path / "c"))
    with pytest.raises(DataError, match=r"lacks 3 of the 6 pictures.*curbside cache RUN"):
        fit(config)
    cache_teacher(teacher, [work / "data"], tmp_path / "c")
    more = replace(config.data, unlabelled=(work / "more",))
    with pytest.raises(DataError, match=rf"lacks 3 of the 9 pictures.*RUN {work / 'more'} "):
        fit(replace(config, data=more))
    assert not (tmp_path / "run").exists()
    other = blocks_folder(tmp_path / "other", train=2, val=1, size_hw=SIZE)
    undrawn = replace(config.data, root=(work / "data", other), shares=(1.0, 0.0))
    assert fit(replace(config, data=undrawn, steps=1)).steps == 1


def test_a_cache_of_weights_that_changed_since_is_refused(work, teacher, tmp_path):
    run = copytree(work / "teacher", tmp_path / "teacher")
    kept = run / "kept/000030.safetensors"
    kept.parent.mkdir()
    copyfile(run / "model.safetensors", kept)
    for weights, cache in (
        (run / "model.safetensors", run / "cache"),
        (kept, kept.with_suffix(".cache")),
    ):
        cache_teacher(load_run(run), [work / "data"], cache)
        config = _config(work / "data", tmp_path / "student", distillation=_taught(cache), steps=1)
        weights.write_bytes(weights.read_bytes() + b"\0")
        with pytest.raises(ConfigError, match=rf"{weights} has changed since the cache {cache}"):
            fit(config)
        copyfile(work / "teacher/model.safetensors", weights)
    assert fit(config).steps == 1


def test_a_cache_of_other_classes_is_refused(work, tmp_path):
    space = load_space("cityscapes19")
    settings = CacheSettings(space=space, teacher={}, input_hw=SIZE, stride=4)
    CacheWriter(tmp_path / "c", settings, [], "train").finish({}, "fp32")
    config = _config(work / "data", tmp_path / "run", distillation=_taught(tmp_path / "c"))
    with pytest.raises(LabelError, match="cityscapes19"):
        fit(config)
