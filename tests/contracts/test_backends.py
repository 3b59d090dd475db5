"""What every backend must do, over all that are found by listing the folder."""

import inspect
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from stand_ins.hailo import install_hailort, make_hef, some_pictures
from stand_ins.tensorrt import install_tensorrt
from tiny_models import WEIGHTS, make_manifest, make_onnx

from curbside.deploy.target import Work
from curbside.deploy.targets.tensorrt import TensorRt
from curbside.errors import ModelFileError
from curbside.manifest import Manifest, write_sidecar
from curbside.runtime.backends import backend_modules, open_backend


def make_xml(path: Path) -> Path:
    """The network of `make_onnx` as an OpenVINO file."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    model = openvino.Core().read_model(make_onnx(path.with_suffix(".onnx")))
    openvino.save_model(model, path, compress_to_fp16=False)
    write_sidecar(path, make_manifest(), parts=(".bin",))
    return path


def make_engine(path: Path) -> Path:
    """The network of `make_onnx` as a TensorRT engine, of the stand-in."""
    model = make_onnx(path.with_suffix(".onnx"))
    return TensorRt(precision="fp32").build(Work(model=model, out=path)).path


def make_chip_file(path: Path) -> Path:
    """The network of `make_onnx` up to its scores as a HEF, of the stand-ins."""
    model = make_onnx(path.with_suffix(".onnx"))
    with pytest.MonkeyPatch.context() as patch:
        return make_hef(patch, model, path, some_pictures(path.parent))


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    install_tensorrt(monkeypatch)
    install_hailort(monkeypatch)


MAKERS = {".onnx": make_onnx, ".xml": make_xml, ".engine": make_engine, ".hef": make_chip_file}
"""How to make a tiny model file of each kind; a new backend adds its own."""

MODULES = backend_modules()
KINDS = [
    pytest.param(suffix, id=f"{name}{suffix}")
    for name, module in MODULES.items()
    for suffix in module.SUFFIXES
]


def _frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 1, 12, 16, 3), np.uint8)


def _expected(frame: np.ndarray) -> np.ndarray:
    return np.einsum("bhwc,kc->bkhw", frame.astype(float), WEIGHTS).argmax(1)


def _ids(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The classes of a network that gives them, or that stops at their scores, (1, H, W, C)."""
    return outputs["ids"] if "ids" in outputs else outputs["logits"].argmax(-1)


def test_there_is_one_and_no_two_open_the_same_kind():
    assert "onnx_runtime" in MODULES
    suffixes = [suffix for module in MODULES.values() for suffix in module.SUFFIXES]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


@pytest.mark.parametrize("name", MODULES)
def test_open_takes_a_path_and_threads(name):
    assert list(inspect.signature(MODULES[name].open).parameters) == ["path", "threads"]


def test_listing_them_imports_no_vendors_library():
    code = (
        "import sys; from curbside.runtime.backends import backend_modules; backend_modules();"
        "print([n for n in ('onnxruntime', 'openvino', 'tensorrt', 'hailo_platform', 'torch')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("suffix", KINDS)
def test_runs_what_the_manifest_names(tmp_path, suffix):
    backend = open_backend(MAKERS[suffix](tmp_path / f"m{suffix}"), threads=1)
    assert isinstance(backend.manifest, Manifest)
    assert isinstance(backend.precision, str)
    assert backend.precision
    for frame in _frames():
        outputs = backend.run({"frame": frame})
        assert list(outputs) == [output.name for output in backend.manifest.outputs]
        np.testing.assert_array_equal(_ids(outputs), _expected(frame))
    backend.close()
    backend.close()


@pytest.mark.parametrize("suffix", KINDS)
def test_outputs_of_one_run_outlive_the_next(tmp_path, suffix):
    backend = open_backend(MAKERS[suffix](tmp_path / f"m{suffix}"), threads=1)
    results = [_ids(backend.run({"frame": frame})) for frame in _frames()]
    for frame, ids in zip(_frames(), results, strict=True):
        np.testing.assert_array_equal(ids, _expected(frame))


@pytest.mark.parametrize("suffix", KINDS)
def test_several_threads_may_run_it(tmp_path, suffix):
    backend = open_backend(MAKERS[suffix](tmp_path / f"m{suffix}"), threads=1)
    wrong = []

    def work(frame: np.ndarray) -> None:
        for _ in range(20):
            if not np.array_equal(_ids(backend.run({"frame": frame})), _expected(frame)):
                wrong.append(frame)

    threads = [threading.Thread(target=work, args=(frame,)) for frame in _frames()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"this is no model file\n" * 9])
def test_damage_is_one_line(tmp_path, suffix, content):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        open_backend(path, threads=1)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
