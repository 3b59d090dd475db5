"""A graph as the layers that Hailo's compiler makes of it, and the names it will probably give them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, helper

__all__ = ["Layer", "layers_of", "predicted_names"]

_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu")
_FUSED = (*_ACTIVATIONS, "PRelu", "Gelu", "Mish", "BatchNormalization")
_FUSING = ("Conv", "ConvTranspose", "Gemm", "Add")
_NAMES = {
    "Conv": "conv",
    "ConvTranspose": "deconv",
    "Gemm": "fc",
    "MaxPool": "maxpool",
    "AveragePool": "avgpool",
    "GlobalAveragePool": "avgpool",
    "Concat": "concat",
    "Add": "ew_add",
    "Mul": "ew_mult",
    "Resize": "resize",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What the chip does at once, with 8 bits only at its end: an operator and its activation."""

    nodes: tuple[NodeProto, ...]
    """The operator, then what is merged into it."""

    @property
    def first(self) -> NodeProto:
        """The operator."""
        return self.nodes[0]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that leave it."""
        return tuple(self.nodes[-1].output)


def layers_of(proto: ModelProto) -> list[Layer]:
    """The layers of a graph in the order of running; constants are none.

    A convolution or sum swallows the activation that is its only reader, and `x * sigmoid(x)`, which
    the chip computes on the sum that it has at hand, before rounding to 8 bits.
    """
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in proto.graph.node:
        for name in node.input:
            readers[name].append(node)
    layers: list[Layer] = []
    merged: set[str] = set()
    for node in proto.graph.node:
        if node.op_type == "Constant" or node.name in merged:
            continue
        parts = [node]
        while node.op_type in _FUSING and (more := _swallowed(readers, parts[-1])):
            parts.extend(more)
        merged.update(part.name for part in parts)
        layers.append(Layer(nodes=tuple(parts)))
    return layers


def _swallowed(readers: Mapping[str, list[NodeProto]], last: NodeProto) -> Sequence[NodeProto]:
    """What the layer that ends with `last` also does."""
    behind = readers[last.output[0]]
    if len(behind) == 1 and behind[0].op_type in _FUSED and last.op_type not in _ACTIVATIONS:
        return behind
    if len(behind) == 2 and {node.op_type for node in behind} <= {"Sigmoid", "HardSigmoid", "Mul"}:
        gate, product = sorted(behind, key=lambda node: node.op_type == "Mul")
        if gate.op_type != "Mul" and set(product.input) == {last.output[0], gate.output[0]}:
            return [gate, product]
    return ()


def predicted_names(proto: ModelProto, ends: Sequence[str]) -> dict[str, str]:
    """The name that the compiler will probably give to the layer of a node, by the node's name.

    It is not public how the compiler counts. This rule gives the published names of YOLOv8's layers
    (YOLOv8n-seg's ten ends; the class heads of YOLOv8n, s and m, and of the pose networks): breadth
    first, a padded convolution of stride 2 one step later than others, and of equals first what is
    nearer to an end, then in the order of the ends. It remains a guess, which the parsed archive
    corrects.

    Args:
        proto: The cut graph.
        ends: Names of the nodes that it ends with.
    """
    layers = layers_of(proto)
    owner = {name: place for place, layer in enumerate(layers) for name in _outputs(layer)}
    before = [
        dict.fromkeys(owner[name] for node in layer.nodes for name in node.input if name in owner)
        for layer in layers
    ]
    for place, own in enumerate(before):
        own.pop(place, None)
    by_node = {node.name: place for place, layer in enumerate(layers) for node in layer.nodes}
    rank = _distances(before, [by_node[name] for name in ends])
    step: dict[int, int] = {}
    for place, layer in enumerate(layers):  # in the order of running, so what is before it is known
        late = 1 + _is_padded(layer.first)
        step[place] = max((step[earlier] + late for earlier in before[place]), default=0)
    order = sorted(step, key=lambda place: (step[place], rank.get(place, (len(layers), 0))))
    counts: Counter[str] = Counter()
    names = {}
    for place in order:
        kind = _kind(proto, layers[place].first)
        counts[kind] += 1
        for node in layers[place].nodes:
            names[node.name] = f"{kind}{counts[kind]}"
    return names


def _outputs(layer: Layer) -> list[str]:
    return [name for node in layer.nodes for name in node.output]


def _distances(
    before: Sequence[Mapping[int, None]], ends: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """How far a layer is from the nearest end, and which place it has among those as far."""
    found: dict[int, tuple[int, int]] = {}
    ring = list(dict.fromkeys(ends))
    distance = 0
    while ring:
        found.update({place: (distance, number) for number, place in enumerate(ring)})
        further = dict.fromkeys(earlier for place in ring for earlier in before[place])
        ring = [place for place in further if place not in found]
        distance += 1
    return found


def _is_padded(node: NodeProto) -> bool:
    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    strides, pads = given.get("strides", [1]), given.get("pads", [0])
    return node.op_type == "Conv" and max(strides) > 1 and max(pads) > 0


def _kind(proto: ModelProto, node: NodeProto) -> str:
    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    weight = next((item for item in proto.graph.initializer if item.name in node.input[1:2]), None)
    if (
        node.op_type == "Conv"
        and weight is not None
        and given.get("group", 1) == weight.dims[0] > 1
    ):
        return "dw"
    return _NAMES.get(node.op_type, node.op_type.lower())
