"""The chip's 8 bits: rounded where the chip rounds, and close to the float network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from stand_ins.hailo import install_hailort, make_hef
from tiny_models import WEIGHTS, make_onnx

from curbside.deploy import CalibrationSet, read_manifest, write_manifest
from curbside.deploy.graphs.cut import Cut, cut_network, twin
from curbside.deploy.hailo.emulation import emulation
from curbside.deploy.hailo.layers import layers_of
from curbside.runtime import load_predictor


def pictures(count: int = 4, size_hw: tuple[int, int] = (12, 16)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, *size_hw, 3), np.uint8) for _ in range(count)]


def cut_of(path: Path) -> Cut:
    proto = onnx.load(str(path))
    return cut_network(proto, read_manifest(proto, path))


def ran(proto: onnx.ModelProto, picture: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"frame": picture})


def test_a_convolution_rounds_picture_weights_and_scores(tmp_path):
    cut = cut_of(make_onnx(tmp_path / "m.onnx", outputs="logits"))
    seen = pictures()
    (made,) = ran(emulation(cut, seen), seen[0])
    # The picture is whole numbers of 0..255, so its 8 bits are exact; weights have 127 steps.
    scale = np.abs(WEIGHTS).max(1, keepdims=True) / 127
    scores = [picture[0] @ (np.rint(WEIGHTS / scale) * scale).T for picture in seen]
    plain = [picture[0].astype(float) @ WEIGHTS.T for picture in seen]
    low, high = min(p.min() for p in plain), max(p.max() for p in plain)
    step = (high - low) / 255
    zero = np.rint(-low / step)
    expected = (np.clip(np.rint(scores[0] / step) + zero, 0, 255) - zero) * step
    assert np.abs(made[0] - expected).max() <= step * 1.001  # a tie may round the other way
    assert (np.abs(made[0] - expected) < step / 100).mean() > 0.99
    assert len(np.unique(np.rint(made / step))) <= 256


def test_nothing_is_rounded_between_a_convolution_and_its_activation(yolo_cut):
    layers = layers_of(yolo_cut.proto)
    first = next(layer for layer in layers if layer.first.name == "/model.0/conv/Conv")
    assert [node.op_type for node in first.nodes] == ["Conv", "Sigmoid", "Mul"]
    blank = np.zeros((1, 640, 640, 3), np.uint8)
    proto = emulation(yolo_cut, [blank])
    rounded = {node.input[0] for node in proto.graph.node if node.op_type == "QuantizeLinear"}
    assert first.outputs[0] in rounded
    assert first.first.output[0] not in rounded
    kinds = {node.output[0]: node.op_type for node in proto.graph.node}
    assert {"Concat", "MaxPool", "Resize", "ConvTranspose", "Slice", "Add", "Conv", "Sigmoid"} <= {
        kinds[name] for name in rounded
    }
    weights = [node for node in proto.graph.node if node.name.endswith("weight_rounded")]
    assert len(weights) == 76


def test_layers_kept_wide_are_not_rounded(tmp_path):
    cut = cut_of(make_onnx(tmp_path / "m.onnx", outputs="logits", stride=2))
    seen = pictures()
    names = {node.name for node in cut.proto.graph.node}
    (exact,), (wide,) = ran(twin(cut), seen[0]), ran(emulation(cut, seen, wide=names), seen[0])
    np.testing.assert_allclose(wide, exact, atol=1e-3)
    assert np.abs(ran(emulation(cut, seen), seen[0])[0] - exact).max() > 0.1


def test_dense_layers_round_along_their_outputs(tmp_path):
    cut = cut_of(make_onnx(tmp_path / "m.onnx", outputs="logits"))
    weight = np.array([[100, 0.5], [-100, 0.25], [50, -0.5]], np.float32)
    graph = cut.proto.graph
    del graph.node[:]
    start = cut.start
    graph.node.extend(
        [
            helper.make_node("GlobalAveragePool", [start], ["mean"], name="pool"),
            helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
            helper.make_node("Gemm", ["flat", "dense"], ["two"], name="dense"),
            helper.make_node("Reshape", ["two", "shape"], ["logits"], name="map"),
        ]
    )
    graph.initializer.append(numpy_helper.from_array(weight, "dense"))
    graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 1, 1]), "shape"))
    proto = emulation(cut, pictures())
    scale = next(item for item in proto.graph.initializer if item.name == "dense_scale")
    np.testing.assert_allclose(numpy_helper.to_array(scale), [100 / 127, 0.5 / 127], rtol=1e-6)


def test_yolo_keeps_most_of_its_objects(yolo, yolo_cut, frames, tmp_path):
    spec = yolo_cut.manifest
    proto = twin(yolo_cut)
    write_manifest(proto, spec)
    (tmp_path / "float.onnx").write_bytes(proto.SerializeToString())
    with load_predictor(tmp_path / "float.onnx") as part:
        seen = [part.prepare(frame) for frame in frames]
        found = [part(frame) for frame in frames]
    proto = emulation(yolo_cut, seen)
    write_manifest(proto, spec)
    (tmp_path / "bits.onnx").write_bytes(proto.SerializeToString())
    with load_predictor(tmp_path / "bits.onnx") as bits:
        rounded = [bits(frame) for frame in frames]
    objects = sum(len(result.scores) for result in found)
    assert objects >= 5
    assert abs(sum(len(result.scores) for result in rounded) - objects) <= max(2, objects // 5)


def test_yolo_on_the_chip_is_yolo_cut(monkeypatch, yolo, frames, tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, np.stack([frame[:96, :128, ::-1] for frame in frames]))
    hef = make_hef(monkeypatch, yolo[0], tmp_path / "y.hef", CalibrationSet.load(path))
    install_hailort(monkeypatch)
    found = 0
    with load_predictor(hef) as chip, load_predictor(yolo[0]) as whole:
        for frame in frames[:3]:
            one, other = whole(frame), chip(frame)
            found += len(one.scores)
            np.testing.assert_array_equal(other.class_ids, one.class_ids)
            np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)
            np.testing.assert_allclose(other.boxes_xyxy, one.boxes_xyxy, atol=0.01)
    assert found > 0


@pytest.mark.parametrize("outputs", ["ids", "logits"])
def test_it_is_reproducible(tmp_path, outputs):
    cut = cut_of(make_onnx(tmp_path / "m.onnx", outputs=outputs))
    first, second = (emulation(cut, pictures()).SerializeToString() for _ in range(2))
    assert first == second
