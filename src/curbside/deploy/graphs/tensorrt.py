"""An ONNX graph as TensorRT takes it: bytes only at its ends, and integers said by pairs of nodes."""

from __future__ import annotations

import tempfile
from collections.abc import Set
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

from ...manifest import Manifest
from ...runtime import NetworkPredictor
from ..calibration import CalibrationSet
from ..feed import Feed, quiet
from .heads import heads_of
from .nodes import name_nodes

__all__ = ["explicit_integers", "fit_for_tensorrt", "float_ends"]

_MOVING = ("Transpose", "Slice", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_INTEGER_LAYERS = [*_PRODUCTS, "Add", "MaxPool", "AveragePool", "GlobalAveragePool"]
_WHOLE = (TensorProto.INT32, TensorProto.INT64)


def fit_for_tensorrt(proto: ModelProto) -> None:
    """Rewrite a graph so that TensorRT reads and writes bytes, in place; its answers stay the same.

    TensorRT has bytes at a network's ends alone: a byte that comes in must become a float before
    anything else is done with it, even before axes are swapped, and only a float becomes a byte.

    Source: NVIDIA, TensorRT Python API, DataType.UINT8; github.com/NVIDIA/TensorRT/issues/3985.
    """
    name_nodes(proto)
    kinds = _kinds(proto)
    for item in proto.graph.input:
        if item.type.tensor_type.elem_type == TensorProto.UINT8:
            _float_at_once(proto, item.name)
    made_by = {name: node for node in proto.graph.node for name in node.output}
    for item in proto.graph.output:
        node = made_by.get(item.name)
        if (
            item.type.tensor_type.elem_type == TensorProto.UINT8
            and node is not None
            and node.op_type == "Cast"
            and kinds.get(node.input[0]) in _WHOLE
        ):
            _float_between(proto, node)
    del proto.graph.value_info[:]


def _kinds(proto: ModelProto) -> dict[str, int]:
    """The type of every tensor that can be told."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    return {
        item.name: item.type.tensor_type.elem_type
        for items in (graph.value_info, graph.output, graph.input)
        for item in items
    }


def _float_at_once(proto: ModelProto, name: str) -> None:
    """Move the cast of an input in front of the nodes that only move its values."""
    path: list[NodeProto] = []
    nodes, reached = proto.graph.node, name
    while True:
        users = [node for node in nodes if reached in node.input]
        if len(users) != 1 or users[0].op_type not in (*_MOVING, "Cast"):
            return
        if users[0].op_type == "Cast":
            break
        path.append(users[0])
        reached = users[0].output[0]
    cast = users[0]
    if not path or helper.get_attribute_value(cast.attribute[0]) != TensorProto.FLOAT:
        return
    for node in nodes:
        for place, source in enumerate(node.input):
            if source == cast.output[0]:
                node.input[place] = reached
    place = list(nodes).index(path[0])
    path[0].input[0] = cast.output[0]
    cast.input[0] = name
    moved = NodeProto()
    moved.CopyFrom(cast)
    nodes.remove(cast)
    nodes.insert(place, moved)


def _float_between(proto: ModelProto, cast: NodeProto) -> None:
    """Let whole numbers become bytes by way of floats."""
    between = f"{cast.output[0]}_as_float"
    node = helper.make_node("Cast", [cast.input[0]], [between], name=between, to=TensorProto.FLOAT)
    proto.graph.node.insert(list(proto.graph.node).index(cast), node)
    cast.input[0] = between


def float_ends(proto: ModelProto, manifest: Manifest) -> set[str]:
    """Names of the nodes that compute before the first and after the last convolutions and matrix
    products: integers there would coarsen the picture and the scores, and gain nothing. Where the
    network decodes its objects itself, all of that counts as after."""
    heads = heads_of(proto, manifest)
    readers: dict[str, list[NodeProto]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    made_by = {name: node for node in proto.graph.node for name in node.output}
    found: dict[str, NodeProto] = {}
    waiting = [node for item in proto.graph.input for node in readers.get(item.name, [])]
    while waiting:
        node = waiting.pop()
        if node.op_type not in _PRODUCTS and node.name not in found:
            found[node.name] = node
            waiting += [user for name in node.output for user in readers.get(name, [])]
    names = [item.name for item in proto.graph.output]
    while names:
        name = names.pop()
        made = made_by.get(name)
        stops = name in heads if heads else made is not None and made.op_type in _PRODUCTS
        if made is not None and not stops and made.name not in found:
            found[made.name] = made
            names += made.input
    return {
        name for name, node in found.items() if node.op_type not in (*_MOVING, "Cast", "ArgMax")
    }


def explicit_integers(
    proto: ModelProto,
    predictor: NetworkPredictor,
    calibration: CalibrationSet,
    *,
    keep_float: Set[str],
) -> ModelProto:
    """The graph with a pair of nodes, to 8 bits and back, before everything that may be an integer.

    TensorRT wants both zero points to be 0, weights as float with a pair of their own, biases as
    they are, and pairs that no two layers share.

    Args:
        proto: A float graph that `fit_for_tensorrt` rewrote.
        predictor: The float network, which prepares the pictures.
        calibration: The pictures that tell the range of every tensor.
        keep_float: Names of nodes that stay in float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory(prefix="curbside-") as folder, quiet():
        written = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.shape_inference.infer_shapes(proto),
            str(written),
            Feed(predictor, calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_INTEGER_LAYERS,
            nodes_to_exclude=sorted(keep_float),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "AddQDQPairToWeight": True,
                "QuantizeBias": False,
                "DedicatedQDQPair": True,
                "OpTypesToExcludeOutputQuantization": _INTEGER_LAYERS,
                "CalibMovingAverage": True,
            },
        )
        return onnx.load(str(written))
