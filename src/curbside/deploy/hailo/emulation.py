"""The chip's 8 bits in ONNX Runtime: what a Hailo chip will probably answer, before anyone owns one.

Assumed of the chip, from what is public of its compiler:

- Every tensor between layers is 8 bits, one scale and zero point each, over the range that was seen on
  the calibration pictures, zero included; so are the normalised picture and the outputs.
- A layer is an operator with its activation (`layers_of`): nothing is rounded between the two.
- Weights are 8 bits per output channel, symmetric; biases and sums are exact.
- Layers that are kept wide (16 bits) are exact here.

What the compiler does beyond that to keep accuracy (equalisation, bias correction, fine-tuning,
AdaRound) is not done here, so levels above 0 should lose less than this says; what the chip does
otherwise (shifts of sums, tables for activations) is not known. So it is a prediction, not the chip.

ONNX Runtime's own quantiser rounds between a convolution and its activation, for which it has no
integer kernel either; so the pairs of QuantizeLinear and DequantizeLinear are set here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ..graphs.cut import FRONT, Cut, twin
from .layers import Layer, layers_of

__all__ = ["emulation"]

_WEIGHTED = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}
"""Operators with weights, and the axis of their output channels."""


def emulation(
    cut: Cut, pictures: Iterable[np.ndarray], *, wide: Collection[str] = ()
) -> ModelProto:
    """The twin of a cut graph with the chip's 8 bits, as far as they are known.

    Args:
        cut: The network.
        pictures: (1, H, W, 3) uint8 each, as the device's file takes them.
        wide: Names of nodes whose layers are kept wide.
    """
    made = twin(cut)
    outside = {*FRONT[:-1], *(end.name for end in cut.ends)}
    layers = [layer for layer in layers_of(made) if layer.first.name not in outside]
    narrow = [layer for layer in layers if not any(node.name in wide for node in layer.nodes)]
    tensors = [name for layer in narrow for name in layer.outputs if name]
    ranges = _ranges(made, tensors, pictures)
    _round_weights(made, narrow)
    _round_tensors(made, ranges)
    onnx.checker.check_model(made)
    return made


def _ranges(
    proto: ModelProto, tensors: list[str], pictures: Iterable[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of every tensor over all pictures, zero included."""
    from onnxruntime import InferenceSession, SessionOptions

    probe = ModelProto()
    probe.CopyFrom(proto)
    del probe.graph.output[:]
    for name in tensors:
        for kind in ("Min", "Max"):
            out = f"{name}_{kind}"
            node = helper.make_node(f"Reduce{kind}", [name], [out], name=out, keepdims=0)
            probe.graph.node.append(node)
            probe.graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, []))
    options = SessionOptions()
    options.log_severity_level = 4
    session = InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    extremes = np.zeros((len(tensors), 2))
    for picture in pictures:
        seen = np.array(session.run(None, {"frame": picture}), np.float64).reshape(-1, 2)
        extremes[:, 0] = np.minimum(extremes[:, 0], seen[:, 0])
        extremes[:, 1] = np.maximum(extremes[:, 1], seen[:, 1])
    return {name: (low, high) for name, (low, high) in zip(tensors, extremes, strict=True)}


def _round_weights(proto: ModelProto, layers: Iterable[Layer]) -> None:
    """Weights as 8 bits per output channel, in place."""
    weights = {item.name: item for item in proto.graph.initializer}
    done: dict[str, list[NodeProto]] = {}
    for layer in layers:
        node = layer.first
        if node.op_type not in _WEIGHTED or node.input[1] not in weights:
            continue
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        axis = _WEIGHTED[node.op_type]
        if node.op_type == "Gemm":
            axis = 0 if given.get("transB", 0) else 1
        if node.op_type == "ConvTranspose" and given.get("group", 1) != 1:
            continue
        name = node.input[1]
        if name not in done:
            done[name] = _stored(proto, weights[name], axis)
        node.input[1] = done[name][0].output[0]
    nodes = [node for made in done.values() for node in made]
    _put_first(proto, nodes)
    used = {name for node in proto.graph.node for name in node.input}
    kept = [item for item in proto.graph.initializer if item.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)


def _stored(proto: ModelProto, weight: TensorProto, axis: int) -> list[NodeProto]:
    """The 8-bit form of a weight among the constants, and the node that reads it."""
    array = numpy_helper.to_array(weight)
    others = tuple(place for place in range(array.ndim) if place != axis)
    scale = np.abs(array).max(axis=others) / 127
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    shape = [-1 if place == axis else 1 for place in range(array.ndim)]
    rounded = np.clip(np.rint(array / scale.reshape(shape)), -127, 127).astype(np.int8)
    names = [f"{weight.name}_{part}" for part in ("int8", "scale", "zero")]
    zero = np.zeros(scale.shape, np.int8)
    for name, value in zip(names, (rounded, scale, zero), strict=True):
        proto.graph.initializer.append(numpy_helper.from_array(value, name))
    out = f"{weight.name}_rounded"
    return [helper.make_node("DequantizeLinear", names, [out], name=out, axis=axis)]


def _round_tensors(proto: ModelProto, ranges: dict[str, tuple[float, float]]) -> None:
    """Every tensor of `ranges` as 8 bits, in place."""
    rounded = {name: f"{name}_rounded" for name in ranges}
    nodes: list[NodeProto] = []
    for node in proto.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = rounded.get(name, name)
        nodes.append(node)
        for name in node.output:
            if name in ranges:
                nodes.extend(_pair(proto, name, *ranges[name]))
    ordered = [_copy(node) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)


def _pair(proto: ModelProto, name: str, low: float, high: float) -> list[NodeProto]:
    scale = max(high - low, 1e-8) / 255
    constants: dict[str, Any] = {
        f"{name}_scale": np.float32(scale),
        f"{name}_zero": np.uint8(np.clip(np.rint(-low / scale), 0, 255)),
    }
    for key, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), key))
    bits, out = f"{name}_8bit", f"{name}_rounded"
    return [
        helper.make_node("QuantizeLinear", [name, *constants], [bits], name=bits),
        helper.make_node("DequantizeLinear", [bits, *constants], [out], name=out),
    ]


def _put_first(proto: ModelProto, nodes: list[NodeProto]) -> None:
    ordered = [_copy(node) for node in (*nodes, *proto.graph.node)]
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)


def _copy(node: NodeProto) -> NodeProto:
    copied = NodeProto()
    copied.CopyFrom(node)
    return copied
