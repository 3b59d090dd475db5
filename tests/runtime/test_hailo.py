"""HEFs on HailoRT's stand-in: the order of its calls, its errors, several networks on one chip."""

from __future__ import annotations

import gc
import pickle
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from stand_ins.hailo import install_hailort, make_hef, some_pictures
from tiny_models import WEIGHTS, make_onnx, write_clip

from curbside.deploy.hailo import adopt
from curbside.deploy.targets.hailo8l import Hailo8L
from curbside.errors import ConfigError, MissingDependencyError, ModelFileError
from curbside.manifest import read_sidecar, write_sidecar
from curbside.runtime import Pipeline, load_predictor, open_source
from curbside.runtime.backends import open_backend
from curbside.runtime.backends.hailo import MissingHailoRTError


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network of one convolution and its HEF."""
    folder = tmp_path_factory.mktemp("compiled")
    model = make_onnx(folder / "m.onnx", outputs="logits", stride=2)
    with pytest.MonkeyPatch.context() as patch:
        make_hef(patch, model, folder / "m.hef", some_pictures(folder))
    return folder


@pytest.fixture
def hef(compiled: Path, tmp_path: Path) -> Path:
    """The HEF, in a folder of one's own to break."""
    return shutil.copytree(compiled, tmp_path, dirs_exist_ok=True) / "m.hef"


@pytest.fixture(params=["asynchronous", "synchronous", "unscheduled"])
def hailort(request, monkeypatch) -> ModuleType:
    """HailoRT of three ages."""
    library = install_hailort(monkeypatch)
    if request.param != "asynchronous":
        monkeypatch.delattr(library.VDevice, "create_infer_model")
    if request.param == "unscheduled":
        monkeypatch.delattr(library, "HailoSchedulingAlgorithm")
    return library


@pytest.fixture
def runtime(monkeypatch) -> ModuleType:
    """HailoRT of today."""
    return install_hailort(monkeypatch)


def frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)


def scores(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(6, 2, 8, 2, 3).mean((1, 3)) @ WEIGHTS.T


def test_it_gives_what_the_network_gives(hef, hailort):
    backend = open_backend(hef)
    assert backend.precision == "int8 (Hailo-8)"
    for seed in range(4):
        outputs = backend.run({"frame": frame(seed)[None]})
        assert list(outputs) == ["logits"]
        assert outputs["logits"].dtype == np.float32
        np.testing.assert_allclose(outputs["logits"][0], scores(frame(seed)), atol=1e-3)
    backend.close()
    backend.close()
    assert hailort._OPEN == []


def test_the_same_predictor_decodes_it(hef, hailort, tmp_path):
    picture = np.random.default_rng(5).integers(0, 256, (40, 50, 3), np.uint8)
    twin = hef.with_suffix(".hailo") / "float.onnx"
    with load_predictor(hef) as chip, load_predictor(twin) as here:
        np.testing.assert_array_equal(chip(picture).ids, here(picture).ids)


def test_threads_share_it(hef, hailort):
    wrong = []
    with load_predictor(hef) as predictor:

        def work(seed: int) -> None:
            for _ in range(20):
                made = predictor.infer(frame(seed)[None])["logits"][0]
                if not np.allclose(made, scores(frame(seed)), atol=1e-3):
                    wrong.append(seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []


@pytest.mark.parametrize("asynchronous", [True, False])
def test_two_networks_share_one_chip(monkeypatch, hef, runtime, asynchronous, tmp_path):
    if not asynchronous:
        monkeypatch.delattr(runtime.VDevice, "create_infer_model")
    model = make_onnx(tmp_path / "o.onnx", outputs="logits")
    other = make_hef(monkeypatch, model, tmp_path / "o.hef", some_pictures(tmp_path))
    first, second = open_backend(hef), open_backend(other)
    assert len(runtime._OPEN) == 1
    for seed in range(3):
        coarse = first.run({"frame": frame(seed)[None]})["logits"]
        fine = second.run({"frame": frame(seed)[None]})["logits"]
        assert (coarse.shape, fine.shape) == ((1, 6, 8, 4), (1, 12, 16, 4))
        np.testing.assert_allclose(coarse[0], scores(frame(seed)), atol=1e-3)
    first.close()
    second.run({"frame": frame()[None]})
    assert len(runtime._OPEN) == 1
    second.close()
    assert runtime._OPEN == []


def test_a_clip_runs_through_it(hef, runtime, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    with load_predictor(hef) as predictor:
        pipeline = Pipeline(open_source(clip), predictor, workers=2)
        shapes = [shown.result.ids.shape for shown in pipeline]
    assert shapes == [(72, 96)] * 5


def test_a_forgotten_network_gives_the_chip_back(hef, runtime):
    backend = open_backend(hef)
    del backend
    gc.collect()
    assert runtime._OPEN == []


def one_line(hef: Path, kind: type[Exception], expected: str) -> None:
    with pytest.raises(kind, match=expected) as caught:
        open_backend(hef)
    assert "\n" not in str(caught.value)


def test_without_hailort_it_says_where_to_get_it(hef):
    one_line(hef, MissingHailoRTError, "apt install hailo-all")
    error = MissingHailoRTError()
    assert isinstance(error, MissingDependencyError)
    assert "pip install" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_no_chip_or_one_in_use(monkeypatch, hef, runtime):
    monkeypatch.setattr(runtime, "CHIPS", [])
    one_line(hef, ConfigError, r"no Hailo chip can be had \(HAILO_OUT_OF_PHYSICAL_DEVICES")
    monkeypatch.setattr(runtime, "CHIPS", ["hailo8"])
    with_another = runtime.VDevice()
    one_line(hef, ConfigError, "HAILO_DEVICE_IN_USE.*no other program may hold it")
    with_another.release()
    open_backend(hef).close()


def test_another_chip(monkeypatch, hef, runtime, tmp_path):
    monkeypatch.setattr(runtime, "CHIPS", ["hailo8l"])
    one_line(hef, ModelFileError, "compiled for hailo8, and the chip here is a hailo8l")
    model = hef.with_suffix(".onnx")
    light = make_hef(
        monkeypatch, model, tmp_path / "l.hef", some_pictures(tmp_path), Hailo8L(driver="command")
    )
    with load_predictor(light) as predictor:
        assert predictor.precision == "int8 (Hailo-8L)"
    monkeypatch.setattr(runtime, "CHIPS", ["hailo8"])
    monkeypatch.setattr(runtime.VDevice, "get_physical_devices", lambda self: [])
    one_line(light, ModelFileError, "HailoRT refuses .*NOT_COMPATIBLE")
    assert runtime._OPEN == []


def test_a_chip_that_fails_at_a_frame(monkeypatch, hef, runtime):
    with load_predictor(hef) as predictor:
        monkeypatch.setattr(runtime.ConfiguredInferModel, "FAILING", True)
        with pytest.raises(ConfigError, match=r"the chip failed at a frame .*STREAM_ABORT"):
            predictor(frame())
        monkeypatch.setattr(runtime.ConfiguredInferModel, "FAILING", False)
        predictor(frame())


def test_files_that_do_not_belong_together(hef, runtime, tmp_path):
    alone = tmp_path / "alone" / "m.hef"
    alone.parent.mkdir()
    alone.write_bytes(hef.read_bytes())
    one_line(alone, ModelFileError, "carries no Manifest")
    manifest = read_sidecar(hef)
    write_sidecar(alone, replace(manifest, input=replace(manifest.input, size_hw=(24, 16))))
    one_line(alone, ModelFileError, r"takes .*\[12, 16, 3\], its Manifest says \[1, 24, 16, 3\]")
    alone.write_bytes(hef.read_bytes()[:-4])
    write_sidecar(alone, manifest)
    one_line(alone, ModelFileError, "HailoRT refuses .*md5")
    alone.write_bytes(b"something else")
    one_line(alone, ModelFileError, "is not the file that")
    assert runtime._OPEN == []


def test_outputs_are_told_apart_without_their_origins(monkeypatch, hef, runtime):
    monkeypatch.setattr(runtime.HEF, "get_original_names_from_vstream_name", lambda *_: [])
    open_backend(hef).close()
    manifest = read_sidecar(hef)
    outputs = [{**manifest.deployment["outputs"][0], "layer": "conv9"}]
    write_sidecar(hef, replace(manifest, deployment={**manifest.deployment, "outputs": outputs}))
    open_backend(hef).close()  # its shape is enough
    outputs[0]["shape"] = [6, 8, 5]
    write_sidecar(hef, replace(manifest, deployment={**manifest.deployment, "outputs": outputs}))
    one_line(hef, ModelFileError, "not clear which output of .* is logits")


def test_adopting_looks_at_shapes_where_hailort_is(hef, runtime):
    assert adopt(hef).notes == ()


def test_nothing_of_hailo_is_imported_before_a_hef():
    code = (
        "import sys, curbside.runtime.backends.hailo, curbside.deploy.hailo;"
        "print([n for n in sys.modules if n.startswith('hailo')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
