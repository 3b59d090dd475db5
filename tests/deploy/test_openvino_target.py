"""OpenVINO files: they agree with their ONNX file, run in what was asked, and appear whole or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from color_scenes import scene

from curbside.deploy import CalibrationSet, target_named
from curbside.deploy.graphs.heads import heads_of
from curbside.deploy.graphs.openvino import operators_behind, read_graph
from curbside.deploy.target import Built, Work
from curbside.deploy.targets.openvino import OpenVino
from curbside.errors import ConfigError, MissingDependencyError, ModelFileError, StorageError
from curbside.manifest import read_sidecar
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor
from curbside.runtime.description import Hints, describe_network

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytest.importorskip("nncf", reason="NNCF is not installed")

HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def calibration(data: Path) -> CalibrationSet:
    return CalibrationSet.choose(PreparedFolder(data), count=12)


@pytest.fixture(scope="module")
def int8(
    tmp_path_factory: pytest.TempPathFactory, float_file: Path, calibration: CalibrationSet
) -> Built:
    out = tmp_path_factory.mktemp("int8") / "m.int8.xml"
    return OpenVino().build(Work(model=float_file, out=out, calibration=calibration))


def integers(path: Path) -> int:
    """Of the convolutions, how many run in integers."""
    with load_predictor(path, threads=1) as predictor:
        start = predictor.precision
    return int(start.removeprefix("int8 (").split(" ")[0]) if start.startswith("int8") else 0


def agreement(one: Path, other: Path) -> float:
    """Share of the pixels of some scenes whose class is the same."""
    with load_predictor(one, threads=1) as a, load_predictor(other, threads=1) as b:
        frames = [scene(seed, (80, 120))[0][..., ::-1].copy() for seed in range(700, 706)]
        return float(np.mean([(a(frame).ids == b(frame).ids).mean() for frame in frames]))


def test_it_is_found_by_its_name() -> None:
    target = target_named("openvino")
    assert isinstance(target, OpenVino)
    assert target.quantizes
    assert not OpenVino(precision="bf16").quantizes


@pytest.mark.parametrize(
    ("precision", "least", "runs"),
    [("fp32", 0.9999, {"fp32"}), ("fp16", 0.98, {"fp16", "bf16", "fp32"}), ("bf16", 0.98, None)],
)
def test_float_files_agree_and_run_in_what_was_asked(
    tmp_path: Path, float_file: Path, precision: Any, least: float, runs: set[str] | None
) -> None:
    out = tmp_path / "m.xml"
    built = OpenVino(precision=precision).build(Work(model=float_file, out=out))
    assert built.path == built.witness == out
    assert agreement(float_file, out) >= least
    with load_predictor(out, threads=1) as predictor:
        ran = predictor.precision
    assert ran in (runs or {"bf16" if HAS_BF16 else "fp32"})
    assert f"On this processor it runs in {ran}." in built.notes
    manifest = read_sidecar(out)
    assert (manifest.precision, manifest.calibration) == (precision, {})
    assert manifest.deployment == {
        "target": "openvino",
        "device": "CPU",
        "version": openvino.__version__.split("-")[0],
        "inference_precision": precision,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml", "m.xml.json"]


def test_16_bit_files_are_half_as_large(tmp_path: Path, float_file: Path) -> None:
    sizes = []
    for precision in ("fp32", "fp16"):
        out = tmp_path / f"{precision}.xml"
        OpenVino(precision=precision).build(Work(model=float_file, out=out))  # type: ignore[arg-type]
        sizes.append(out.with_suffix(".bin").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


def test_int8_agrees_and_is_integer(
    float_file: Path, int8: Built, calibration: CalibrationSet
) -> None:
    assert integers(int8.path) > 15
    assert agreement(float_file, int8.path) > 0.97
    manifest = read_sidecar(int8.path)
    assert manifest.precision == "int8"
    assert manifest.source == {"recipe": "test"}
    assert manifest.calibration == {
        **calibration.describe(),
        "method": "NNCF, mixed, fast bias correction",
    }
    assert manifest.deployment["inference_precision"] == "bf16"
    assert manifest.deployment["nncf"]
    assert "curbside" not in int8.path.read_text()  # the Manifest of the float file
    assert any("int8" in note for note in int8.notes)


def test_bytes_go_into_the_first_convolution_as_they_are(int8: Built) -> None:
    operators = openvino.Core().read_model(int8.path).get_ordered_ops()
    convolution = next(item for item in operators if item.get_type_name() == "Convolution")
    quantizer = convolution.input_value(0).get_node()
    bounds = [float(quantizer.input_value(place).get_node().data.item()) for place in (1, 2, 3, 4)]
    assert bounds == [0, 255, 0, 255]
    cast = quantizer.input_value(0).get_node()
    assert (cast.get_type_name(), cast.get_input_element_type(0).get_type_name()) == (
        "Convert",
        "u8",
    )


def test_an_argmax_in_fp32_need_not_be_in_order(tmp_path: Path, float_file: Path) -> None:
    for precision, expected in (("fp32", False), ("bf16", True)):
        out = tmp_path / f"{precision}.xml"
        OpenVino(precision=precision).build(Work(model=float_file, out=out))  # type: ignore[arg-type]
        operators = openvino.Core().read_model(out).get_ops()
        (argmax,) = [item for item in operators if item.get_type_name() == "TopK"]
        assert argmax.get_attributes()["stable"] is expected


def test_what_decodes_objects_stays_float(shared: Path) -> None:
    """The heads are found by structure; the distances' convolution lies behind them."""
    path = shared / "data" / "yolo" / "yolov8n-seg.onnx"
    proto = onnx.load(str(path))
    manifest = describe_network(path, Hints(space="coco80"))
    behind = operators_behind(read_graph(proto), heads_of(proto, manifest))
    assert {"/model.22/dfl/conv/Conv", "/model.22/dfl/Softmax", "/model.22/Sigmoid"} <= behind
    assert not any("cv2" in name or "cv3" in name for name in behind)


def test_what_follows_the_last_convolution_stays_float(int8: Built) -> None:
    model = openvino.Core().read_model(int8.path)
    waiting, kinds = list(model.get_results()), []
    while waiting:
        for place in waiting.pop().inputs():
            operator = place.get_source_output().get_node()
            kinds.append(operator.get_type_name())
            if "Convolution" not in kinds[-1]:
                waiting.append(operator)
    assert {"TopK", "Interpolate", "Convolution"} <= set(kinds)
    assert "FakeQuantize" not in kinds


def test_nodes_to_keep_stay_float(
    tmp_path: Path, float_file: Path, int8: Built, calibration: CalibrationSet
) -> None:
    nodes = [n for n in onnx.load(str(float_file)).graph.node if n.op_type == "Conv"]
    kept = frozenset(node.name for node in nodes[:3])
    work = Work(model=float_file, out=tmp_path / "m.xml", calibration=calibration, keep_float=kept)
    OpenVino().build(work)
    assert integers(work.out) == integers(int8.path) - 3
    assert read_sidecar(work.out).calibration["float_layers"] == sorted(kept)


def test_nodes_without_names_are_kept_by_their_places(
    tmp_path: Path, float_file: Path, int8: Built, calibration: CalibrationSet
) -> None:
    model = onnx.load(str(float_file))
    for node in model.graph.node:
        node.name = ""
    nameless = tmp_path / "nameless.onnx"
    onnx.save(model, nameless)
    first = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Conv")
    work = Work(
        model=nameless,
        out=tmp_path / "m.xml",
        calibration=calibration,
        keep_float=frozenset({f"node_{first}"}),
    )
    OpenVino().build(work)
    assert integers(work.out) == integers(int8.path) - 1


def test_settings_that_cannot_be(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, int8: Built
) -> None:
    with pytest.raises(ConfigError, match=r"does not end in \.xml"):
        OpenVino(precision="fp32").build(Work(model=float_file, out=tmp_path / "m.onnx"))
    with pytest.raises(ConfigError, match="int8 needs pictures"):
        OpenVino().build(Work(model=float_file, out=tmp_path / "m.xml"))
    with pytest.raises(ConfigError, match="no node 'nobody'"):
        OpenVino().build(
            Work(
                model=float_file,
                out=tmp_path / "m.xml",
                calibration=calibration,
                keep_float=frozenset({"nobody"}),
            )
        )
    with pytest.raises(ModelFileError, match="is int8 already"):
        OpenVino(precision="fp32").build(Work(model=int8.path, out=tmp_path / "m.xml"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(
    tmp_path: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.xml"
    OpenVino(precision="fp32").build(Work(model=float_file, out=out))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def save_model(model: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(openvino, "save_model", save_model)
    with pytest.raises(StorageError, match="free some space"):
        OpenVino(precision="fp16").build(Work(model=float_file, out=out))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("renamed", [1, 2])
def test_a_crash_between_the_files_leaves_nothing_that_is_mixed(
    tmp_path: Path, float_file: Path, renamed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.xml"
    OpenVino(precision="fp32").build(Work(model=float_file, out=out))
    replace, left = Path.replace, [renamed]

    def stops(self: Path, target: Path) -> Path:
        if target.parent == tmp_path:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stops)
    with pytest.raises(KeyboardInterrupt):
        OpenVino(precision="fp16").build(Work(model=float_file, out=out))
    with pytest.raises(ModelFileError, match="is not the file that"):
        load_predictor(out, threads=1)


def test_a_graph_that_openvino_cannot_read(
    tmp_path: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Core:
        def read_model(self, model: Any) -> Any:
            raise RuntimeError("Exception from here\nNo conversion rule for Transmogrify\n")

    monkeypatch.setattr(openvino, "Core", Core)
    with pytest.raises(ModelFileError, match=r"OpenVINO cannot read .*Transmogrify") as caught:
        OpenVino(precision="fp32").build(Work(model=float_file, out=tmp_path / "m.xml"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["openvino", "nncf"])
def test_a_library_missing(
    tmp_path: Path,
    float_file: Path,
    calibration: CalibrationSet,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    work = Work(model=float_file, out=tmp_path / "m.xml", calibration=calibration)
    with pytest.raises(MissingDependencyError, match=f"the package {name}"):
        OpenVino().build(work)


def test_it_says_nothing_on_the_standard_output(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, capfd: pytest.CaptureFixture[str]
) -> None:
    OpenVino().build(Work(model=float_file, out=tmp_path / "m.xml", calibration=calibration))
    out, err = capfd.readouterr()
    assert out == ""
    assert "calibrating" in err
    assert "INFO" not in err


def test_nncf_does_not_report_home() -> None:
    code = (
        "from curbside.deploy.targets.openvino import _library; _library('nncf');"
        "from nncf.telemetry.wrapper import telemetry; print(type(telemetry).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "MagicMock", done.stderr
