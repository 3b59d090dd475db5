"""`curbside export` and `curbside quantize` from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from color_scenes import SIZE_HW, scene

from curbside.cli import main
from curbside.labels import LabelSpace, load_space
from curbside.models import EncoderConfig, Network, UPerNetConfig, base
from curbside.prepared import PreparedWriter, SampleData, write_sample
from curbside.runtime import load_predictor

training = pytest.importorskip("curbside.training")


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, fitted, space: LabelSpace) -> None:
    """Any run folder holds the fitted network."""
    opened = SimpleNamespace(
        model=fitted,
        space=space,
        title="LR-ASPP tiny",
        image_size_hw=SIZE_HW,
        source={"recipe": "test"},
        scores={"validation": {"miou": 0.5}},
        temperature_scaling=None,
        threshold=None,
        depth=None,
        config=SimpleNamespace(targets=("semantic",)),
    )
    monkeypatch.setattr(training, "load_run", lambda folder: opened)
    monkeypatch.setattr(training, "load_config", lambda folder: None)


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A named network with layer normalisation, small enough for tests."""
    config = UPerNetConfig(encoder=EncoderConfig(name="convnext_atto"), channels=16)
    known = {**base.networks(), "upernet-tiny": Network(name="upernet-tiny", config=config)}
    monkeypatch.setattr(base, "networks", lambda: known)


def test_from_a_run_to_a_quantised_file(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    assert main(["export", "RUN", "--out", str(path), "--verify-data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "same class on" in said and "largest logit difference" in said
    with load_predictor(path, threads=1) as predictor:
        assert predictor.manifest.model == "LR-ASPP tiny"
        assert predictor.manifest.input.size_hw == SIZE_HW
        assert predictor.manifest.scores == {"validation": {"miou": 0.5}}

    arguments = ["quantize", str(path), "--calibration", str(data), "--threads", "1"]
    assert main([*arguments, "--count", "9"]) == 0
    said = capsys.readouterr().out
    for part in ("mIoU", "c3", "95th", "smaller", "int8 (", "× the speed", "within the 1 allowed"):
        assert part in said
    with load_predictor(tmp_path / "m.int8.onnx", threads=1) as predictor:
        assert predictor.manifest.calibration["count"] == 9
        assert set(predictor.manifest.scores) == {"validation", "fp32", "int8"}

    assert main([*arguments, "--out", str(tmp_path / "q.onnx"), "--limit", "2", "--json"]) == 0
    streams = capsys.readouterr()
    found = json.loads(streams.out)
    assert found["passed"] and found["lineup"]["images"] == 2
    assert found["lineup"]["files"][1]["precision"].startswith("int8")
    assert Path(found["report"]).is_file()
    assert found["calibration"]["count"] == 12
    assert "has only 12 pictures" in streams.err


def test_the_choices_of_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    arguments = ["--size-hw", "80", "70", "--channels", "rgb", "--outputs", "confidence"]
    assert main(["export", "RUN", "--out", str(path), *arguments, "--opset", "13", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agreement"] >= 0.999 and found["file"] == str(path)
    with load_predictor(path, threads=1) as predictor:
        assert predictor.manifest.input.size_hw == (80, 70)
        assert predictor.manifest.input.channels == "rgb"
        assert [o.meaning for o in predictor.manifest.outputs] == ["ids", "confidence"]


def test_asking_what_a_target_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A run, by its folder.
    assert main(["export", str(tmp_path), "--target", "hailo8", "--check"]) == 0
    said = capsys.readouterr().out
    assert "Hailo-8" in said and "Conv" in said and "taken" in said and "refused" not in said
    # A network, by its name, before it is trained.
    ask = ["--target", "hailo8", "--check", "--size-hw", "64", "96", "--classes", "5"]
    assert main(["export", "lraspp-mobilenetv4-small", *ask, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accepted"] and found["size_hw"] == [64, 96]
    assert all(item["accepted"] and item["count"] for item in found["operators"])
    # One that it would refuse: all of it is listed, and one line ends it.
    assert main(["export", "upernet-tiny", *ask, "--json"]) == 2
    streams = capsys.readouterr()
    refused = {i["kind"] for i in json.loads(streams.out)["operators"] if not i["accepted"]}
    assert refused >= {"LayerNormalization", "Transpose"}
    assert len(streams.err.strip().splitlines()) == 1
    assert "Hailo-8 (Dataflow Compiler) would refuse" in streams.err
    assert not list(tmp_path.iterdir())


def test_a_file_for_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    assert main(["export", "RUN", "--out", str(path), "--target", "hailo8"]) == 0
    assert path.is_file() and "verified" in capsys.readouterr().out


def test_mistakes_are_one_line(
    tmp_path: Path, data: Path, float_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    writer = PreparedWriter(other, space=load_space("camvid11"), source="test")
    for index in range(8):
        rgb, ids = scene(index)
        for split in ("train", "val"):
            sample = SampleData(id=f"s{index}", split=split, image=rgb, semantic=ids)
            writer.add(write_sample(other, sample, writer.space))
    writer.finish()
    out = str(tmp_path / "q.onnx")
    quantize = ["quantize", str(float_file), "--out", out, "--calibration"]
    for arguments, message in (
        (["export", "RUN", "--out", str(tmp_path / "m.onnx"), "--opset", "9"], "opset 9"),
        (["export", "RUN", "--out", str(tmp_path / "m.hef")], "does not end in .onnx"),
        (["export", "RUN"], "there is no file to write"),
        (["export", "RUN", "--out", str(tmp_path / "m.onnx"), "--target", "i"], "no target 'i'"),
        (
            ["export", "RUN", "--out", out, "--check", "--target", "hailo8"],
            "--check writes nothing",
        ),
        (["export", "RUN", "--check"], "--check needs a target"),
        (["export", "lraspp-mobilenetv4", "--check", "--target", "hailo8"], "did you mean lraspp"),
        (["export", "lraspp-resnet18", "--out", out], "lraspp-resnet18 is not trained"),
        (
            ["export", "lraspp-resnet18", "--check", "--target", "hailo8", "--classes", "1"],
            "--classes 1",
        ),
        ([*quantize, str(tmp_path / "gone")], "does not exist"),
        ([*quantize, str(data), "--split", "test"], "has no sample"),
        ([*quantize, str(data), "--split", "val"], "too few"),
        ([*quantize, str(data), "--limit", "0"], "--limit 0"),
        ([*quantize, str(other)], "the model's label space is colors"),
    ):
        assert main(arguments) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and message in lines[0], lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]
