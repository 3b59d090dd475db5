"""The gate: what loses too much is not written, and the layers that do harm are found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from color_scenes import SIZE_HW, build
from onnx import numpy_helper

from curbside.deploy import (
    Built,
    CalibrationSet,
    GateConfig,
    Target,
    Work,
    compile_through_gate,
    target_named,
    write_gate_report,
)
from curbside.deploy.gate.gate import publish
from curbside.deploy.gate.sensitivity import layer_errors
from curbside.errors import ConfigError, ModelFileError, StorageError
from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelSpace
from curbside.prepared import PreparedFolder, Sample
from curbside.runtime import load_predictor


@pytest.fixture(scope="module")
def calibration(data: Path) -> CalibrationSet:
    return CalibrationSet.choose(PreparedFolder(data), count=12)


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    return PreparedFolder(data).samples("val", target="semantic")


@pytest.fixture(scope="module")
def hard_file(float_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with one convolution that 8 bits ruin: its channels differ a thousandfold in size,
    and the next one evens that out again, so that in float nothing changes."""
    proto = onnx.load(str(float_file))
    values = {item.name: item for item in proto.graph.initializer}
    convolutions = [n for n in proto.graph.node if n.op_type == "Conv"]
    for first in convolutions:
        readers = [n for n in proto.graph.node if first.output[0] in n.input]
        relu = readers[0] if len(readers) == 1 and readers[0].op_type == "Relu" else None
        if relu is None:
            continue
        readers = [n for n in proto.graph.node if relu.output[0] in n.input]
        attributes = {
            a.name: onnx.helper.get_attribute_value(a) for n in readers for a in n.attribute
        }
        if len(readers) == 1 and readers[0].op_type == "Conv" and attributes.get("group", 1) == 1:
            second = readers[0]
            break
    weight, bias, after = (
        numpy_helper.to_array(values[name]).copy()
        for name in (first.input[1], first.input[2], second.input[1])
    )
    sizes = np.where(np.arange(len(weight)) % 4 == 0, 1e4, 1.0).astype(np.float32)
    for name, array in (
        (first.input[1], weight * sizes[:, None, None, None]),
        (first.input[2], bias * sizes),
        (second.input[1], after / sizes[None, :, None, None]),
    ):
        values[name].CopyFrom(numpy_helper.from_array(array, name))
    path = tmp_path_factory.mktemp("hard") / "hard.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def the_work(model: Path, out: Path, calibration: CalibrationSet) -> Work:
    return Work(model=model, out=out, calibration=calibration)


def test_what_loses_little_is_written_with_its_scores(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    work = the_work(float_file, tmp_path / "m.int8.onnx", calibration)
    report = compile_through_gate(target_named("onnxruntime"), work, samples, threads=1)
    assert report.passed and report.path == work.out and not report.predicted
    assert [item.float_layers for item in report.attempts] == [()]
    assert report.attempts[0].loss <= 1.0 and report.layers == ()
    with load_predictor(work.out, threads=1) as predictor:
        manifest = predictor.manifest
    assert manifest.precision == "int8" and manifest.deployment == {"target": "onnxruntime"}
    assert manifest.scores["int8"]["miou"] == report.lineup.files[1].miou
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.int8.onnx"]


def test_the_culprit_is_found_and_kept_in_float(
    tmp_path: Path, hard_file: Path, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    work = the_work(hard_file, tmp_path / "m.int8.onnx", calibration)
    config = GateConfig(max_loss=1.0)
    report = compile_through_gate(
        target_named("onnxruntime"), work, samples, config=config, threads=1
    )
    first, *_ = report.attempts
    assert first.loss > 1.0 and not first.passed
    assert report.passed and 1 <= len(report.best.float_layers) <= 4
    assert report.best.loss <= 1.0
    errors = [layer.error for layer in report.layers]
    assert errors == sorted(errors, reverse=True) and errors[0] > 10 * errors[5]
    kept = set(report.best.float_layers)
    graph = onnx.load(str(work.out)).graph
    made = {name for node in graph.node for name in node.output}
    floats = {n.name for n in graph.node if n.op_type == "Conv" and n.input[1] not in made}
    assert kept & floats
    page = write_gate_report(report, tmp_path / "report").read_text(encoding="utf-8")
    assert report.verdict in page and next(iter(kept)) in page
    written = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert written["passed"] and len(written["attempts"]) == len(report.attempts)


def test_what_cannot_pass_is_not_written_and_says_why(
    tmp_path: Path, hard_file: Path, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    out = tmp_path / "m.int8.onnx"
    out.write_bytes(b"what was there before")
    work = the_work(hard_file, out, calibration)
    config = GateConfig(max_loss=1.0, most_float=0.0)
    report = compile_through_gate(
        target_named("onnxruntime"), work, samples, config=config, threads=1
    )
    assert not report.passed and report.path is None
    with pytest.raises(
        ModelFileError, match=r"points of mIoU.*over the 1 allowed; nothing was written"
    ):
        report.require_passed()
    assert out.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["m.int8.onnx"]


def test_without_masks_agreement_is_measured(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    bare = [replace(s, record=replace(s.record, targets=())) for s in samples]
    work = the_work(float_file, tmp_path / "m.int8.onnx", calibration)
    report = compile_through_gate(
        target_named("onnxruntime"), work, bare, config=GateConfig(max_loss=5), threads=1
    )
    assert report.unit == "% of the pixels" and 0 < report.attempts[0].loss < 5
    agreed = 100 * (1 - report.lineup.files[1].agreement)
    assert report.attempts[0].loss == pytest.approx(agreed, abs=1.5)
    assert report.lineup.files[0].evaluation is None


def test_the_error_of_a_layer_is_that_of_its_outputs(
    hard_file: Path, float_file: Path, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    frames = [sample.read_bgr() for sample in samples[:2]]
    hard, easy = (layer_errors(path, calibration, frames) for path in (hard_file, float_file))
    assert {layer.nodes for layer in hard} == {layer.nodes for layer in easy}
    assert hard[0].error > 10 * easy[0].error
    assert all(np.isfinite(layer.error) and layer.error >= 0 for layer in hard)
    more = layer_errors(float_file, calibration, frames[:1], everything=True)
    assert len(more) > len(easy) and {"Resize", "Mul"} & {layer.kind for layer in more}


@dataclass(frozen=True, kw_only=True)
class Away(Target):
    """A device that is not here: a file that nothing opens, and a stand-in that answers for it."""

    title: ClassVar[str] = "a device elsewhere"
    suffix: ClassVar[str] = ".far"

    @property
    def quantizes(self) -> bool:
        return False

    def build(self, work: Work) -> Built:
        work.out.write_bytes(b"far away")
        work.out.with_suffix(".far.json").write_text("{}")
        witness = work.out.with_name("witness.onnx")
        witness.write_bytes(work.model.read_bytes())
        return Built(path=work.out, witness=witness, notes=("nothing was run on it",))


def test_a_device_elsewhere_is_predicted(
    tmp_path: Path, float_file: Path, samples: list[Sample]
) -> None:
    report = compile_through_gate(
        Away(), Work(model=float_file, out=tmp_path / "m.far"), samples, threads=1
    )
    assert report.predicted and "is predicted to lose 0.00 points" in report.verdict
    assert report.notes == ("nothing was run on it",)
    assert (tmp_path / "m.far").read_bytes() == b"far away"


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    made, place = tmp_path / "made" / "m.job", tmp_path / "m.job"
    for folder, files in ((made, ("job.json", "README.md")), (place, ("README.md", "thesis.txt"))):
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).write_text(str(folder))
    with pytest.raises(StorageError, match="is a folder of something else"):
        publish(made, place)
    assert sorted(item.name for item in place.iterdir()) == ["README.md", "thesis.txt"]
    (place / "job.json").write_text("an older job")
    assert publish(made, place) == place
    assert sorted(item.name for item in place.iterdir()) == ["README.md", "job.json"]


def test_limits_that_are_none() -> None:
    for config in ({"max_loss": -1.0}, {"max_loss": float("nan")}, {"most_float": 1.5}):
        with pytest.raises(ConfigError):
            GateConfig(**config)


def test_a_network_of_another_kind_keeps_its_weights(
    tmp_path: Path, space: LabelSpace, calibration: CalibrationSet, samples: list[Sample]
) -> None:
    path = tmp_path / "d.onnx"
    model = build("deeplab")
    export_onnx(model, path, config=ExportConfig(size_hw=SIZE_HW), space=space, title="deeplab")
    work = the_work(path, tmp_path / "d.int8.onnx", calibration)
    report = compile_through_gate(
        target_named("onnxruntime"), work, samples, config=GateConfig(max_loss=100), threads=1
    )
    assert report.passed and report.lineup.files[1].size_bytes < report.lineup.files[0].size_bytes
