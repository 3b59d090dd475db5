"""The TensorRT backend against a stand-in for the library and the GPU; nothing here ran on a GPU."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins.cuda_runtime import Gpu, install_cuda
from stand_ins.tensorrt import install_tensorrt
from tiny_models import WEIGHTS, make_onnx

from curbside.deploy.target import Work
from curbside.deploy.targets.tensorrt import TensorRt
from curbside.errors import MissingDependencyError, ModelFileError
from curbside.manifest import OutputSpec, read_sidecar, write_sidecar
from curbside.runtime.backends import open_backend


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    return install_tensorrt(monkeypatch)


def make_engine(path: Path, **more: Any) -> Path:
    model = make_onnx(path.with_suffix(".onnx"), **more)
    return TensorRt(precision="fp32").build(Work(model=model, out=path)).path


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        open_backend(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 12, 16, 3), np.uint8)


def scores(frame: np.ndarray) -> np.ndarray:
    return np.einsum("bhwc,kc->bkhw", frame.astype(np.float32), WEIGHTS)


def test_outputs_and_memory_given_back(tmp_path: Path, trt: Any) -> None:
    backend = open_backend(make_engine(tmp_path / "m.engine", outputs="confidence"))
    assert trt.gpu.leaks == 0
    (frame,) = frames(1)
    outputs = backend.run({"frame": frame})
    assert {name: (array.shape, array.dtype) for name, array in outputs.items()} == {
        "ids": ((1, 12, 16), np.uint8),
        "confidence": ((1, 12, 16), np.uint8),
    }
    np.testing.assert_array_equal(outputs["ids"], scores(frame).argmax(1))
    assert trt.gpu.leaks == 7  # on the GPU and beside it: a frame and two outputs; and a stream
    backend.close()
    backend.close()
    assert trt.gpu.leaks == 0


@pytest.mark.parametrize("module", ["cuda.bindings.runtime", "cuda.cudart"])
@pytest.mark.parametrize("version", ["8.5.2", "10.3.0"])
def test_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, module: str
) -> None:
    trt = install_tensorrt(monkeypatch, version)
    install_cuda(monkeypatch, trt.gpu, module)
    backend = open_backend(make_engine(tmp_path / "m.engine", outputs="logits"))
    (frame,) = frames(1)
    np.testing.assert_allclose(backend.run({"frame": frame})["logits"], scores(frame), atol=1e-3)


def test_threads_have_memory_of_their_own(tmp_path: Path, trt: Any) -> None:
    backend = open_backend(make_engine(tmp_path / "m.engine", outputs="logits"))
    given = frames(4)
    kept: list[list[np.ndarray]] = [[] for _ in given]

    def work(place: int) -> None:
        kept[place] += [backend.run({"frame": given[place]})["logits"] for _ in range(25)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame, answers in zip(given, kept, strict=True):
        assert len(answers) == 25
        for answer in answers:
            np.testing.assert_allclose(answer, scores(frame), atol=1e-3)
    backend.close()
    assert trt.gpu.leaks == 0


def test_a_tensor_of_the_wrong_size(tmp_path: Path, trt: Any) -> None:
    backend = open_backend(make_engine(tmp_path / "m.engine"))
    with pytest.raises(ValueError, match="frame must be"):
        backend.run({"frame": np.zeros((1, 12, 15, 3), np.uint8)})


def test_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_tensorrt(monkeypatch, "8.5.2")
    path = make_engine(tmp_path / "m.engine")
    install_tensorrt(monkeypatch, "10.3.0")
    text = refused(path)
    assert "was compiled on Orin Nano (stand-in) for TensorRT 8.5.2; here" in text
    assert "it is 10.3.0; compile it again on this device" in text


def test_another_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_tensorrt(monkeypatch)
    path = make_engine(tmp_path / "m.engine")
    install_tensorrt(monkeypatch, gpu=Gpu((8, 9)))
    assert "for compute capability 8.7; here, on Orin Nano (stand-in), it is 8.9" in refused(path)


def test_an_edited_manifest_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody took the version out: the library itself refuses."""
    install_tensorrt(monkeypatch, "8.5.2")
    path = make_engine(tmp_path / "m.engine")
    write_sidecar(path, replace(read_sidecar(path), deployment={}))
    install_tensorrt(monkeypatch, "10.3.0")
    assert "cannot be loaded as a TensorRT engine (Error Code 6" in refused(path)


def test_no_engine(tmp_path: Path, trt: Any) -> None:
    path = make_engine(tmp_path / "m.engine")
    path.write_bytes(b"something else")
    assert "is not the file that m.engine.json was written for" in refused(path)
    write_sidecar(path, read_sidecar_of_edited(path))
    assert "Magic tag does not match" in refused(path)


def read_sidecar_of_edited(path: Path) -> Any:
    """The Manifest beside a file that it was not written for."""
    from curbside.manifest import Manifest

    return Manifest.from_dict(json.loads(Path(f"{path}.json").read_text()), where="test")


def test_no_gpu_and_no_room(tmp_path: Path, trt: Any) -> None:
    path = make_engine(tmp_path / "m.engine")
    trt.gpu.size = 600
    backend = open_backend(path)
    with pytest.raises(ModelFileError, match=r"the GPU refused cudaMalloc \(cudaErrorMemoryAlloc"):
        backend.run({"frame": frames(1)[0]})
    assert trt.gpu.leaks == 0
    trt.gpu.there = False
    assert "the GPU refused cudaGetDeviceProperties (cudaErrorNoDevice)" in refused(path)


def test_a_manifest_that_does_not_fit(tmp_path: Path, trt: Any) -> None:
    path = make_engine(tmp_path / "m.engine")
    says = replace(read_sidecar(path), outputs=(OutputSpec(name="classes", meaning="ids"),))
    write_sidecar(path, says)
    assert "no output classes, only ids" in refused(path)


def test_an_engine_without_descriptions(tmp_path: Path, trt: Any) -> None:
    path = make_engine(tmp_path / "m.engine")
    path.write_bytes(path.read_bytes().replace(b'"detailed": true', b'"detailed": 0   '))
    write_sidecar(path, read_sidecar_of_edited(path))
    assert open_backend(path).precision == (
        "fp32 as asked (the engine does not tell of its layers)"
    )


@pytest.mark.parametrize("name", ["tensorrt", "cuda"])
def test_a_library_missing(
    tmp_path: Path, trt: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = make_engine(tmp_path / "m.engine")
    for module in [item for item in sys.modules if item.split(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"JetPack") as caught:
        open_backend(path)
    assert "\n" not in str(caught.value)
