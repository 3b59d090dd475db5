"""A temperature inside a graph: the scores that come out are divided by it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

__all__ = ["fold_temperature"]

_LAYERS = ("Conv", "ConvTranspose")
_LINEAR = ("Add", "Resize")
_RAW = "logits_before_temperature"


def fold_temperature(proto: ModelProto, temperature: float) -> None:
    """Divide the tensor `logits` of a graph by a temperature, in place.

    Where the layers that make it are convolutions, also resized and added up as in LR-ASPP, their
    weights are divided: no device has more to compute, no compiler another operator to refuse, and
    a quantiser rounds to the same integers. Otherwise one multiplication follows.

    Args:
        proto: A graph with a tensor `logits`; every weight an initializer.
        temperature: More than 0.
    """
    made_by = {name: node for node in proto.graph.node for name in node.output}
    weights = _weights_behind(proto, made_by)
    if weights is None:
        _multiply(proto, made_by["logits"], 1 / temperature)
        return
    for item in proto.graph.initializer:
        if item.name in weights:
            scaled = numpy_helper.to_array(item) / np.float32(temperature)
            item.CopyFrom(numpy_helper.from_array(scaled, item.name))


def _weights_behind(proto: ModelProto, made_by: dict[str, NodeProto]) -> set[str] | None:
    """Names of the weights and biases that `logits` is linear in; None where dividing them would
    change something else, too, or not be enough."""
    reads = Counter(name for node in proto.graph.node for name in node.input)
    known = {item.name for item in proto.graph.initializer}
    given = {output.name for output in proto.graph.output}
    weights: set[str] = set()
    waiting = ["logits"]
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        alone = name == "logits" or (reads[name] == 1 and name not in given)
        if node is None or not alone:
            return None
        if node.op_type in _LAYERS:
            own = [item for item in node.input[1:] if item]
            if any(item not in known or reads[item] != 1 for item in own):
                return None
            weights.update(own)
        elif node.op_type in _LINEAR:
            waiting.extend(node.input if node.op_type == "Add" else node.input[:1])
        else:
            return None
    return weights


def _multiply(proto: ModelProto, node: NodeProto, factor: float) -> None:
    """Put a multiplication between a node and everything that reads `logits`."""
    place = list(proto.graph.node).index(node) + 1
    node.output[list(node.output).index("logits")] = _RAW
    value = numpy_helper.from_array(np.array(factor, np.float32), "inverse_temperature")
    proto.graph.initializer.append(value)
    names = [_RAW, value.name]
    multiplication = helper.make_node("Mul", names, ["logits"], name="temperature")
    proto.graph.node.insert(place, multiplication)
