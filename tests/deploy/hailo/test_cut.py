"""Where a network is cut, and that the cut graph with the host's part is the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import WEIGHTS, make_manifest, make_onnx

from curbside.deploy import check_operators, read_manifest, target_named, write_manifest
from curbside.deploy.graphs.cut import Cut, cut_network, twin
from curbside.deploy.hailo.layers import predicted_names
from curbside.errors import ModelFileError
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.runtime import load_predictor

HEADS = [
    f"/model.22/cv{kind}.{level}/cv{kind}.{level}.2/Conv"
    for level in range(3)
    for kind in (2, 3, 4)
]
ENDS = [*HEADS, "/model.22/proto/cv3/act/Mul"]
PUBLISHED = [
    "conv44",
    "conv45",
    "conv46",
    "conv60",
    "conv61",
    "conv62",
    "conv73",
    "conv74",
    "conv75",
    "conv48",
]


def cut_of(path: Path) -> Cut:
    proto = onnx.load(str(path))
    return cut_network(proto, read_manifest(proto, path))


def saved(path: Path, cut: Cut) -> Path:
    proto = twin(cut)
    write_manifest(proto, cut.manifest)
    path.write_bytes(proto.SerializeToString())
    return path


def test_yolo_ends_at_the_ten_and_begins_with_pixels(yolo_cut):
    assert [end.node for end in yolo_cut.ends] == ENDS
    assert [end.name for end in yolo_cut.ends[:3]] == ["box_8", "class_8", "mask_8"]
    assert [end.shape for end in yolo_cut.ends[3:6]] == [(64, 40, 40), (80, 40, 40), (32, 40, 40)]
    assert (yolo_cut.start, yolo_cut.mean, yolo_cut.std) == ("images", (0, 0, 0), (255, 255, 255))
    spec = yolo_cut.manifest.input
    assert (spec.layout, spec.dtype, spec.channels, spec.scale) == ("NHWC", "uint8", "rgb", 1)
    assert spec.fit == "letterbox"
    assert all(output.layout == "NHWC" for output in yolo_cut.manifest.outputs)
    assert "Shape" not in {node.op_type for node in yolo_cut.proto.graph.node}


@pytest.mark.parametrize("target", ["hailo8", "hailo8l", "hailo10h"])
def test_what_is_left_of_yolo_is_taken(yolo_cut, target):
    check = check_operators(yolo_cut.proto, target_named(target))
    assert check.accepted
    check.require_accepted()


def test_the_published_names_are_predicted(yolo_cut):
    names = predicted_names(yolo_cut.proto, [end.node for end in yolo_cut.ends])
    assert [names[end] for end in ENDS] == PUBLISHED
    assert names["/model.0/conv/Conv"] == names["/model.0/act/Mul"] == "conv1"
    assert names["/model.22/proto/upsample/ConvTranspose"] == "deconv1"


def test_cut_and_decoded_is_the_whole_decoded(yolo, yolo_cut, frames, tmp_path):
    path, _ = yolo
    found = 0
    with (
        load_predictor(path) as whole,
        load_predictor(saved(tmp_path / "c.onnx", yolo_cut)) as part,
    ):
        for frame in frames[:3]:
            one, other = whole(frame), part(frame)
            found += len(one.scores)
            np.testing.assert_array_equal(other.class_ids, one.class_ids)
            np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)
            np.testing.assert_allclose(other.boxes_xyxy, one.boxes_xyxy, atol=0.01)
    assert found > 0


def test_a_semantic_network_ends_at_its_logits(float_file, tmp_path):
    cut = cut_of(float_file)
    assert cut.start == "image"
    assert [(end.name, end.tensor) for end in cut.ends] == [("logits", "logits")]
    np.testing.assert_allclose(cut.mean, np.multiply(255, (0.5, 0.4, 0.3)))
    np.testing.assert_allclose(cut.std, np.multiply(255, (0.2, 0.25, 0.3)))
    assert cut.manifest.input.channels == "rgb"
    frame = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    with (
        load_predictor(float_file) as whole,
        load_predictor(saved(tmp_path / "c.onnx", cut)) as part,
    ):
        assert (whole(frame).ids == part(frame).ids).mean() > 0.999


@pytest.mark.parametrize("outputs", ["ids", "logits", "confidence"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_graph_without_image_begins_behind_its_casts(tmp_path, outputs, layout):
    cut = cut_of(make_onnx(tmp_path / "m.onnx", outputs=outputs, stride=2, layout=layout))
    assert [node.op_type for node in cut.proto.graph.node][-1:] == ["Conv"]
    assert cut.manifest.input.channels == "bgr"
    frame = np.random.default_rng(1).integers(0, 256, (1, 12, 16, 3), np.uint8)
    made = twin(cut)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    (logits,) = session.run(None, {"frame": frame})
    blocks = frame.reshape(6, 2, 8, 2, 3).mean((1, 3))
    np.testing.assert_allclose(logits[0], blocks @ WEIGHTS.T, atol=1e-3)


def graph_file(path: Path, tail: list[onnx.NodeProto], **constants: np.ndarray) -> Path:
    """A network from elsewhere: floats in, a convolution, and a tail up to `out`."""
    weights = {"kernel": WEIGHTS[:, :, None, None], **constants}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernel"], ["scores"]), *tail],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 16])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    spec = InputSpec(
        name="x", size_hw=(12, 16), layout="NCHW", dtype="float32", channels="rgb", scale=1 / 255
    )
    outputs = (OutputSpec(name="out", meaning="logits"),)
    write_manifest(model, replace(make_manifest(), input=spec, outputs=outputs))
    path.write_bytes(model.SerializeToString())
    return path


def enlarged(mode: str, centred: str) -> list[onnx.NodeProto]:
    how = {"mode": mode, "coordinate_transformation_mode": centred}
    return [helper.make_node("Resize", ["scores", "", "twice"], ["out"], name="up", **how)]


TWICE = np.array([1, 1, 2, 2], np.float32)


def test_the_host_enlarges_what_it_can_enlarge_alike(tmp_path):
    cut = cut_of(graph_file(tmp_path / "m.onnx", enlarged("linear", "half_pixel"), twice=TWICE))
    assert (cut.ends[0].tensor, cut.ends[0].node, cut.ends[0].shape) == (
        "scores",
        "node_0",
        (4, 12, 16),
    )
    np.testing.assert_allclose(cut.std, 255)
    for mode, centred in (("nearest", "asymmetric"), ("linear", "align_corners")):
        cut = cut_of(graph_file(tmp_path / "m.onnx", enlarged(mode, centred), twice=TWICE))
        assert (cut.ends[0].node, cut.ends[0].shape) == ("up", (4, 24, 32))


def test_sizes_that_are_computed_become_constants(tmp_path):
    tail = [
        helper.make_node("Shape", ["scores"], ["shape"]),
        helper.make_node("Slice", ["shape", "two", "four"], ["sides"]),
        helper.make_node("Mul", ["sides", "factor"], ["larger"]),
        helper.make_node("Concat", ["front", "larger"], ["size"], axis=0),
        helper.make_node("Resize", ["scores", "", "", "size"], ["out"], name="up", mode="nearest"),
    ]
    longs = {"two": [2], "four": [4], "factor": [2, 2], "front": [1, 4]}
    constants = {name: np.array(value, np.int64) for name, value in longs.items()}
    cut = cut_of(graph_file(tmp_path / "m.onnx", tail, **constants))
    assert [node.op_type for node in cut.proto.graph.node] == ["Conv", "Resize"]
    assert cut.ends[0].shape == (4, 24, 32)


def test_what_cannot_be_cut_is_one_line(tmp_path, yolo):
    path = graph_file(tmp_path / "m.onnx", [helper.make_node("ReduceMean", ["scores"], ["out"])])
    with pytest.raises(ModelFileError, match=r"no \(1, C, h, w\) map|has 4 classes"):
        cut_of(path)
    proto = onnx.load(str(yolo[0]))
    for node in proto.graph.node:
        if node.name == "/model.22/dfl/conv/Conv":
            weight = next(item for item in proto.graph.initializer if item.name == node.input[1])
            wrong = numpy_helper.to_array(weight)[:, ::-1]
            weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(wrong), weight.name))
    with pytest.raises(ModelFileError, match="YOLOv8-seg export") as caught:
        cut_network(proto, yolo[1])
    assert "\n" not in str(caught.value)


def test_a_cut_of_a_cut_is_refused(yolo_cut, tmp_path):
    manifest: Manifest = yolo_cut.manifest
    with pytest.raises(ModelFileError, match="no sigmoid makes the probabilities"):
        cut_network(twin(yolo_cut), manifest)
