"""What a target's compiler takes: graphs built node by node, and graphs of real networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from color_scenes import SIZE_HW, build, scene
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from curbside.deploy import OperatorCheck, check_operators, target_named, targets
from curbside.errors import ConfigError, ModelFileError
from curbside.export import ExportConfig, check_export, export_onnx
from curbside.labels import LabelSpace
from curbside.models import ModelOutput, SegmentationModel

MAP = (1, 8, 12, 16)
Node = tuple[str, list[Any], dict[str, Any]]


def check(*nodes: Node, shape: tuple[int, ...] = MAP) -> OperatorCheck:
    """Judge a chain of nodes: each reads the one before it where its inputs say "", arrays are constants."""
    made = [helper.make_node("Exp", ["frame"], ["image"])]  # Exp would be refused, but lies outside
    constants, last = [], "image"
    for number, (kind, inputs, attributes) in enumerate(nodes):
        names = []
        for place, value in enumerate(inputs):
            if isinstance(value, str):
                names.append(value or last)
            else:
                names.append(f"constant_{number}_{place}")
                constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        last = "logits" if number == len(nodes) - 1 else f"x{number}"
        outputs = [last, "places"] if attributes.pop("two", False) else [last]
        made.append(helper.make_node(kind, names, outputs, name=f"n{number}", **attributes))
    made.append(helper.make_node("Exp", ["logits"], ["out"]))
    results = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    start = helper.make_tensor_value_info("frame", TensorProto.FLOAT, shape)
    graph = helper.make_graph(made, "chain", [start], results, constants)
    opsets = [helper.make_opsetid("", 17)]
    return check_operators(helper.make_model(graph, opset_imports=opsets), target_named("hailo8"))


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def longs(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def sizes(*values: int) -> list[Any]:
    return ["", weights(0), weights(0), longs(*values)]


PADS = longs(0, 0, 1, 1, 0, 0, 1, 1)
TWICE = sizes(1, 8, 24, 32)

ACCEPTED: dict[str, tuple[Node, ...]] = {
    "convolution": (("Conv", ["", weights(4, 8, 3, 3)], {"pads": [1] * 4, "strides": [2, 2]}),),
    "depthwise": (("Conv", ["", weights(8, 1, 3, 3)], {"group": 8}),),
    "grouped": (("Conv", ["", weights(4, 4, 3, 3)], {"group": 2}),),
    "dilated": (("Conv", ["", weights(4, 8, 3, 3)], {"dilations": [2, 2]}),),
    "transposed": (("ConvTranspose", ["", weights(8, 4, 2, 2)], {"strides": [2, 2]}),),
    "transposed, padded": (
        (
            "ConvTranspose",
            ["", weights(8, 4, 3, 3)],
            {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]},
        ),
    ),
    "max pooling": (("MaxPool", [""], {"kernel_shape": [3, 3], "strides": [2, 2]}),),
    "rounding up without effect": (
        ("MaxPool", [""], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ),
    "mean pooling": (("AveragePool", [""], {"kernel_shape": [2, 2]}),),
    "gate": (
        ("GlobalAveragePool", [""], {}),
        ("Sigmoid", [""], {}),
        ("Mul", ["image", ""], {}),
    ),
    "mean over the picture": (("ReduceMean", [""], {"axes": [2, 3]}),),
    "bilinear": (
        ("Resize", TWICE, {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ),
    "nearest": (("Resize", TWICE, {"mode": "nearest"}),),
    "joined": (("Concat", ["", "image"], {"axis": 1}),),
    "arithmetic": (
        ("Add", ["", "image"], {}),
        ("Mul", ["", weights(8, 1, 1)], {}),
        ("Div", ["", np.float32(2)], {}),
    ),
    "activations": tuple(
        (kind, [""], {})
        for kind in ("Relu", "LeakyRelu", "Elu", "Tanh", "HardSigmoid", "HardSwish", "Sigmoid")
    ),
    "ReLU6": (("Clip", ["", np.float32(0), np.float32(6)], {}),),
    "PReLU": (("PRelu", ["", weights(8, 1, 1)], {}),),
    "GELU in parts": (
        ("Div", ["", np.float32(1.41)], {}),
        ("Erf", [""], {}),
        ("Add", ["", np.float32(1)], {}),
        ("Mul", ["", "image"], {}),
    ),
    "softmax over classes": (("Softmax", [""], {"axis": 1}),),
    "pixel shuffle": (("DepthToSpace", [""], {"blocksize": 2}),),
    "slice": (("Slice", ["", longs(0), longs(4), longs(1), longs(1)], {}),),
    "padding": (("Pad", ["", PADS], {}),),
    "dense behind global pooling": (
        ("GlobalAveragePool", [""], {}),
        ("Flatten", [""], {"axis": 1}),
        ("Gemm", ["", weights(8, 4)], {}),
        ("Reshape", ["", longs(1, 4, 1, 1)], {}),
    ),
    "normalisation": (("BatchNormalization", ["", *[weights(8)] * 4], {}),),
}

REFUSED: dict[str, tuple[tuple[Node, ...], str]] = {
    "computed weights": ((("Conv", ["", ""], {}),), "weights are computed"),
    "dilated and strided": (
        (("Conv", ["", weights(4, 8, 3, 3)], {"dilations": [2, 2], "strides": [2, 2]}),),
        "both dilation and stride",
    ),
    "transposed, grouped": (
        (("ConvTranspose", ["", weights(8, 2, 2, 2)], {"strides": [2, 2], "group": 2}),),
        "groups",
    ),
    "transposed, odd size": (
        (("ConvTranspose", ["", weights(8, 4, 3, 3)], {"strides": [2, 2]}),),
        "times the stride",
    ),
    "rounding up": (
        (("MaxPool", [""], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),),
        "rounds its size up",
    ),
    "dilated pooling": (
        (("MaxPool", [""], {"kernel_shape": [2, 2], "dilations": [2, 2]}),),
        "dilation",
    ),
    "mean over channels": ((("ReduceMean", [""], {"axes": [1]}),), "other axes"),
    "mean that drops axes": (
        (("ReduceMean", [""], {"axes": [2, 3], "keepdims": 0}),),
        "other axes",
    ),
    "cubic": ((("Resize", TWICE, {"mode": "cubic"}),), "bilinear"),
    "odd coordinates": (
        (("Resize", TWICE, {"coordinate_transformation_mode": "tf_crop_and_resize"}),),
        "tf_crop_and_resize",
    ),
    "resized channels": ((("Resize", sizes(1, 16, 12, 16), {}),), "more than height and width"),
    "joined rows": ((("Concat", ["", "image"], {"axis": 2}),), "join channels"),
    "one map for all channels": (
        (("Conv", ["", weights(1, 8, 1, 1)], {}), ("Mul", ["image", ""], {})),
        "spreads one map",
    ),
    "softmax over columns": ((("Softmax", [""], {"axis": -1}),), "over the channels"),
    "split rows": ((("Split", ["", longs(12)], {"axis": 2}),), "split channels"),
    "backward slice": (
        (("Slice", ["", longs(7), longs(0), longs(1), longs(-1)], {}),),
        "forward slice",
    ),
    "mirrored border": ((("Pad", ["", PADS], {"mode": "reflect"}),), "zero padding"),
    "border of ones": ((("Pad", ["", PADS, np.float32(1)], {}),), "zero padding"),
    "more channels by padding": (
        (("Pad", ["", longs(0, 0, 0, 0, 0, 8, 0, 0)], {}),),
        "zero padding",
    ),
    "tokens": ((("Reshape", ["", longs(1, 8, 192)], {}),), "rearranges a map"),
    "transposed axes": ((("Transpose", [""], {"perm": [0, 2, 3, 1]}),), "reorders axes"),
    "attention": ((("MatMul", ["", ""], {}),), "as attention does"),
    "matrix on a map": ((("MatMul", ["", weights(16, 4)], {}),), "map by a matrix"),
    "matrix on many rows": (
        (("Gemm", ["", weights(12, 4)], {}),),
        "map by a matrix",
    ),
    "tokens added": ((("Add", ["", "image"], {}),), "not (B, C, H, W) maps"),
    "slopes that are computed": ((("PRelu", ["", ""], {}),), "slopes"),
    "error function alone": ((("Erf", [""], {}),), "no part of GELU"),
    "picked by index": ((("Gather", ["", longs(0, 1)], {"axis": 1}),), "picks by index"),
    "read where data say": (
        (("GatherElements", ["", np.zeros(MAP, np.int64)], {"axis": 3}),),
        "computed values decide",
    ),
    "chosen by data": (
        (("Where", [np.ones(MAP, bool), "", "image"], {}),),
        "chooses by comparing",
    ),
    "layer normalisation": (
        (("LayerNormalization", ["", weights(16)], {}),),
        "layer normalisation",
    ),
    "unheard of": ((("Det", [""], {}),), "not known to be taken"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_taken(case: str) -> None:
    found = check(*ACCEPTED[case])
    assert found.accepted, found
    assert sum(finding.count for finding in found.findings) == len(ACCEPTED[case])
    found.require_accepted()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_reason_and_advice(case: str) -> None:
    nodes, message = REFUSED[case]
    shapes = {"computed weights": (12, 12, 12, 12), "matrix on many rows": (8, 12)}
    found = check(*nodes, shape={**shapes, "tokens added": (1, 192, 8)}.get(case, MAP))
    refused = [finding for finding in found.findings if not finding.accepted]
    assert len(refused) == 1 and refused[0].kind == nodes[-1][0], found
    assert message in refused[0].reason and refused[0].advice
    assert refused[0].example == f"n{len(nodes) - 1}"
    with pytest.raises(ModelFileError, match=f"Hailo-8 .* would refuse 1 {nodes[-1][0]}"):
        found.require_accepted()


def test_places_of_maxima_are_refused_only_where_somebody_reads_them() -> None:
    def pool() -> Node:
        return "MaxPool", [""], {"kernel_shape": [2, 2], "two": True}

    assert check(pool()).accepted
    found = check(pool(), ("Cast", ["places"], {"to": TensorProto.FLOAT}), ("Mul", ["", "x0"], {}))
    reasons = {finding.kind: finding.reason for finding in found.findings}
    assert "places of its maxima" in reasons["MaxPool"]


def test_alike_operators_are_counted_together_and_refused_ones_come_first() -> None:
    found = check(
        ("Relu", [""], {}),
        ("Pad", ["", PADS], {"mode": "reflect"}),
        ("Relu", [""], {}),
        ("Pad", ["", PADS], {}),
    )
    listed = [(f.kind, f.count, f.accepted) for f in found.findings]
    assert listed == [("Pad", 1, False), ("Relu", 2, True), ("Pad", 1, True)]
    about = found.to_dict()
    assert about["accepted"] is False and about["operators"][0]["example"] == "n1"


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("kind", ["lraspp", "deeplab"])
def test_the_edge_networks_are_taken(kind: str, opset: int) -> None:
    config = ExportConfig(size_hw=SIZE_HW, opset=opset, target="hailo8")
    found = check_export(build(kind), config)
    assert found.accepted, found
    assert {finding.kind for finding in found.findings} >= {"Conv", "Resize", "GlobalAveragePool"}
    assert not {finding.kind for finding in found.findings} & {"ArgMax", "Cast", "Transpose"}


def test_the_named_tensors_hold_what_their_names_say(
    tmp_path: Path, float_file: Path, fitted: SegmentationModel
) -> None:
    proto = onnx.load(str(float_file))
    for name in ("image", "logits"):
        proto.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    rgb, _ = scene(4)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    image, logits = session.run(["image", "logits"], {"frame": rgb[None, ..., ::-1].copy()})
    norm = fitted.normalization
    expected = ((rgb / 255 - norm.mean) / norm.std).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(image, expected, atol=1e-5)
    with torch.no_grad():
        scores = fitted(torch.from_numpy(image)).logits.numpy()
    np.testing.assert_allclose(logits, scores, atol=1e-3)


class Odd(SegmentationModel):
    """A network with something in it that devices do not take."""

    def __init__(self, part: str) -> None:
        super().__init__(num_classes=4)
        self.scores = nn.Conv2d(3, 4, 1)
        self.part = part

    def forward(self, image: Tensor) -> ModelOutput:
        logits = self.scores(image)
        if self.part == "attention":
            logits = logits.softmax(dim=-1) @ logits.transpose(2, 3)
        else:
            logits = logits * (logits > 0).nonzero().shape[0]
        return ModelOutput(logits=logits)


def test_what_would_be_refused_is_not_written(tmp_path: Path, space: LabelSpace) -> None:
    path, model = tmp_path / "m.onnx", Odd("attention").eval()
    config = ExportConfig(size_hw=(64, 64), target="hailo8")
    with pytest.raises(ModelFileError, match=r"would refuse 1 MatMul.*as attention does; also"):
        export_onnx(model, path, config=config, space=space, title="odd")
    assert not list(tmp_path.iterdir())
    export_onnx(model, path, config=ExportConfig(size_hw=(64, 64)), space=space, title="odd")
    assert path.is_file()


def test_a_graph_whose_sizes_are_not_fixed_is_not_written(
    tmp_path: Path, space: LabelSpace
) -> None:
    config = ExportConfig(size_hw=(64, 64))
    with pytest.raises(ModelFileError, match=r"not of one fixed shape: .* is a NonZero"):
        export_onnx(Odd("").eval(), tmp_path / "m.onnx", config=config, space=space, title="odd")
    assert not list(tmp_path.iterdir())


def test_targets_are_found_and_named() -> None:
    assert "hailo8" in targets()
    with pytest.raises(ConfigError, match=r"no target 'hailo7'; choose one of .*hailo8"):
        ExportConfig(size_hw=(64, 64), target="hailo7")
