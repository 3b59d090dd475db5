"""The OpenVINO backend: what it refuses, what it gives, and the precision that really runs."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WEIGHTS, make_manifest, make_onnx

from curbside.errors import MissingDependencyError, ModelFileError
from curbside.manifest import Manifest, OutputSpec, write_sidecar
from curbside.runtime.backends import open_backend

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")


def make_xml(
    path: Path,
    *,
    deployment: dict[str, Any] | None = None,
    says: Manifest | None = None,
    **more: Any,
) -> Path:
    """The network of `make_onnx` as an OpenVINO file.

    Args:
        path: The file.
        deployment: What the Manifest says of it.
        says: The whole Manifest, where that is not the truth.
        more: Arguments of `make_onnx`.
    """
    source = make_onnx(path.with_suffix(".onnx"), **more)
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    true = make_manifest(outputs=more.get("outputs", "ids"), deployment=deployment or {})
    write_sidecar(path, says or true, parts=(".bin",))
    return path


def rewrite(path: Path, old: str, new: str) -> None:
    """Change the graph, and let the Manifest vouch for it, as a hostile file would."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    write_sidecar(path, make_manifest(), parts=(".bin",))


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        open_backend(path, threads=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zeros() -> dict[str, np.ndarray]:
    return {"frame": np.zeros((1, 12, 16, 3), np.uint8)}


def test_manifest_and_outputs(tmp_path: Path) -> None:
    backend = open_backend(make_xml(tmp_path / "m.xml", outputs="confidence"), threads=1)
    assert backend.manifest == make_manifest(outputs="confidence")
    outputs = backend.run(zeros())
    assert {name: (array.shape, array.dtype) for name, array in outputs.items()} == {
        "ids": ((1, 12, 16), np.uint8),
        "confidence": ((1, 12, 16), np.uint8),
    }
    np.testing.assert_array_equal(outputs["confidence"], 64)


def test_a_frame_that_cannot_be_written_to_goes_in(tmp_path: Path) -> None:
    backend = open_backend(make_xml(tmp_path / "m.xml", outputs="logits"), threads=1)
    frame = np.random.default_rng(1).integers(0, 256, (1, 12, 16, 3), np.uint8)
    frame.flags.writeable = False
    expected = np.einsum("bhwc,kc->bkhw", frame.astype(np.float32), WEIGHTS)
    np.testing.assert_allclose(backend.run({"frame": frame})["logits"], expected, atol=1e-3)


def test_threads_that_run_at_once_get_their_own_answers(tmp_path: Path) -> None:
    backend = open_backend(make_xml(tmp_path / "m.xml", outputs="logits"), threads=2)
    frames = np.random.default_rng(2).integers(0, 256, (4, 1, 12, 16, 3), np.uint8)
    kept: list[list[np.ndarray]] = [[] for _ in frames]

    def work(place: int) -> None:
        kept[place] += [backend.run({"frame": frames[place]})["logits"] for _ in range(30)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(frames))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame, answers in zip(frames, kept, strict=True):
        expected = np.einsum("bhwc,kc->bkhw", frame.astype(np.float32), WEIGHTS)
        assert len(answers) == 30
        for answer in answers:  # after all runs: none may have been written over
            np.testing.assert_allclose(answer, expected, atol=1e-3)


@pytest.mark.parametrize("suffix", [".xml.json", ".bin"])
def test_a_part_that_is_missing(tmp_path: Path, suffix: str) -> None:
    path = make_xml(tmp_path / "m.xml")
    (tmp_path / f"m{suffix}").unlink()
    assert {".xml.json": "carries no Manifest", ".bin": "m.bin is missing"}[suffix] in refused(path)


def test_a_bin_that_the_manifest_forgot(tmp_path: Path) -> None:
    path = make_xml(tmp_path / "m.xml")
    write_sidecar(path, make_manifest())
    (tmp_path / "m.bin").unlink()
    assert "m.bin is missing" in refused(path)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_part_of_another_file(tmp_path: Path, suffix: str) -> None:
    path = make_xml(tmp_path / "m.xml")
    with open(path.with_suffix(suffix), "ab") as file:
        file.write(b"\n")
    assert f"m{suffix} is not the file that m.xml.json was written for" in refused(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version="11"', 'version="12"', "version 12 of OpenVINO's format"),
        ('version="11"', 'version="new"', "cannot be loaded as an OpenVINO file"),
        ("<net ", "<web ", "no network of OpenVINO"),
        ("<net ", "<!DOCTYPE x [<!ENTITY a 'b'>]><net ", "cannot be loaded as an OpenVINO file"),
        ('type="Convolution"', 'type="Transmogrify"', "Transmogrify"),
        ('version="opset1"', 'version="opset99"', "opset99"),
        ("<edges>", "<edges", "cannot be loaded as an OpenVINO file"),
        ('offset="0" size="', 'offset="0" size="9', "cannot be loaded as an OpenVINO file"),
        ('offset="0" size="', 'offset="99999999999999" size="', "cannot be loaded as an OpenVINO"),
        # OpenVINO pads by this without a look, and the process ends in a broken heap.
        ('pads_end="0, 0, 0, 0"', 'pads_end="0, 0, 9223372036854775807, 0"', "pads_end is 0, 0, 9"),
    ],
)
def test_a_hostile_or_newer_graph(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    path = make_xml(tmp_path / "m.xml")
    rewrite(path, old, new)
    assert message in refused(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_cut_off_graph(tmp_path: Path, size: int) -> None:
    path = make_xml(tmp_path / "m.xml")
    path.write_bytes(path.read_bytes()[:size])
    write_sidecar(path, make_manifest(), parts=(".bin",))
    assert "cannot be loaded as an OpenVINO file" in refused(path)


def test_weights_cut_off(tmp_path: Path) -> None:
    path = make_xml(tmp_path / "m.xml")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:16])
    write_sidecar(path, make_manifest(), parts=(".bin",))
    assert "cannot be loaded as an OpenVINO file" in refused(path)


def test_a_file_of_another_version_says_which(tmp_path: Path) -> None:
    path = make_xml(tmp_path / "m.xml")
    path.write_text(path.read_text().replace('version="opset1"', 'version="opset99"'))
    write_sidecar(path, make_manifest(deployment={"version": "2031.1.0"}), parts=(".bin",))
    assert "it was made with OpenVINO 2031.1.0, here is" in refused(path)


def test_a_manifest_that_does_not_fit(tmp_path: Path) -> None:
    says = replace(make_manifest(), outputs=(OutputSpec(name="classes", meaning="ids"),))
    assert "no output classes, only ids" in refused(make_xml(tmp_path / "m.xml", says=says))


def test_a_precision_that_nobody_has(tmp_path: Path) -> None:
    path = make_xml(tmp_path / "m.xml", deployment={"inference_precision": "fp1"})
    assert "asks for the precision 'fp1'" in refused(path)


def test_fp32_runs_where_nothing_else_is_asked(tmp_path: Path) -> None:
    """By itself OpenVINO would choose bfloat16 on a processor that has it."""
    assert open_backend(make_xml(tmp_path / "m.xml"), threads=1).precision == "fp32"


def test_bf16_runs_where_it_is_asked_and_can(tmp_path: Path) -> None:
    path = make_xml(tmp_path / "m.xml", deployment={"inference_precision": "bf16"})
    can = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert open_backend(path, threads=1).precision == ("bf16" if can else "fp32")


def test_the_library_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_xml(tmp_path / "m.xml")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'curbside\[openvino\]'"):
        open_backend(path, threads=1)
