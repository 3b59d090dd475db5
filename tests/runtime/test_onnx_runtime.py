"""The ONNX Runtime backend: what it refuses, and the precision that really runs."""

import json
import sys
import threading
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.errors import ConfigError, MissingDependencyError, ModelFileError
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY, InputSpec, OutputSpec
from curbside.runtime.backends import open_backend
from curbside.runtime.interruption import RunInterrupted


def _zeros() -> dict[str, np.ndarray]:
    return {"frame": np.zeros((1, 12, 16, 3), np.uint8)}


def test_manifest_and_outputs(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", outputs="confidence")
    backend = open_backend(path, threads=1)
    assert backend.manifest == make_manifest(outputs="confidence")
    outputs = backend.run(_zeros())
    assert {name: (array.shape, array.dtype) for name, array in outputs.items()} == {
        "ids": ((1, 12, 16), np.uint8),
        "confidence": ((1, 12, 16), np.uint8),
    }
    np.testing.assert_array_equal(outputs["confidence"], 64)  # four classes alike: round(255 / 4)


def test_a_run_that_is_interrupted_and_the_next_one(tmp_path):
    size_hw = (1024, 1024)
    manifest = make_manifest(size_hw=size_hw)
    path = make_onnx(tmp_path / "m.onnx", size_hw=size_hw, manifest=manifest)
    frames = {"frame": np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), np.uint8)}
    backend = open_backend(path, threads=1)
    expected = backend.run(frames)["ids"]
    raised = []

    def run():
        try:
            while True:
                np.testing.assert_array_equal(backend.run(frames)["ids"], expected)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        backend.interrupt()
        thread.join(0.001)
    assert [type(error) for error in raised] == [RunInterrupted]
    backend.interrupt()  # none is going on
    np.testing.assert_array_equal(backend.run(frames)["ids"], expected)


def test_manifest_beside_the_file(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", metadata={})
    with pytest.raises(ModelFileError, match=r"carries no Manifest, and there is no m\.onnx\.json"):
        open_backend(path, threads=1)
    (tmp_path / "m.onnx.json").write_text(make_manifest().to_json())
    assert open_backend(path, threads=1).manifest == make_manifest()


def _without(part: str) -> str:
    data = make_manifest().to_dict()
    del data[part]
    return json.dumps(data)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"curbside"', _without("space"), _without("outputs")]
)
def test_a_garbled_manifest(tmp_path, text):
    path = make_onnx(tmp_path / "m.onnx", metadata={METADATA_KEY: text})
    with pytest.raises(ModelFileError, match=r"Manifest .*m\.onnx"):
        open_backend(path, threads=1)


GAPS = LabelSpace(
    name="gaps",
    classes=tuple(
        LabelClass(id=2 * number, name=str(number), color=(0, 0, 0)) for number in range(4)
    ),
)
FEWER = LabelSpace(name="fewer", classes=SPACE.classes[:3])


@pytest.mark.parametrize(
    ("outputs", "changes", "difference"),
    [
        (
            "ids",
            {"input": InputSpec(name="image", size_hw=(12, 16))},
            "inputs are frame, the Manifest names image",
        ),
        ("ids", {"input": InputSpec(size_hw=(12, 18))}, r"input frame has shape \[1, 12, 16, 3\]"),
        (
            "ids",
            {"input": InputSpec(size_hw=(12, 16), layout="NCHW")},
            r"expected \[1, 3, 12, 16\]",
        ),
        (
            "ids",
            {"input": InputSpec(size_hw=(12, 16), dtype="float32")},
            "input frame is uint8, expected float32",
        ),
        (
            "ids",
            {"outputs": (OutputSpec(name="classes", meaning="ids"),)},
            "no output classes, only ids",
        ),
        (
            "ids",
            {"outputs": (OutputSpec(name="ids", meaning="logits"),)},
            "output ids is uint8, expected float32 or float16",
        ),
        (
            "logits",
            {"space": FEWER},
            r"logits has shape \[1, 4, 12, 16\], expected \[1, 3, any, any\]",
        ),
        ("logits", {"space": GAPS}, "label space gaps has gaps"),
        (
            "logits",
            {"outputs": (OutputSpec(name="logits", meaning="ids"),)},
            "output logits is float32, expected uint8 or int32 or int64",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph(tmp_path, outputs, changes, difference):
    manifest = replace(make_manifest(outputs=outputs), **changes)
    path = make_onnx(tmp_path / "m.onnx", outputs=outputs, manifest=manifest)
    with pytest.raises(ModelFileError, match=difference) as caught:
        open_backend(path, threads=1)
    assert "\n" not in str(caught.value)


def test_a_size_left_open_by_the_graph_is_fine(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", outputs="logits")
    model = onnx.load(path)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    assert open_backend(path, threads=1).run(_zeros())["logits"].shape == (1, 4, 12, 16)


def test_a_cut_off_file(tmp_path, capfd):
    path = make_onnx(tmp_path / "m.onnx")
    whole = path.read_bytes()
    for size in (1, len(whole) // 3, len(whole) * 2 // 3, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match=r"m\.onnx") as caught:
            open_backend(path, threads=1)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_an_operator_nobody_has(tmp_path):
    path = make_onnx(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Transmogrify"
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match="cannot be loaded as an ONNX file"):
        open_backend(path, threads=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.onnx", "does not exist"),
        ("model.pth", "no backend opens model.pth"),
        ("", "is a folder, not a model file"),
    ],
)
def test_what_is_no_model_file(tmp_path, name, message):
    with pytest.raises(ModelFileError, match=message):
        open_backend(tmp_path / name)


def test_no_threads_to_run_on(tmp_path):
    path = make_onnx(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="0 threads cannot run a network"):
        open_backend(path, threads=0)


def test_the_library_missing(tmp_path, monkeypatch):
    path = make_onnx(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match="the package onnxruntime"):
        open_backend(path)


def test_precision_of_a_float_file(tmp_path):
    path = make_onnx(tmp_path / "m.onnx")
    assert open_backend(path, threads=1).precision == "fp32"


def test_precision_counts_what_really_runs(tmp_path):
    """One convolution between quantisers, one in float behind it."""
    path = make_onnx(tmp_path / "m.onnx", outputs="logits")
    model = onnx.load(path)
    graph = model.graph
    kernel = onnx.numpy_helper.from_array
    graph.initializer.extend(
        [
            kernel(np.float32(0.1), "scale"),
            kernel(np.int8(0), "zero"),
            kernel(np.float32(1.0), "wide"),
            kernel(np.uint8(0), "origin"),
            kernel(np.ones((4, 4, 3, 3), np.float32), "second"),
            kernel(np.ones((4, 3, 1, 1), np.int8), "first"),
        ]
    )
    make = onnx.helper.make_node
    del graph.node[-1]
    graph.node.extend(
        [
            make("QuantizeLinear", ["planes", "wide", "origin"], ["q"]),
            make("DequantizeLinear", ["q", "wide", "origin"], ["dq"]),
            make("DequantizeLinear", ["first", "scale", "zero"], ["w"]),
            make("Conv", ["dq", "w"], ["c"]),
            make("QuantizeLinear", ["c", "wide", "origin"], ["qc"]),
            make("DequantizeLinear", ["qc", "wide", "origin"], ["dqc"]),
            make("Conv", ["dqc", "second"], ["logits"], pads=[1, 1, 1, 1]),
        ]
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    assert (
        open_backend(path, threads=1).precision
        == "int8 (1 of 2 convolutions and matrix products; the rest fp32)"
    )


class Nvidia:
    """ONNX Runtime as if a GPU were there: it notes who was asked, and the CPU does the work."""

    def __init__(self, monkeypatch, *providers):
        self.asked = []
        session = onnxruntime.InferenceSession

        def make(path, options, *, providers, enable_fallback):
            assert not enable_fallback
            self.asked.append(providers)
            made = session(path, options, providers=["CPUExecutionProvider"])
            monkeypatch.setattr(made, "get_providers", lambda: [name for name, _ in providers])
            return made

        monkeypatch.setattr(onnxruntime, "InferenceSession", make)
        there = [*providers, "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)


CPU, CUDA = ("CPUExecutionProvider", {}), ("CUDAExecutionProvider", {"use_tf32": "0"})
TENSORRT = ("TensorrtExecutionProvider", {})


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        ({}, [CUDA, CPU]),
        ({"provider": "cpu"}, [CPU]),
        ({"provider": "cuda"}, [CUDA, CPU]),
        ({"provider": "tensorrt"}, [TENSORRT, CUDA, CPU]),
    ],
)
def test_the_provider_that_the_manifest_names(tmp_path, monkeypatch, deployment, expected):
    path = make_onnx(tmp_path / "m.onnx", manifest=make_manifest(deployment=deployment))
    nvidia = Nvidia(monkeypatch, "TensorrtExecutionProvider", "CUDAExecutionProvider")
    open_backend(path, threads=1)
    assert nvidia.asked[-1] == expected


def test_a_provider_that_is_not_there_is_told_of(tmp_path):
    manifest = make_manifest(deployment={"provider": "cuda"})
    backend = open_backend(make_onnx(tmp_path / "m.onnx", manifest=manifest), threads=1)
    assert backend.run(_zeros())["ids"].shape == (1, 12, 16)
    assert backend.precision == "fp32 on CPU"


def test_precision_names_what_ran_each_kernel(tmp_path, monkeypatch):
    path = make_onnx(tmp_path / "m.onnx")
    Nvidia(monkeypatch, "CUDAExecutionProvider")
    assert open_backend(path, threads=1).precision == "fp32 on CPU"  # as the profile says

    monkeypatch.setattr(
        "curbside.runtime.backends.onnx_runtime._profile",
        lambda *_: [
            {"args": {"op_name": "Conv", "input_type_shape": [{"float": []}], "provider": name}}
            for name in ("CUDAExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
        ],
    )
    assert open_backend(path, threads=1).precision == (
        "fp32 on CUDA (2 of 3 convolutions and matrix products; the rest fp32 on CPU)"
    )
    monkeypatch.setattr("curbside.runtime.backends.onnx_runtime._profile", lambda *_: [])
    assert open_backend(path, threads=1).precision == "fp32 on CUDA"


def test_a_provider_that_nobody_has(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", manifest=make_manifest(deployment={"provider": "npu"}))
    with pytest.raises(ModelFileError, match="asks for the provider 'npu'"):
        open_backend(path, threads=1)
