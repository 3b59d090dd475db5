"""The TensorRT target against a stand-in for the compiler; nothing here ran on a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from color_scenes import scene
from stand_ins.cuda_runtime import Gpu
from stand_ins.tensorrt import HostMemory, install_tensorrt

from curbside.deploy import CalibrationSet, target_named
from curbside.deploy.graphs.tensorrt import fit_for_tensorrt, float_ends
from curbside.deploy.target import Work
from curbside.deploy.targets.tensorrt import TensorRt
from curbside.errors import ConfigError, DataError, ModelFileError
from curbside.manifest import read_sidecar
from curbside.prepared import PreparedFolder, Sample
from curbside.runtime import load_predictor


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    return install_tensorrt(monkeypatch)


@pytest.fixture(scope="module")
def calibration(data: Path) -> CalibrationSet:
    return CalibrationSet.choose(PreparedFolder(data), count=12)


def agreement(one: Path, other: Path) -> float:
    with load_predictor(one, threads=1) as a, load_predictor(other, threads=1) as b:
        frames = [scene(seed, (80, 120))[0][..., ::-1].copy() for seed in range(700, 704)]
        return float(np.mean([(a(frame).ids == b(frame).ids).mean() for frame in frames]))


def convolutions(path: Path) -> list[str]:
    return [node.name for node in onnx.load(str(path)).graph.node if node.op_type == "Conv"]


def test_it_is_found_by_its_name() -> None:
    assert isinstance(target_named("tensorrt"), TensorRt)
    assert TensorRt(precision="int8").quantizes
    assert not TensorRt().quantizes


def test_bytes_become_floats_first_and_are_made_of_floats(float_file: Path) -> None:
    proto = onnx.load(str(float_file))
    kinds = [node.op_type for node in proto.graph.node]
    assert (kinds[0], kinds[-1]) == ("Transpose", "Cast")
    fit_for_tensorrt(proto)
    nodes = proto.graph.node
    onnx.checker.check_model(proto, full_check=True)
    assert (nodes[0].op_type, nodes[0].input[0]) == ("Cast", "frame")
    assert [node.op_type for node in nodes[-3:]] == ["ArgMax", "Cast", "Cast"]
    import onnxruntime

    frame = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    before, after = (
        onnxruntime.InferenceSession(content).run(None, {"frame": frame})[0]
        for content in (float_file.read_bytes(), proto.SerializeToString())
    )
    np.testing.assert_array_equal(before, after)
    with load_predictor(float_file) as predictor:
        ends = float_ends(proto, predictor.manifest)
    assert {"/Mul", "/Add", "/Resize"} <= ends
    assert not ends & set(convolutions(float_file))


@pytest.mark.parametrize("version", ["8.5.2", "10.3.0"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_float_engines(
    tmp_path: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch, version: str, precision: Any
) -> None:
    trt = install_tensorrt(monkeypatch, version)
    out = tmp_path / "m.engine"
    built = TensorRt(precision=precision, workspace_mib=256).build(Work(model=float_file, out=out))
    assert built.path == built.witness == out
    assert built.notes == (f"On this GPU it runs in {precision}.",)
    assert agreement(float_file, out) == 1
    manifest = read_sidecar(out)
    assert (manifest.precision, manifest.calibration) == (precision, {})
    assert manifest.deployment == {
        "target": "tensorrt",
        "version": version,
        "device": "Orin Nano (stand-in)",
        "compute_capability": "8.7",
    }
    flags = b'"flags": ["FP16", "TF32"]' if precision == "fp16" else b'"flags": []'
    assert flags in out.read_bytes()
    assert b'"pools": {"WORKSPACE": 268435456}' in out.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.engine", "m.engine.json"]
    assert trt.gpu.leaks == 0


def test_int8_calibrates_once_and_keeps_the_ranges(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, trt: Any
) -> None:
    work = Work(model=float_file, out=tmp_path / "m.engine", calibration=calibration)
    built = TensorRt(precision="int8").build(work)
    assert trt.calibrated == [12]
    assert built.notes == ("On this GPU it runs in int8.",)
    assert read_sidecar(work.out).calibration == {**calibration.describe(), "method": "TensorRT"}
    TensorRt(precision="int8").build(work)
    assert trt.calibrated == [12]  # the ranges were kept
    less = replace(calibration, samples=calibration.samples[:9])
    TensorRt(precision="int8").build(replace(work, calibration=less))
    assert trt.calibrated == [12, 9]  # they were of other pictures
    assert trt.gpu.leaks == 0


def test_ranges_of_another_network_are_not_used(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, trt: Any
) -> None:
    work = Work(model=float_file, out=tmp_path / "m.engine", calibration=calibration)
    TensorRt(precision="int8").build(work)
    other = onnx.load(str(float_file))
    other.doc_string = "another"
    onnx.save(other, tmp_path / "other.onnx")
    TensorRt(precision="int8").build(replace(work, model=tmp_path / "other.onnx"))
    assert trt.calibrated == [12, 12]


def test_nodes_to_keep_stay_float(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, trt: Any
) -> None:
    names = convolutions(float_file)
    kept = frozenset(names[:2])
    out = tmp_path / "m.engine"
    work = Work(model=float_file, out=out, calibration=calibration, keep_float=kept)
    TensorRt(precision="int8").build(work)
    with load_predictor(out) as predictor:
        count = f"{len(names) - 2} of {len(names)} convolutions and matrix products; the rest fp32"
        assert predictor.precision == f"int8 ({count})"
    assert read_sidecar(out).calibration["float_layers"] == sorted(kept)


def test_where_there_is_no_calibrator_the_graph_says_its_ranges(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = install_tensorrt(monkeypatch, "11.0.0")
    names = convolutions(float_file)
    out = tmp_path / "m.engine"
    work = Work(model=float_file, out=out, calibration=calibration, keep_float=frozenset(names[:1]))
    built = TensorRt(precision="int8").build(work)
    assert trt.calibrated == []
    assert "they are written into the graph" in built.notes[0]
    with load_predictor(out) as predictor:
        assert predictor.precision.startswith(f"int8 ({len(names) - 1} of {len(names)} ")
    assert agreement(float_file, out) > 0.95


def test_versions_that_cannot(
    tmp_path: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(model=float_file, out=tmp_path / "m.engine")
    install_tensorrt(monkeypatch, "8.4.1")
    with pytest.raises(ModelFileError, match=r"TensorRT 8\.4\.1 takes no bytes"):
        TensorRt().build(work)
    install_tensorrt(monkeypatch, "11.0.0")
    with pytest.raises(ModelFileError, match=r"TensorRT 11\.0\.0 no longer makes fp16"):
        TensorRt().build(work)


def test_settings_that_cannot_be(tmp_path: Path, float_file: Path, trt: Any) -> None:
    with pytest.raises(ConfigError, match="0 MiB of workspace"):
        TensorRt(workspace_mib=0)
    with pytest.raises(ConfigError, match=r"does not end in \.engine"):
        TensorRt().build(Work(model=float_file, out=tmp_path / "m.xml"))
    with pytest.raises(ConfigError, match="int8 needs pictures"):
        TensorRt(precision="int8").build(Work(model=float_file, out=tmp_path / "m.engine"))
    with pytest.raises(ConfigError, match="no node 'nobody'"):
        TensorRt().build(
            Work(model=float_file, out=tmp_path / "m.engine", keep_float=frozenset({"nobody"}))
        )
    assert list(tmp_path.iterdir()) == []


def test_what_the_parser_refuses_is_one_line_and_the_log_is_kept(
    tmp_path: Path, float_file: Path, trt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stand_ins.tensorrt._UNKNOWN", ("Sigmoid",))
    with pytest.raises(ModelFileError, match=r"operator: Sigmoid .*m\.log") as caught:
        TensorRt().build(Work(model=float_file, out=tmp_path / "m.engine"))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["m.log"]


def test_a_compilation_that_fails_leaves_what_was_there(
    tmp_path: Path, float_file: Path, trt: Any
) -> None:
    out = tmp_path / "m.engine"
    TensorRt().build(Work(model=float_file, out=out))
    before = out.read_bytes()
    builder = trt.Builder

    def fails(logger: Any) -> Any:
        made = builder(logger)

        def build(network: Any, config: Any) -> None:
            logger.log(trt.ILogger.Severity.INFO, "trying a tactic")
            logger.log(trt.ILogger.Severity.ERROR, "Error Code 2: OutOfMemory\n(no further)")

        made.build_serialized_network = build
        return made

    trt.Builder = fails
    with pytest.raises(ModelFileError, match=r"OutOfMemory \(no further\)") as caught:
        TensorRt().build(Work(model=float_file, out=out))
    assert "\n" not in str(caught.value)
    assert out.read_bytes() == before
    assert "INFO: trying a tactic" in (tmp_path / "m.log").read_text()
    load_predictor(out).close()


def test_an_engine_that_does_not_run_is_not_written(
    tmp_path: Path, float_file: Path, trt: Any
) -> None:
    builder = trt.Builder

    def fails(logger: Any) -> Any:
        made = builder(logger)
        made.build_serialized_network = lambda network, config: HostMemory(b"garbage")
        return made

    trt.Builder = fails
    with pytest.raises(ModelFileError, match="cannot be loaded as a TensorRT engine"):
        TensorRt().build(Work(model=float_file, out=tmp_path / "m.engine"))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_read_is_told_of(
    tmp_path: Path,
    float_file: Path,
    calibration: CalibrationSet,
    trt: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_bgr(self: Sample) -> np.ndarray:
        raise DataError("the picture is cut off", fix="fetch it again")

    monkeypatch.setattr(Sample, "read_bgr", read_bgr)
    work = Work(model=float_file, out=tmp_path / "m.engine", calibration=calibration)
    with pytest.raises(DataError, match="the picture is cut off"):
        TensorRt(precision="int8").build(work)


def test_timings_are_kept(tmp_path: Path, float_file: Path, trt: Any) -> None:
    cache = tmp_path / "timings.cache"
    for expected in (b"timings+", b"timings++"):
        TensorRt(timing_cache=cache).build(Work(model=float_file, out=tmp_path / "m.engine"))
        assert cache.read_bytes() == expected


def test_no_gpu(tmp_path: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu()
    gpu.there = False
    install_tensorrt(monkeypatch, gpu=gpu)
    with pytest.raises(ModelFileError, match="cudaErrorNoDevice"):
        TensorRt().build(Work(model=float_file, out=tmp_path / "m.engine"))
    assert list(tmp_path.iterdir()) == []
