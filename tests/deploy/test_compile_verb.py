"""`curbside compile`, `curbside quantize` and `curbside compare` of several files, from the outside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from color_scenes import scene

from curbside.cli import main
from curbside.deploy import read_manifest, replace_manifest
from curbside.deploy.gate import fastest
from curbside.imaging import write_png
from curbside.manifest import write_sidecar
from curbside.runtime import load_predictor


@pytest.fixture
def model(tmp_path: Path, float_file: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(float_file.read_bytes())
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(10):
        write_png(folder / f"{seed}.png", scene(seed + 40, (96, 128))[0])
    return folder


def test_onnx_runtime_in_float_and_in_8_bits(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compile", str(model), "--target", "onnxruntime", "--threads", "1"]
    scored = ["--evaluate", str(data)]
    assert main([*arguments, *scored, "--precision", "fp32", "--provider", "cpu"]) == 0
    assert "loses 0.00 points of mIoU: within the 1 allowed" in " ".join(
        capsys.readouterr().out.split()
    )
    calibrated = ["--calibration", str(data), "--count", "12", "--max-loss", "3"]
    assert main([*arguments, *calibrated, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] and found["path"] == str(model.with_name("m.int8.onnx"))
    assert found["calibration"]["strata"]["class"]
    assert Path(found["report"]).is_file()
    with load_predictor(model.with_name("m.fp32.onnx"), threads=1) as predictor:
        assert predictor.manifest.deployment == {"target": "onnxruntime", "provider": "cpu"}
        assert predictor.manifest.scores["fp32"]["miou"] > 0.8
    with load_predictor(model.with_name("m.int8.onnx"), threads=1) as predictor:
        assert predictor.precision.startswith("int8")


def test_pictures_alone_are_enough(
    model: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = model.with_name("t.npy")
    np.save(tensors, np.stack([scene(seed)[0] for seed in range(60, 70)]))
    arguments = ["quantize", str(model), "--evaluate", str(pictures), "--max-loss", "5", "--json"]
    for calibration in (pictures, tensors):
        assert main([*arguments, "--calibration", str(calibration), "--count", "8"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["unit"] == "% of the pixels" and found["calibration"]["count"] == 8
        assert found["lineup"]["files"][0]["scores"] is None
    alone = ["quantize", str(model), "--calibration", str(pictures), "--max-loss", "5"]
    assert main([*alone, "--count", "8"]) == 0
    assert "on the calibration pictures themselves" in capsys.readouterr().err


def test_openvino_beside_onnx_runtime(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    openvino = ["compile", str(model), "--target=openvino", "--threads", "1", "--precision", "fp32"]
    assert main([*openvino, "--evaluate", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attempts"][0]["loss"] == pytest.approx(0, abs=0.3)
    files = [str(model), str(model.with_name("m.fp32.xml"))]
    assert main(["compare", *files, "--source", str(data / "val" / "images"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(item["file"]).name for item in found["files"]] == ["m.onnx", "m.fp32.xml"]
    assert found["files"][1]["agreement"] > 0.999 and found["files"][1]["scores"] is None
    sizes = [model.with_name(f"m.fp32{suffix}").stat().st_size for suffix in (".xml", ".bin")]
    assert [item["size_bytes"] for item in found["files"]] == [model.stat().st_size, sum(sizes)]
    assert main(["compare", *files, files[0], "--data", str(data), "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "m.fp32.xml" in said and "mIoU" in said
    page = model.with_name("m.onnx.compare") / "lineup.html"
    assert "IoU by class" in page.read_text(encoding="utf-8")


def test_what_loses_too_much_is_reported_and_not_written(
    model: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = model.with_name("noise.npy")
    np.save(noise, np.random.default_rng(0).integers(0, 3, (9, 64, 96, 3)).astype(np.uint8))
    arguments = ["quantize", str(model), "--calibration", str(noise), "--count", "9"]
    assert (
        main([*arguments, "--evaluate", str(pictures), "--max-loss", "0", "--most-float", "0"]) == 2
    )
    streams = capsys.readouterr()
    errors = [line for line in streams.err.splitlines() if line.startswith("curbside quantize")]
    assert "do not look like what is scored: median colour" in errors[0]
    assert "over the 0 allowed; nothing was written; calibrate on more" in errors[-1]
    assert not model.with_name("m.int8.onnx").exists()
    assert (model.with_name("m.int8.onnx.report") / "report.html").is_file()


def test_data_of_another_source_is_told_of(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_manifest(onnx.load(str(model)), model)
    replace_manifest(model, replace(manifest, source={"dataset": {"source": "idd"}}))
    arguments = ["quantize", str(model), "--calibration", str(data), "--max-loss", "5"]
    assert main([*arguments, "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "the calibration pictures are test scenes, the network learned from idd" in said


def test_mistakes_are_one_line(
    model: Path, data: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["compile", str(model), "--target"]
    before = sorted(path.name for path in model.parent.iterdir())
    for arguments, message in (
        ([*ask, "toaster"], "there is no target 'toaster'; choose one of"),
        ([*ask, "onnxruntime"], "nothing to measure on"),
        ([*ask, "onnxruntime", "--evaluate", str(data)], "needs pictures to calibrate on"),
        ([*ask, "onnxruntime", "--calibration", str(data), "--max-loss", "-1"], "is no limit"),
        ([*ask, "onnxruntime", "--calibration", str(data), "--most-float", "2"], "is no share"),
        ([*ask, "onnxruntime", "--calibration", str(data / "gone")], "does not exist"),
        ([*ask, "cpu", "--calibration", str(data), "--finetune", "x"], "goes with one target"),
        (["compile", "--adopt", str(model.with_name("gone.hef"))], "gone.hef"),
        (["compile", "--adopt", str(model)], "m.onnx"),
        (["compare", str(model)], "is nothing to compare"),
        (["compare", str(model), str(model), str(model)], "nothing to compare on"),
        (["compare", str(model), str(model), "--source", "gone.mp4"], "gone.mp4"),
        (["compare", str(model), str(data), "--source", str(pictures)], "is a folder"),
        (
            ["compare", str(model), str(model), "--source", str(pictures), "--by", "x"],
            "compare two models in depth",
        ),
    ):
        assert main(arguments) == 2, arguments
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and message in lines[0], lines
    assert sorted(path.name for path in model.parent.iterdir()) == before


def test_help_shows_a_targets_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, shown in (
        (["--help"], "hailo8"),
        (["--target", "onnxruntime", "--help"], "--provider"),
        (["--target", "openvino", "--help"], "--precision"),
        (["--target", "hailo8", "--help"], "--optimization-level"),
        (["--target", "cpu", "--help"], "--max-loss"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["compile", *arguments])
        assert stopped.value.code == 0
        assert shown in capsys.readouterr().out


def test_a_network_with_its_manifest_beside_it(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proto = onnx.load(str(model))
    manifest = read_manifest(proto, model)
    del proto.metadata_props[:]
    model.write_bytes(proto.SerializeToString())
    write_sidecar(model, manifest)
    arguments = ["compile", str(model), "--target", "onnxruntime", "--evaluate", str(data)]
    assert main([*arguments, "--precision", "fp32", "--threads", "1"]) == 0
    with load_predictor(model.with_name("m.fp32.onnx"), threads=1) as predictor:
        assert predictor.manifest.outputs == manifest.outputs
    assert not model.with_name("m.fp32.onnx.json").exists()


def test_the_quickest_way_is_shown_among_all(
    model: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fastest, "find_spec", lambda name: None)  # ONNX Runtime alone, for time
    arguments = ["compile", str(model), "--target", "cpu", "--calibration", str(data)]
    assert main([*arguments, "--count", "12", "--max-loss", "5", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "on the host" in said and "written" in said and f"wrote {model.parent}" in said
    folder = model.with_name("m.cpu.onnx.report")
    written = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert len(written["ways"]["passed"]) == 5 and written["ways"]["failed"] == []
    assert "Every way on this processor" in (folder / "report.html").read_text(encoding="utf-8")
