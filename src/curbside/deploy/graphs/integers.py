"""What makes a graph worth quantising: pixels stay bytes, and a light classifier stays float."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ...manifest import Manifest

__all__ = [
    "byte_ranges",
    "depth_activation",
    "fold_normalization",
    "merge_layers",
    "nodes_to_keep_float",
    "take_bytes",
]

_PIXELS, _CAST = "pixels", "pixels_as_float"
_WIDE = 128
_ACTIVATIONS = ("Relu", "Clip")
_PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def fold_normalization(proto: ModelProto, manifest: Manifest) -> bool:
    """Let the first convolution take the pixels as they are, in place.

    A frame is integers already. Normalised as float it must be rounded to 8 bits again, and ONNX
    Runtime moves the layout change of integer networks in front of the normalisation, where it
    costs 5 ms at 512x512 (a third of LR-ASPP). So scale, shift and colour order go into the
    weights. The convolution's zero padding stood for the mean colour; the frame gets a border of
    that colour, rounded to whole pixel values, which is closer than 8 bits of the normalised
    picture were.

    Args:
        proto: A graph that `export_onnx` made.
        manifest: Its Manifest.

    Returns:
        Whether it could be done: not for graphs from elsewhere, nor where something other than a
        plain convolution comes first. The graph is then as it was.
    """
    path, stem = _path_to_convolution(proto)
    values = {item.name: item for item in proto.graph.initializer}
    if proto.producer_name != "curbside" or stem is None or stem.input[1] not in values:
        return False
    options = {item.name: helper.get_attribute_value(item) for item in stem.attribute}
    if options.get("group", 1) != 1 or options.get("auto_pad", b"NOTSET") != b"NOTSET":
        return False
    mean = np.asarray(manifest.normalization.mean, np.float64) * 255
    std = np.asarray(manifest.normalization.std, np.float64) * 255
    weight = numpy_helper.to_array(values[stem.input[1]]).astype(np.float64)  # (O, 3, kh, kw), RGB
    weight = weight / std[:, None, None]
    bias = -np.einsum("oihw,i->o", weight, mean)
    if len(stem.input) == 3:
        bias += numpy_helper.to_array(values[stem.input[2]])
    color = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
    if manifest.input.channels == "bgr":
        weight, color = weight[:, ::-1], color[::-1]

    for node in path:
        proto.graph.node.remove(node)
    added, framed = _border(proto, manifest, color, options.get("pads", (0, 0, 0, 0)))
    added.append(
        helper.make_node("Transpose", [framed], [_PIXELS], name=_PIXELS, perm=[0, 3, 1, 2])
    )
    added.append(
        helper.make_node("Cast", [_PIXELS], [_CAST], name=_CAST, to=onnx.TensorProto.FLOAT)
    )
    for place, node in enumerate(added):
        proto.graph.node.insert(place, node)
    _store(proto, "stem_weight", weight.astype(np.float32))
    _store(proto, "stem_bias", bias.astype(np.float32))
    del stem.input[:]
    stem.input.extend([_CAST, "stem_weight", "stem_bias"])
    for item in stem.attribute:
        if item.name == "pads":
            item.ints[:] = [0, 0, 0, 0]
    _drop_unused(proto)
    return True


def _border(
    proto: ModelProto, manifest: Manifest, color: np.ndarray, pads: Sequence[int]
) -> tuple[list[NodeProto], str]:
    """Nodes that put a border of (top, left, bottom, right) around the frame, and its name then."""
    height, width = manifest.input.size_hw
    top, left, bottom, right = pads
    nodes, framed = [], manifest.input.name
    for axis, name, shapes in (
        (1, "rows", ((top, width), (bottom, width))),
        (2, "columns", ((top + height + bottom, left), (top + height + bottom, right))),
    ):
        if min(shapes[0]) == min(shapes[1]) == 0:
            continue
        for side, shape in zip(("before", "after"), shapes, strict=True):
            _store(proto, f"{name}_{side}", np.broadcast_to(color, (1, *shape, 3)))
        parts = [f"{name}_before", framed, f"{name}_after"]
        framed = f"with_{name}"
        nodes.append(helper.make_node("Concat", parts, [framed], name=framed, axis=axis))
    return nodes, framed


def _store(proto: ModelProto, name: str, array: np.ndarray) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))


def byte_ranges() -> dict[str, list[dict[str, np.ndarray]]]:
    """What the quantiser is told after `fold_normalization`: a byte is its own quantised value."""
    return {_CAST: [{"scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)}]}


def take_bytes(proto: ModelProto) -> None:
    """Undo the way from bytes to float and back, which `byte_ranges` made idle, in place."""
    nodes = proto.graph.node
    cast = next(node for node in nodes if node.name == _CAST)
    back = next((n for n in nodes if n.op_type == "QuantizeLinear" and n.input[0] == _CAST), None)
    if back is None:
        return  # the first convolution stayed in float and wants floats
    for node in nodes:
        for place, name in enumerate(node.input):
            if name == back.output[0]:
                node.input[place] = _PIXELS
    nodes.remove(cast)
    nodes.remove(back)


def merge_layers(proto: ModelProto, nodes: Sequence[NodeProto]) -> tuple[tuple[str, ...], ...]:
    """Names of the nodes by layers: an operator, and the activation that nothing but it feeds.

    Args:
        proto: The graph.
        nodes: Those of its nodes that are to be told of, in the order of running.
    """
    readers: dict[str, list[str]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.name)
    activations = {node.input[0]: node.name for node in nodes if node.op_type in _ACTIVATIONS}
    layers: list[tuple[str, ...]] = []
    merged = set()
    for node in nodes:
        if node.name in merged:
            continue
        behind = activations.get(node.output[0])
        if behind is not None and readers[node.output[0]] == [behind]:
            merged.add(behind)
            layers.append((node.name, behind))
        else:
            layers.append((node.name,))
    return tuple(layers)


def nodes_to_keep_float(proto: ModelProto) -> list[str]:
    """Names of the nodes that quantising would ruin or slow down.

    These are the ones before the first convolution, and the classifier (the last convolutions
    before the outputs) where it reads few channels: float is then cheap, the scores keep their
    full precision, and ONNX Runtime resizes them in its fast layout (LR-ASPP: 9.0 to 7.5 ms). What
    a wide classifier reads would first have to be turned into float (DeepLabV3+: 20.9 to 22.4 ms).
    """
    before, _ = _path_to_convolution(proto)
    made_by = {name: node for node in proto.graph.node for name in node.output}
    weights = {item.name: item.dims for item in proto.graph.initializer}
    last: dict[str, NodeProto] = {}
    waiting = [output.name for output in proto.graph.output]
    while waiting:
        node = made_by.get(waiting.pop())
        if node is None or node.name in last:
            continue
        last[node.name] = node
        if node.op_type != "Conv":
            waiting.extend(node.input)
    widths = [
        weights[node.input[1]][1]
        for node in last.values()
        if node.op_type == "Conv" and node.input[1] in weights
    ]
    narrow = [name for name in last if max(widths, default=0) <= _WIDE]
    return [node.name for node in before if node.name != _CAST] + narrow


def depth_activation(proto: ModelProto, tensor: str | None) -> frozenset[str]:
    """Names of the nodes behind the last convolution of the depth, which make metres of its numbers: a
    sigmoid times 80 m would have steps of a third of a metre in 8 bits, near and far.

    Args:
        proto: A graph; every node has a name.
        tensor: Name of its depth; None of a network that tells none.
    """
    made_by = {name: node for node in proto.graph.node for name in node.output}
    found: set[str] = set()
    waiting = [] if tensor is None else [tensor]
    while waiting:
        node = made_by.get(waiting.pop())
        if node is not None and node.name not in found and node.op_type not in _PRODUCTS:
            found.add(node.name)
            waiting.extend(node.input)
    return frozenset(found)


def _path_to_convolution(proto: ModelProto) -> tuple[list[NodeProto], NodeProto | None]:
    """The nodes from the input to the first convolution, and it; None where the way is another."""
    path: list[NodeProto] = []
    name = proto.graph.input[0].name
    while True:
        users = [node for node in proto.graph.node if name in node.input]
        if len(users) != 1:
            return path, None
        if users[0].op_type == "Conv":
            return path, users[0]
        if users[0].op_type not in ("Transpose", "Slice", "Cast", "Mul", "Add"):
            return path, None
        path.append(users[0])
        name = users[0].output[0]


def _drop_unused(proto: ModelProto) -> None:
    used = {name for node in proto.graph.node for name in node.input}
    kept = [item for item in proto.graph.initializer if item.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    del proto.graph.value_info[:]
