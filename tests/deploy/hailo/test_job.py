"""The job folder, and the two ways to have it compiled, against stand-ins for Hailo's software."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from stand_ins.hailo import install_command, install_module, some_pictures
from tiny_models import make_onnx

from curbside.deploy import CalibrationSet, target_named
from curbside.deploy.hailo import adopt
from curbside.deploy.hailo.carried import resolve_names
from curbside.deploy.hailo.compiler import MissingCompilerError
from curbside.deploy.hailo.hef import read_hef
from curbside.deploy.hailo.job import load_job
from curbside.deploy.target import Built, Work
from curbside.deploy.targets.hailo8 import Hailo8
from curbside.deploy.targets.hailo8l import Hailo8L
from curbside.deploy.targets.hailo10h import Hailo10H
from curbside.errors import ConfigError, CurbsideError, MissingDependencyError, ModelFileError
from curbside.manifest import read_sidecar
from curbside.runtime import load_predictor


@pytest.fixture
def noise(tmp_path: Path) -> CalibrationSet:
    """Eight pictures for a tiny network."""
    return some_pictures(tmp_path)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A network of one convolution."""
    return make_onnx(tmp_path / "tiny net.onnx", outputs="logits", stride=2)


@pytest.fixture(params=["command", "python"])
def driver(request, monkeypatch, tmp_path) -> str:
    """Each of the two ways to drive the compiler, the other one absent."""
    if request.param == "command":
        install_command(monkeypatch, tmp_path / "bin")
    else:
        install_module(monkeypatch, tmp_path / "site")
    return request.param


def build(model: Path, out: Path, calibration: CalibrationSet, target=None, **more) -> Built:
    return (target or Hailo8()).build(Work(model=model, out=out, calibration=calibration, **more))


def said(caught: pytest.ExceptionInfo[CurbsideError]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_job_holds_all_that_its_readme_promises(tiny, tmp_path, noise):
    built = build(tiny, tmp_path / "out" / "m.hef", noise)
    folder = tmp_path / "out" / "m.hailo"
    assert (built.path, built.witness) == (folder, folder / "emulation.onnx")
    assert [path.name for path in folder.parent.iterdir()] == ["m.hailo"]
    about = json.loads((folder / "job.json").read_text())
    network = about["network"]
    assert network.startswith("tiny_net_")
    assert about["model"] == f"{network}.onnx"
    carried = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(about["files"]) == carried - {"job.json", "float.onnx", "emulation.onnx"}
    for name, digest in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    tensors = [np.load(path) for path in sorted((folder / "calib").iterdir())]
    assert [(tensor.shape, tensor.dtype) for tensor in tensors] == [((12, 16, 3), np.uint8)] * 8
    for tensor, sample in zip(tensors, noise.samples, strict=True):
        np.testing.assert_array_equal(tensor, sample.read_bgr())
    script = (folder / "model.alls").read_text().splitlines()
    assert script[0] == "normalization1 = normalization([0, 0, 0], [1, 1, 1])"
    assert script[1] == "model_optimization_config(calibration, batch_size=8, calibset_size=8)"
    assert script[2] == "model_optimization_flavor(optimization_level=2, compression_level=0)"
    assert not any("@" in (folder / name).read_text() for name in ("README.md",))
    assert "Dataflow Compiler 3" in (folder / "README.md").read_text()
    assert any("reduce optimisation level 2 to 0" in note for note in built.notes)
    manifest = load_job(folder).manifest
    assert manifest.deployment["target"] == "hailo8"
    assert manifest.deployment["outputs"][0]["shape"] == [6, 8, 4]
    assert (manifest.precision, manifest.calibration["count"]) == ("int8", 8)


def test_the_script_of_yolo_is_the_published_one(yolo, frames, tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, np.stack([frame[:200, :300, ::-1] for frame in frames]))
    built = build(yolo[0], tmp_path / "y", CalibrationSet.load(path), Hailo8(optimization_level=0))
    assert (built.path / "model.alls").read_text().splitlines()[:4] == [
        "normalization1 = normalization([0, 0, 0], [255, 255, 255])",
        "change_output_activation(conv45, sigmoid)",
        "change_output_activation(conv61, sigmoid)",
        "change_output_activation(conv74, sigmoid)",
    ]
    tensor = np.load(built.path / "calib" / "00000.npy")
    assert tensor.shape == (640, 640, 3)
    assert (tensor[0] == 114).all()  # letterboxed, as the predictor does it
    assert len(built.notes) == 1


def test_semantic_normalisation_goes_into_the_chip(float_file, pictures, tmp_path):
    built = build(
        float_file, tmp_path / "m", pictures, Hailo8(compiler_finetune=True, batch_size=2)
    )
    assert (built.path / "model.alls").read_text().splitlines() == [
        "normalization1 = normalization([127.5, 102, 76.5], [51, 63.75, 76.5])",
        "model_optimization_config(calibration, batch_size=2, calibset_size=12)",
        "model_optimization_flavor(optimization_level=2, compression_level=0)",
        "post_quantization_optimization(finetune, policy=enabled)",
    ]


def test_both_drivers_make_a_hef_with_its_manifest(driver, tiny, tmp_path, noise):
    hef = tmp_path / "m.hef"
    built = build(tiny, hef, noise)
    assert built.path == hef
    facts = read_hef(hef)
    assert (facts.arch, facts.compiler) == ("hailo8", "3.31.0")
    manifest = read_sidecar(hef)
    assert manifest.deployment["compiler"] == "Dataflow Compiler 3.31.0"
    assert manifest.deployment["network"] == facts.network
    assert manifest.deployment["outputs"][0]["layer"] == "conv1"
    folder = tmp_path / "m.hailo"
    assert "Reducing optimization level" in (folder / "compile.log").read_text()
    assert (folder / f"{facts.network}.har").is_file()
    assert not list(folder.glob("build.*"))
    assert built.witness == folder / "emulation.onnx"


def test_names_of_layers_are_corrected_by_the_parsers(driver, yolo, frames, tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, np.stack([frame[:96, :128, ::-1] for frame in frames]))
    built = build(yolo[0], tmp_path / "y.hef", CalibrationSet.load(path), Hailo8(batch_size=1))
    outputs = read_sidecar(built.path).deployment["outputs"]
    layers = {output["name"]: output["layer"] for output in outputs}
    # The stand-in counts in the order of the file: prototypes, masks, then boxes and classes.
    assert (layers["prototypes"], layers["mask_8"], layers["box_8"]) == (
        "conv48",
        "conv51",
        "conv60",
    )
    assert (layers["class_8"], layers["class_32"]) == ("conv63", "conv75")


def test_names_are_swapped_all_at_once():
    script = "change_output_activation(conv1, sigmoid)\nquantization_param(conv12, x=conv2)\n"
    predicted = {"a": "conv1", "b": "conv2", "c": "conv12"}
    names = {"a": "conv2", "b": "conv1"}
    assert resolve_names.resolved_script(script, predicted, names) == (
        "change_output_activation(conv2, sigmoid)\nquantization_param(conv12, x=conv1)\n"
    )


def test_layers_kept_wide_are_named_in_the_script(driver, float_file, pictures, tmp_path):
    graph = onnx.load(str(float_file)).graph
    kept = frozenset({[node.name for node in graph.node if node.op_type == "Conv"][3], "nowhere"})
    built = build(float_file, tmp_path / "m.hef", pictures, keep_float=kept)
    assert any("1 operators are asked for in 16 bits" in note for note in built.notes)
    script = (tmp_path / "m.hailo" / "model.alls").read_text()
    assert "precision_mode=a16_w16" in script
    assert read_sidecar(built.path).deployment["wide"] == sorted(kept - {"nowhere"})


def test_the_scripts_of_a_job_run_from_anywhere(monkeypatch, tiny, tmp_path, noise):
    folder = build(tiny, tmp_path / "a job", noise).path
    moved = tmp_path / "carried here" / "job"
    shutil.move(folder, moved)
    shutil.rmtree(moved / "__pycache__", ignore_errors=True)
    for name in ("float.onnx", "emulation.onnx"):
        (moved / name).unlink()
    run = ["bash", str(moved / "compile.sh")]
    done = subprocess.run(run, cwd="/", capture_output=True, text=True)
    assert done.returncode == 1
    assert "the command hailo is missing: activate" in done.stderr
    install_command(monkeypatch, tmp_path / "bin")
    done = subprocess.run(run, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    network = load_job(moved).network
    built = adopt(moved / f"{network}.hef")
    assert built.witness == built.path
    assert built.notes == ("HailoRT is not installed here: shapes of the HEF were not checked",)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.10.2", "Dataflow Compiler 3.10.2 is too old"),
        ("5.1.0", "Dataflow Compiler 5.1.0 is here, and Hailo-8 needs version 3"),
    ],
)
def test_a_compiler_of_another_age_is_one_line(
    monkeypatch, tiny, tmp_path, noise, version, expected
):
    folder = build(tiny, tmp_path / "job", noise).path
    install_command(monkeypatch, tmp_path / "bin")
    monkeypatch.setenv("HAILO_VERSION", version)
    with pytest.raises(ModelFileError, match=expected) as caught:
        build(tiny, tmp_path / "m.hef", noise)
    said(caught)
    assert not (tmp_path / "m.hailo").exists()
    done = subprocess.run(["bash", folder / "compile.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert version in done.stderr


def test_the_lines_of_versions_follow_the_chips(monkeypatch, tiny, tmp_path, noise):
    install_command(monkeypatch, tmp_path / "bin")
    for target, version, arch in (
        (Hailo8L(), "3.31.0", "hailo8l"),
        (Hailo10H(), "5.2.0", "hailo10h"),
    ):
        monkeypatch.setenv("HAILO_VERSION", version)
        built = build(tiny, tmp_path / f"{arch}.hef", noise, target)
        assert read_hef(built.path).arch == arch
        assert read_sidecar(built.path).deployment["device"] == target.chip


def test_an_old_module_is_one_line(monkeypatch, tiny, tmp_path, noise):
    install_module(monkeypatch, tmp_path / "site", version="3.9.0")
    with pytest.raises(ModelFileError, match="too old"):
        build(tiny, tmp_path / "m.hef", noise)


def test_what_is_no_compiler_counts_as_none(monkeypatch, tiny, tmp_path, noise):
    command = install_command(monkeypatch, tmp_path / "bin")
    command.write_text("#!/bin/sh\necho HailoRT v4.20.0\n")
    assert build(tiny, tmp_path / "m.hef", noise).path == tmp_path / "m.hailo"
    for driver, part in (("command", "command hailo"), ("python", "module hailo_sdk_client")):
        with pytest.raises(MissingCompilerError, match=part) as caught:
            build(tiny, tmp_path / "m.hef", noise, Hailo8(driver=driver))
        assert isinstance(caught.value, MissingDependencyError)
        assert "Developer Zone" in said(caught)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("step", ["parser", "optimize", "compiler"])
@pytest.mark.parametrize("how", ["HAILO_FAIL", "HAILO_KILL"])
def test_failing_half_way_leaves_the_log_and_no_hef(
    monkeypatch, driver, tiny, tmp_path, noise, step, how
):
    hef = tmp_path / "m.hef"
    monkeypatch.setenv(how, step)
    with pytest.raises(
        ModelFileError, match="killed" if how == "HAILO_KILL" else "failed"
    ) as caught:
        build(tiny, hef, noise)
    log = tmp_path / "m.hailo" / "compile.log"
    assert str(log) in said(caught)
    assert log.stat().st_size > 0
    assert not hef.exists()
    assert not Path(f"{hef}.json").exists()
    assert not list(log.parent.glob("build.*"))
    assert not list(log.parent.glob("*.hef"))
    if step == "compiler":  # where most lies about
        monkeypatch.delenv(how)
        assert build(tiny, hef, noise).path == hef


def test_a_failure_keeps_the_hef_that_was_there(monkeypatch, driver, tiny, tmp_path, noise):
    hef = build(tiny, tmp_path / "m.hef", noise).path
    before = hef.read_bytes()
    monkeypatch.setenv("HAILO_FAIL", "compiler")
    with pytest.raises(ModelFileError, match="failed"):
        build(tiny, hef, noise)
    assert hef.read_bytes() == before
    read_sidecar(hef)


def test_a_changed_job_is_not_compiled(monkeypatch, tiny, tmp_path, noise):
    install_command(monkeypatch, tmp_path / "bin")
    folder = build(tiny, tmp_path / "job", noise, Hailo8(driver="job")).path
    (folder / "calib" / "00003.npy").unlink()
    done = subprocess.run(["bash", folder / "compile.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 files are missing or changed, such as calib/00003.npy" in done.stderr


def test_refusals_come_before_any_work(tiny, tmp_path, noise, float_file):
    place = tmp_path / "out"
    cases = [
        (Work(model=tiny, out=place / "m.onnx", calibration=noise), "no name for a HEF"),
        (Work(model=tiny, out=place / "m.hef"), "no pictures to calibrate on"),
    ]
    for work, expected in cases:
        with pytest.raises(ConfigError, match=expected) as caught:
            Hailo8().build(work)
        said(caught)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        Hailo8(batch_size=0)
    (tmp_path / "m.hailo").mkdir()
    (tmp_path / "m.hailo" / "precious").touch()
    with pytest.raises(ConfigError, match="is there and no job"):
        build(tiny, tmp_path / "m.hef", noise)
    assert not place.exists()


def test_a_refused_operator_stops_it(tmp_path, noise):
    path = make_onnx(tmp_path / "m.onnx", outputs="logits")
    proto = onnx.load(str(path))
    conv = next(node for node in proto.graph.node if node.op_type == "Conv")
    conv.output[0] = "before"
    proto.graph.node.append(onnx.helper.make_node("Sin", ["before"], ["logits"]))
    onnx.save(proto, str(path))
    with pytest.raises(ModelFileError, match=r"Hailo-8 .* would refuse 1 Sin") as caught:
        build(path, tmp_path / "m.hef", noise)
    said(caught)
    assert not (tmp_path / "m.hailo").exists()


def test_what_is_quantised_already_is_refused(tiny, tmp_path, noise):
    folder = build(tiny, tmp_path / "job", noise).path
    with pytest.raises(ModelFileError, match="is int8 already"):
        build(folder / "emulation.onnx", tmp_path / "m.hef", noise)


def test_adopting_checks_the_hef_against_the_job(monkeypatch, tiny, tmp_path, noise):
    install_command(monkeypatch, tmp_path / "bin")
    hef = build(tiny, tmp_path / "a.hef", noise).path
    job = tmp_path / "a.hailo"
    other = build(make_onnx(tmp_path / "o.onnx", outputs="logits"), tmp_path / "b.hef", noise).path
    light = build(tiny, tmp_path / "c.hef", noise, Hailo8L()).path
    content = hef.read_bytes()
    damaged = tmp_path / "d.hef"
    for bad, where, expected in (
        (other.read_bytes(), job, "holds the network o_"),
        (light.read_bytes(), job, "was compiled for hailo8l, the job .* is for hailo8"),
        (content[:-9], job, "damaged or cut off"),
        (content[:100] + b"?" + content[101:], job, "damaged or cut off"),
        (b"\x00" * 64, job, "is no HEF"),
        (b"", job, "is no HEF"),
        (content, tmp_path / "bin", "job.json does not exist"),
        (content, None, "no job folder lies around"),
    ):
        damaged.write_bytes(bad)
        with pytest.raises(ModelFileError, match=expected) as caught:
            adopt(damaged, where)
        said(caught)
        assert not Path(f"{damaged}.json").exists()
    damaged.write_bytes(content)
    adopt(damaged, job)
    assert read_sidecar(damaged) == read_sidecar(hef)


def test_an_edited_job_is_noticed(monkeypatch, tiny, tmp_path, noise):
    install_command(monkeypatch, tmp_path / "bin")
    hef = build(tiny, tmp_path / "a.hef", noise).path
    about = tmp_path / "a.hailo" / "job.json"
    data = json.loads(about.read_text())
    data["manifest"]["input"]["channels"] = "rgb"
    about.write_text(json.dumps(data))
    with pytest.raises(ModelFileError, match="edited after it was written"):
        adopt(hef, about.parent)


def test_a_later_format_is_adopted_with_a_word(monkeypatch, tiny, tmp_path, noise):
    install_command(monkeypatch, tmp_path / "bin")
    hef = build(tiny, tmp_path / "a.hef", noise).path
    content = bytearray(hef.read_bytes())
    content[7] = 9
    hef.write_bytes(content)
    (tmp_path / "a.hailo" / "layer_names.json").unlink()
    notes = " ".join(adopt(hef).notes)
    assert "format 9 is not known" in notes
    assert "layer_names.json did not come back" in notes


def test_every_chip_is_found_by_name():
    for name in ("hailo8", "hailo8l", "hailo10h"):
        target = target_named(name)
        assert (target.suffix, target.quantizes, target.arch) == (".hef", True, name)


def test_the_float_twin_and_the_emulation_run_here(float_file, pictures, tmp_path, data):
    built = build(float_file, tmp_path / "job", pictures)
    frames = [sample.read_bgr() for sample in pictures.samples]
    with (
        load_predictor(float_file) as whole,
        load_predictor(built.path / "float.onnx") as part,
        load_predictor(built.witness) as emulated,
    ):
        alike = [(whole(f).ids == part(f).ids).mean() for f in frames]
        rounded = [(whole(f).ids == emulated(f).ids).mean() for f in frames]
        assert emulated.manifest.precision == "int8"
        assert "8 bits" in emulated.manifest.deployment["kind"]
    assert min(alike) > 0.999
    assert 0.9 < np.mean(rounded) < 1
