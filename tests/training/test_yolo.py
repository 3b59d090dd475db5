"""YOLOv8-seg through Ultralytics; what needs the library skips without it."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import tree_bytes

from curbside.cli import main
from curbside.errors import ConfigError, CurbsideError, MissingDependencyError, ModelFileError
from curbside.labels import load_space
from curbside.recipes import load_recipe
from curbside.runtime import InstancePredictor, load_predictor
from curbside.scenes import ScenesConfig, write_prepared
from curbside.training import (
    YoloConfig,
    YoloDataConfig,
    export_yolo,
    fit,
    load_config,
    load_run_predictor,
    read_metrics,
    yolo,
    yolo_run,
)

needs_ultralytics = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None,
    reason="Ultralytics is not installed: the extra yolo",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "drawn"
    config = ScenesConfig(seed=3, size_hw=(96, 160), train=6, val=3, test=0, workers=1)
    write_prepared(root, config, labels="level3")
    return root


def _config(data: Path, out: Path, **more) -> YoloConfig:
    settings = {"epochs": 2, "image_size": 64, "batch_size": 3, "step_pictures": 3, **more}
    folders = YoloDataConfig(root=(data,), workers=0)
    return YoloConfig(name="tiny", data=folders, out=out, export_hw=(32, 64), **settings)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory) -> Iterator[None]:
    """Networks of an eighth of the width, which learn nothing but are quick."""
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("Ultralytics is not installed: the extra yolo")
    folder = tmp_path_factory.mktemp("networks")
    shipped = importlib.resources.files("ultralytics") / "cfg/models/v8/yolov8-seg.yaml"
    text = shipped.read_text(encoding="utf-8")
    (folder / "yolov8n-seg.yaml").write_text(text.replace("0.33, 0.25", "0.33, 0.03"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yolo, "_untrained", lambda size: f"{folder}/yolov8{size}-seg.yaml")
        yield


@pytest.fixture(scope="module")
def run(narrow, data, tmp_path_factory) -> Path:
    """A run that was killed after its first epoch, and went on."""
    del narrow
    home, out = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("runs") / "tiny"
    before = tree_bytes(data), dict(os.environ), torch.get_num_threads(), np.get_printoptions()
    asked: list[tuple] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "home", lambda: home)
        patch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args))
        with pytest.MonkeyPatch.context() as killed:
            keep = yolo_run._Follower.epoch

            def stop(self, epoch):
                keep(self, epoch)
                raise KeyboardInterrupt

            killed.setattr(yolo_run._Follower, "epoch", stop)
            with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="AGPL-3.0"):
                fit(_config(data, out))
        assert [row["step"] for row in read_metrics(out / "metrics.csv")] == [1]
        with pytest.warns(UserWarning, match="AGPL-3.0"):
            result = fit(_config(data, out))
        assert (result.resumed_at, result.steps) == (1, 2)
        with pytest.warns(UserWarning, match="AGPL-3.0"):
            again = fit(_config(data, out))
        assert (again.resumed_at, again.steps, again.seconds < 1) == (2, 2, True)
    assert not asked and not any(home.iterdir())
    after = tree_bytes(data), dict(os.environ), torch.get_num_threads(), np.get_printoptions()
    assert {**after[1], "PYTEST_CURRENT_TEST": ""} == {**before[1], "PYTEST_CURRENT_TEST": ""}
    assert (after[0], after[2:]) == (before[0], before[2:])
    return out


def test_the_source_documents_settings():
    config = load_recipe("idd-yolov8n-seg", YoloConfig)
    assert (config.weights, config.size, config.epochs) == ("yolov8n-seg.pt", "n", 100)
    assert (config.image_size, config.batch_size, config.data.workers) == (512, 192, 8)
    assert config.data.layout().label_space(load_space("idd_level3")).names == (
        "person_animal",
        "rider",
        "motorcycle_bicycle",
        "autorickshaw_car",
        "large_vehicle",
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image_size": 500}, "side of 500 pixels; choose a multiple of 32, such as 512"),
        ({"export_hw": (320, 30)}, "side of 30 pixels"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"mosaic": 1.5}, "1.5 is impossible"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"close_mosaic": -1}, "close_mosaic is -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        YoloConfig(name="x", **wrong)


def test_one_file_imports_the_library():
    root = Path(yolo.__file__).parents[1]
    pattern = re.compile(r"(import|from) ultralytics|import_module\(f?.ultralytics")
    found = [path for path in root.rglob("*.py") if pattern.search(path.read_text("utf-8"))]
    assert found == [Path(yolo.__file__)]


def test_it_learns_from_one_folder():
    with pytest.raises(ConfigError, match="from one folder, not from 2"):
        YoloDataConfig(root=(Path("a"), Path("b")))


def test_without_the_extra_one_line_says_what_to_install(data, tmp_path, monkeypatch, capsys):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(yolo.metadata, "version", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install 'curbside\[yolo\]'"):
        fit(_config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    given = ["train", "drawn-yolov8n-seg", "--data.root", str(data), "--out", str(tmp_path / "r")]
    assert main(given) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_killed_run_goes_on_and_ends_as_a_run_folder(run, data):
    rows = read_metrics(run / "metrics.csv")
    assert [row["step"] for row in rows] == [1, 2]
    assert {"train/seg_loss", "val/mask_map", "val/box_map50", "val/fitness", "lr"} <= set(rows[0])
    about = json.loads((run / "config.json").read_text())
    assert about["format"] == "curbside-run" and about["license"].startswith("AGPL-3.0")
    assert about["versions"]["ultralytics"] == metadata.version("ultralytics")
    assert about["dataset"]["counts"]["train"]["images"] == about["dataset"]["train"] == 6
    assert load_config(run) == _config(data, run)
    for split in ("train", "val"):
        for picture in (run / "data/images" / split).iterdir():
            assert picture.samefile(data / split / "images" / picture.name)


def test_its_model_file_says_what_it_is(run, data):
    with load_run_predictor(run, threads=1) as predictor:
        assert isinstance(predictor, InstancePredictor)
        manifest = predictor.manifest
        result = predictor(np.zeros((90, 160, 3), np.uint8))
    assert result.space == manifest.space == load_space("idd5")
    assert (manifest.model, manifest.task) == ("YOLOv8n-seg", "instances")
    spec = manifest.input
    assert (spec.size_hw, spec.fit, spec.channels) == ((32, 64), "letterbox", "rgb")
    assert spec.scale == pytest.approx(1 / 255)
    assert manifest.source["license"].startswith("AGPL-3.0")
    assert manifest.source["recipe"] == "tiny" and len(manifest.source["weights_sha256"]) == 64
    assert manifest.scores["validation"]["split"] == "val"
    assert manifest.scores["validation"]["step"] in (1, 2)


def test_it_is_exported_at_another_size(run, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    assert main(["export", str(run), "--out", str(out), "--size-hw", "64", "96"]) == 0
    said = capsys.readouterr()
    assert "AGPL-3.0" in said.err and "verified" in said.out
    with load_predictor(out, threads=1) as predictor:
        assert predictor.manifest.input.size_hw == (64, 96)
    with pytest.raises(ConfigError, match="multiple of 32"):
        export_yolo(run, out, size_hw=(64, 100))
    with pytest.raises(ConfigError, match=r"does not end in \.onnx"):
        export_yolo(run, tmp_path / "m.pt")


@pytest.mark.filterwarnings("ignore:YOLOv8 and Ultralytics")
def test_a_folder_with_another_run_is_refused(run, data, tmp_path):
    with pytest.raises(ConfigError, match=r"another epochs \(2, not 3\)"):
        fit(_config(data, run, epochs=3))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no run"):
        fit(_config(data, tmp_path))


class _Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["TINY_YOLO_EVIL"],)


@needs_ultralytics
@pytest.mark.filterwarnings("ignore:YOLOv8 and Ultralytics")
def test_weights_that_are_none_are_one_line(run, data, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_YOLO_EVIL", str(tmp_path / "touched"))
    torch.save({"model": _Evil()}, tmp_path / "evil.pt")
    (tmp_path / "text.pt").write_text("weights")
    torch.save({"model": torch.zeros(3)}, tmp_path / "tensor.pt")
    shutil.copyfile(run / "best.ckpt", tmp_path / "nano.pt")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    for weights, words in (
        ("evil.pt", "cannot be read as a checkpoint"),
        ("text.pt", "not written by torch.save"),
        ("tensor.pt", "cannot be read as a checkpoint|holds no YOLOv8"),
        ("gone.pt", "there are no weights at"),
    ):
        config = _config(data, tmp_path / weights[:-3], weights=str(tmp_path / weights))
        with pytest.raises(ModelFileError, match=words) as caught:
            fit(config)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()
    named = _config(data, tmp_path / "named", weights="yolov8n-seg.pt")
    with pytest.raises(ConfigError, match=r"yolov8n-seg\.pt is not here and cannot be fetched"):
        fit(named)
    other = _config(data, tmp_path / "small", weights=str(tmp_path / "nano.pt"), size="s")
    with pytest.raises(CurbsideError, match="of the size n, not s; add --size n"):
        fit(other)
    started = replace(other, size="n", epochs=1, out=tmp_path / "started")
    assert fit(started).steps == 1
    said = (tmp_path / "started/ultralytics.log").read_text()
    assert "Transferred 417/417 items" in said
