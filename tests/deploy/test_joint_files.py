"""A file that tells classes and depth: held to both through the gate, cut for a chip, for the host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from builders_joint import SIZE, SPACE, frames, joint_folder
from color_scenes import scene
from onnx import numpy_helper
from stand_ins.hailo import install_hailort, make_hef, some_pictures
from tiny_depth import make_depth_onnx, metres_of
from tiny_hydranet import SIZE_HW, hydranet
from tiny_joint import make_joint_onnx
from tiny_models import make_onnx

from curbside.cli import main
from curbside.deploy import (
    Built,
    CalibrationSet,
    GateConfig,
    Target,
    Work,
    compile_through_gate,
    line_up,
    quantize,
    read_manifest,
    relative_difference,
    target_named,
    write_gate_report,
    write_manifest,
)
from curbside.deploy.gate.lineup import time_files
from curbside.deploy.gate.losses import Losses
from curbside.deploy.gate.sensitivity import layer_errors
from curbside.deploy.graphs.cut import cut_network, twin
from curbside.deploy.graphs.host_form import write_host_form
from curbside.deploy.graphs.tensorrt import float_ends
from curbside.deploy.hailo.emulation import emulation
from curbside.deploy.quantization import Int8Twins
from curbside.errors import ConfigError, ModelFileError
from curbside.export import ExportConfig, export_onnx
from curbside.manifest import DepthSpec
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor


def joint_file(path: Path, **more: Any) -> Path:
    """`make_joint_onnx` with one way from the picture to both of its convolutions."""
    proto = onnx.load(str(make_joint_onnx(path, **more)))
    nodes, seen = list(proto.graph.node), dict[str, str]()
    del proto.graph.node[:]
    for node in nodes:
        node.input[:] = [seen.get(name, name) for name in node.input]
        key = f"{node.op_type} {list(node.input)}"
        if key in seen:
            seen[node.output[0]] = seen[key]
            continue
        seen[key] = node.output[0]
        proto.graph.node.append(node)
    path.write_bytes(proto.SerializeToString())
    return path


def louder(path: Path, out: Path, factor: float, kernel: str = "depth_kernel") -> Path:
    """The same network with other metres: its kernel and what is taken off times a factor."""
    proto = onnx.load(str(path))
    for item in proto.graph.initializer:
        if item.name in (kernel, kernel.replace("kernel", "bias")):
            scaled = numpy_helper.to_array(item) * np.float32(factor)
            item.CopyFrom(numpy_helper.from_array(scaled, item.name))
    out.write_bytes(proto.SerializeToString())
    return out


@dataclass(frozen=True, kw_only=True)
class Other(Target):
    """A device whose compiler makes one certain file of every network."""

    title: ClassVar[str] = "a device"
    suffix: ClassVar[str] = ".onnx"

    made: Path

    @property
    def quantizes(self) -> bool:
        return False

    def build(self, work: Work) -> Built:
        work.out.write_bytes(self.made.read_bytes())
        return Built(path=work.out, witness=work.out)


def test_how_far_depth_is_apart_by_hand() -> None:
    one = np.array([[10, 0, 20, 5, 0]], np.float32)
    other = np.array([[11, 0, 0, 5, 3]], np.float32)
    assert relative_difference(one, other) == pytest.approx((0.1 + 1 + 0 + 1) / 4)
    assert relative_difference(np.zeros((2, 2)), np.zeros((2, 2))) == 0


@pytest.mark.parametrize(
    ("factor", "change"),
    [(0.9, 50.0), (1.1, -50.0)],  # 1.05 / 0.9 is 1/6 off, not 1/9; 1.05 / 1.1 1/22, not 1/11
)
def test_both_answers_are_held_to_what_they_may_lose(
    tmp_path: Path, factor: float, change: float
) -> None:
    model = make_joint_onnx(tmp_path / "m.onnx")
    target = Other(made=louder(model, tmp_path / "other.onnx", 1.05))
    samples = PreparedFolder(joint_folder(tmp_path / "data", factor)).samples("val")
    work = Work(model=model, out=tmp_path / "out" / "m.onnx")

    def tried(limit: float) -> Any:
        config = GateConfig(max_loss=1, max_depth_loss=limit)
        return compile_through_gate(target, work, samples, config=config, threads=1)

    loose = tried(60)
    (attempt,) = loose.attempts
    assert attempt.loss == 0 and attempt.depth_loss == pytest.approx(change, abs=1.5)
    assert loose.passed and loose.verdict.endswith("within the 1 and 60 allowed")
    before, after = loose.lineup.files
    assert (before.evaluation.images, before.depth.images) == (2, 2)
    assert before.abs_rel == pytest.approx(abs(1 / factor - 1), abs=2e-3)
    assert loose.lineup.depth_loss() == pytest.approx(change / 100, abs=0.015)
    assert after.depth_difference == pytest.approx(0.05, abs=1e-3) and after.agreement == 1
    with load_predictor(work.out, threads=1) as predictor:
        scores = predictor.manifest.scores["fp32"]
    assert scores["depth_abs_rel"] == after.abs_rel and scores["miou"] == 1
    page = write_gate_report(loose, tmp_path / "report").read_text(encoding="utf-8")
    assert "depth AbsRel" in page and "depth differs by" in page and "points of mIoU" in page
    if change > 0:
        work.out.unlink()
        tight = tried(40)
        assert not tight.passed and not work.out.exists()
        said = "points of mIoU and 5[01].* % of AbsRel: classes within the 1 allowed, depth over the 40"
        with pytest.raises(ModelFileError, match=said) as caught:
            tight.require_passed()
        assert "--max-loss and --max-depth-loss" in caught.value.fix


def test_without_truth_depth_is_held_to_the_float_file(tmp_path: Path) -> None:
    model = make_joint_onnx(tmp_path / "m.onnx")
    other = louder(model, tmp_path / "o.onnx", 1.05)
    bare = PreparedFolder(joint_folder(tmp_path / "bare", told=())).samples("val")
    found = Losses(model, bare, threads=1)
    assert (found.unit, found.depth_unit, found.samples) == (
        "% of the pixels",
        "% of the depth",
        [],
    )
    loss, depth_loss = found.of(other)
    assert loss == 0 and depth_loss == pytest.approx(5, abs=0.1)
    masks = PreparedFolder(joint_folder(tmp_path / "masks", told=("semantic",))).samples("val")
    found = Losses(model, masks, threads=1)
    assert (found.unit, len(found.samples)) == ("points of mIoU", 2)
    assert found.of(other)[1] == pytest.approx(5, abs=0.1)
    # A network that says no depth any more has lost all of it.
    blind = louder(model, tmp_path / "b.onnx", -1.0)
    deep = PreparedFolder(joint_folder(tmp_path / "deep", told=("depth",))).samples("val")
    assert Losses(model, deep, threads=1).of(blind) == (0, float("inf"))
    assert line_up([model, blind], samples=deep, threads=1, runs=1).files[1].depth is None


def test_a_hydranet_in_8_bits_loses_what_its_scores_say(tmp_path: Path) -> None:
    model, seen = tmp_path / "m.onnx", [scene(seed)[0][..., ::-1].copy() for seed in range(12)]
    config, spec = ExportConfig(size_hw=SIZE_HW), DepthSpec(max_m=80)
    export_onnx(
        hydranet(), model, config=config, space=SPACE, title="tiny", depth=spec, pictures=seen[:1]
    )
    with load_predictor(model, threads=1) as network:

        def truth(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            result = network(frame)
            return result.semantic.ids, result.depth.depth_m

        data = PreparedFolder(joint_folder(tmp_path / "data", pictures=seen, truth=truth))
    int8 = quantize(model, tmp_path / "m.int8.onnx", CalibrationSet.choose(data, count=8))
    activation = [
        node for node in onnx.load(str(int8)).graph.node if node.op_type in ("Sigmoid", "Mul")
    ]
    assert [node.name for node in activation] == ["/model/Sigmoid", "/model/Mul"]  # as float
    samples = data.samples("val")
    loss, depth_loss = Losses(model, samples, threads=1).of(int8)
    found = line_up([model, int8], samples=samples, threads=1, runs=1)
    before, after = found.files
    assert before.precision == "fp32" and after.precision.startswith("int8")
    assert before.miou == 1 and loss == pytest.approx(100 * (1 - after.miou))
    assert before.abs_rel == pytest.approx(1 / 9, abs=2e-3)
    assert depth_loss == pytest.approx(100 * (after.abs_rel / before.abs_rel - 1))
    assert 0 < loss < 30 and 0 < after.depth_difference < 0.2


def test_the_verb_holds_files_to_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = joint_folder(tmp_path / "data")
    for model, unit in (
        (make_joint_onnx(tmp_path / "j.onnx"), "points of mIoU"),
        (make_depth_onnx(tmp_path / "d.onnx"), ""),
    ):
        arguments = ["quantize", str(model), "--calibration", str(data), "--count", "8"]
        arguments += ["--threads", "1"]
        assert main([*arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["unit"], found["depth_unit"]) == (unit, "% of AbsRel")
        (attempt,) = found["attempts"]
        assert found["passed"] and (attempt["loss"] is None) == (not unit)
        before, _ = found["lineup"]["files"]
        assert before["depth"]["abs_rel"] == pytest.approx(1 / 9, abs=2e-3)
        with load_predictor(Path(found["path"]), threads=1) as predictor:
            assert predictor.manifest.answers[-1] == "depth"
    assert main([*arguments, "--limit", "1"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "depth scored on: data, split val, 1 images" in shown
    assert "% of AbsRel: within the 2 allowed" in shown
    assert main([*arguments, "--max-depth-loss", "-1"]) == 2
    assert "--max-depth-loss -1.0 is no limit" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        GateConfig(max_depth_loss=float("nan"))


def test_a_layer_counts_for_the_worse_of_both_answers(tmp_path: Path) -> None:
    model = make_joint_onnx(tmp_path / "m.onnx", outputs="logits")
    pictures = some_pictures(tmp_path)
    classes, depth = layer_errors(model, pictures, frames(2), everything=True, depth_weight=0)
    # What makes metres of the depth's numbers stays in float, so that it is no layer.
    assert [len(layer.nodes) for layer in (classes, depth)] == [1, 1]
    assert classes.depth_error == 0 and classes.error > 0
    assert depth.depth_error is not None and depth.depth_error > 0 and depth.error == 0
    heavy = layer_errors(model, pictures, frames(2), everything=True, depth_weight=1e6)
    assert [layer.nodes for layer in heavy] == [depth.nodes, classes.nodes]
    assert heavy[0].error == pytest.approx(1e6 * depth.depth_error**2)
    assert GateConfig(max_loss=3, max_depth_loss=2).depth_weight() == pytest.approx(2.25)
    assert Int8Twins(model, pictures, everything=True).layers == (classes.nodes, depth.nodes)


def test_files_beside_each_other_by_what_they_share(tmp_path: Path) -> None:
    joint, classes, depth = (
        make_joint_onnx(tmp_path / "j.onnx"),
        make_onnx(tmp_path / "s.onnx"),
        make_depth_onnx(tmp_path / "d.onnx"),
    )
    for paths, told in (
        ((joint, joint), (1, 0)),
        ((joint, classes), (1, None)),
        ((depth, joint), (None, 0)),
    ):
        found = time_files(paths, frames(1), threads=1, runs=1)[1]
        assert (found.agreement, found.depth_difference) == told
    with pytest.raises(ModelFileError, match=r"d\.onnx answers depth, .*s\.onnx answers semantic"):
        time_files((classes, joint, depth), frames(1), threads=1, runs=1)


def same(one: Path, other: Path, *, far: float = 1e-3) -> None:
    """Two files tell the same of frames that are larger than the network's input."""
    with load_predictor(one, threads=1) as a, load_predictor(other, threads=1) as b:
        for frame in frames(3):
            frame = frame.repeat(3, 0).repeat(2, 1)
            was, now = a(frame), b(frame)
            np.testing.assert_array_equal(now.semantic.ids, was.semantic.ids)
            np.testing.assert_allclose(now.depth.depth_m, was.depth.depth_m, rtol=far)


@pytest.mark.parametrize("outputs", ["ids", "logits"])
def test_cut_for_a_chip_or_the_host_it_tells_the_same(tmp_path: Path, outputs: Any) -> None:
    model = joint_file(tmp_path / "m.onnx", outputs=outputs, depth_stride=2)
    manifest = write_host_form(model, tmp_path / "host.onnx")
    assert [item.meaning for item in manifest.outputs] == ["logits", "depth"]
    assert manifest.host[-1] == "bilinear to the frame"
    same(model, tmp_path / "host.onnx")
    proto = onnx.load(str(model))
    cut = cut_network(proto, read_manifest(proto, model))
    assert [(end.name, end.shape) for end in cut.ends] == [
        ("logits", (4, 12, 16)),
        ("depth", (1, 6, 8)),
    ]
    made = twin(cut)
    write_manifest(made, cut.manifest)
    onnx.save(made, str(tmp_path / "twin.onnx"))
    same(model, tmp_path / "twin.onnx")


@pytest.mark.parametrize("form", ["plain", "channels last"])
def test_depth_alone_is_cut_whatever_its_axes(tmp_path: Path, form: Any) -> None:
    model = make_depth_onnx(tmp_path / "d.onnx", stride=2, form=form)
    proto = onnx.load(str(model))
    cut = cut_network(proto, read_manifest(proto, model))
    assert [(end.name, end.shape) for end in cut.ends] == [("depth", (1, 6, 8))]
    made = twin(cut)
    write_manifest(made, cut.manifest)
    onnx.save(made, str(tmp_path / "twin.onnx"))
    frame = frames(1)[0]
    with load_predictor(tmp_path / "twin.onnx", threads=1) as predictor:
        given = predictor.infer(predictor.prepare(frame))["depth"]
    np.testing.assert_allclose(given[0, ..., 0], metres_of(frame, stride=2), rtol=1e-5)


def test_the_emulation_carries_both_and_keeps_metres(tmp_path: Path) -> None:
    model = joint_file(tmp_path / "m.onnx", depth_stride=2)
    proto = onnx.load(str(model))
    cut = cut_network(proto, read_manifest(proto, model))
    seen = [frame[None] for frame in frames(4)]
    seen[-1][0, 0, 0] = 0, 255, 0  # so that the picture's own 8 bits are exact
    made, off = [], []
    job = target_named("hailo8", driver="job").build(
        Work(model=model, out=tmp_path / "m.hef", calibration=some_pictures(tmp_path))
    )
    about = json.loads((job.path / "job.json").read_text())
    wide = about["manifest"]["deployment"]["wide"]
    assert [node.op_type for node in cut.proto.graph.node if node.name in wide] == ["Relu"]
    for kept in ((), wide):
        rounded = emulation(cut, seen, wide=kept)
        write_manifest(rounded, cut.manifest)
        made.append(tmp_path / f"{len(kept)}.onnx")
        onnx.save(rounded, str(made[-1]))
        with load_predictor(made[-1], threads=1) as predictor:
            given = predictor.infer(predictor.prepare(seen[0][0]))
        assert given["logits"].shape == (1, 12, 16, 4)
        off.append(np.abs(given["depth"][0, ..., 0] - metres_of(seen[0][0], stride=2)).max())
    assert off[1] < 1e-3 < 0.01 < off[0]
    with load_predictor(job.witness, threads=1) as predictor:
        assert predictor.manifest.task == "semantic+depth"
        assert predictor(frames(1)[0]).depth.depth_m.shape == SIZE


def test_the_chip_tells_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = joint_file(tmp_path / "m.onnx", outputs="logits", depth_stride=2)
    hef = make_hef(monkeypatch, model, tmp_path / "m.hef", some_pictures(tmp_path))
    install_hailort(monkeypatch)
    same(model, hef)


def test_other_compilers_keep_the_metres_in_float(tmp_path: Path) -> None:
    model = make_joint_onnx(tmp_path / "m.onnx")
    proto = onnx.load(str(model))
    for place, node in enumerate(proto.graph.node):
        node.name = node.name or f"node_{place}"
    last = next(node.name for node in proto.graph.node if "depth" in node.output)
    assert last in float_ends(proto, read_manifest(proto, model))
    pytest.importorskip("openvino")
    out = tmp_path / "m.fp32.xml"
    target_named("openvino", precision="fp32").build(Work(model=model, out=out))
    same(model, out)


def test_calibration_pictures_need_no_targets(tmp_path: Path) -> None:
    chosen = CalibrationSet.choose(PreparedFolder(joint_folder(tmp_path / "data")), count=8)
    assert len(chosen.samples) == 8 and chosen.strata == {}
