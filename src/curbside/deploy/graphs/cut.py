"""Cutting a network where a device stops and the host goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ... import __version__
from ...errors import ModelFileError
from ...manifest import Manifest, OutputSpec
from .ends import End, Graph, ends_of
from .nodes import name_nodes
from .sizes import fix_sizes

__all__ = ["FRONT", "Cut", "cut_network", "twin"]

FRONT = ("device_planes", "device_pixels", "device_scaled", "device_shifted")
"""Names of the nodes that `twin` puts in front of the network."""

_IDLE = ("Cast", "Identity", "Transpose")
_EXPORT = "export the network anew with: curbside export RUN --out M.onnx"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The part of a network that a device runs."""

    proto: ModelProto
    """From `start` to `ends`; its one input is (1, 3, H, W) float32, its outputs (1, C, h, w)."""
    start: str
    """Name of the tensor where it begins: the picture as the network's first layer takes it."""
    ends: tuple[End, ...]
    """Where it stops."""
    mean: tuple[float, float, float]
    """What is subtracted from the pixel values, 0..255, in front of `start`, in the order of the
    Manifest's colours."""
    std: tuple[float, float, float]
    """What is divided by then."""
    manifest: Manifest
    """Of the device's file: it takes (1, H, W, 3) bytes and gives `ends` with the channels last."""


def cut_network(proto: ModelProto, manifest: Manifest) -> Cut:
    """Cut a network at the tensors where a device stops; the runtime does the rest.

    A semantic network ends at its logits, before they are enlarged and a class is chosen; one that tells
    depth ends at its metres, a joint one at both. An instance
    network (YOLOv8-seg) ends at the last convolutions of boxes, classes and mask coefficients of each
    stride, and at its prototypes: what follows has ranges that no 8 bits hold together.

    Args:
        proto: The whole graph; it is not changed.
        manifest: Its Manifest.

    Raises:
        ModelFileError: Its structure is another.
    """
    named = ModelProto()
    named.CopyFrom(proto)
    name_nodes(named)
    whole = fix_sizes(named)
    graph = Graph.of(onnx.shape_inference.infer_shapes(whole, data_prop=True).graph)
    start, mean, std, channels = _start(graph, manifest)
    ends = ends_of(graph, manifest)
    made = _between(whole, graph, start, ends)
    device = replace(
        manifest,
        input=replace(
            manifest.input,
            name="frame",
            layout="NHWC",
            dtype="uint8",
            channels=channels,
            scale=1.0,
        ),
        outputs=tuple(
            OutputSpec(name=end.name, meaning=end.meaning, layout="NHWC") for end in ends
        ),
    )
    return Cut(proto=made, start=start, ends=ends, mean=mean, std=std, manifest=device)


def twin(cut: Cut) -> ModelProto:
    """The cut graph as the device's file behaves: bytes in, tensors with the channels last out,
    class scores through a sigmoid. Its Manifest is `cut.manifest`.

    It computes in float; what a device's file gives must be close to what this gives.
    """
    inside = {"frame", *(end.name for end in cut.ends)}  # names that the outside takes
    made = _renamed(cut.proto, {name: f"{name}_inside" for name in inside})
    graph = made.graph
    start = graph.input[0].name
    tensors = [item.name for item in graph.output]
    height, width = cut.manifest.input.size_hw
    scale = 1 / np.asarray(cut.std, np.float64)
    shift = -np.asarray(cut.mean, np.float64) * scale
    for name, values in (("device_scale", scale), ("device_shift", shift)):
        array = values.astype(np.float32).reshape(3, 1, 1)
        graph.initializer.append(numpy_helper.from_array(array, name))
    planes, pixels, scaled, shifted = FRONT
    front = [
        helper.make_node("Transpose", ["frame"], [planes], name=planes, perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [planes], [pixels], name=pixels, to=TensorProto.FLOAT),
        helper.make_node("Mul", [pixels, "device_scale"], [scaled], name=scaled),
        helper.make_node("Add", [scaled, "device_shift"], [start], name=shifted),
    ]
    back = []
    for end, tensor in zip(cut.ends, tensors, strict=True):
        last = tensor
        if end.meaning == "class_scores":
            last = f"{end.name}_probability"
            back.append(helper.make_node("Sigmoid", [tensor], [last], name=last))
        order = [0, 2, 3, 1]
        back.append(helper.make_node("Transpose", [last], [end.name], name=end.name, perm=order))
    nodes = [*front, *graph.node, *back]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(
        helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3])
    )
    for end in cut.ends:
        channels, rows, columns = end.shape
        shape = [1, rows, columns, channels]
        graph.output.append(helper.make_tensor_value_info(end.name, TensorProto.FLOAT, shape))
    return made


def _renamed(proto: ModelProto, names: Mapping[str, str]) -> ModelProto:
    """A copy in which some tensors have other names."""
    made = ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = names.get(item.name, item.name)
    return made


def _start(
    graph: Graph, manifest: Manifest
) -> tuple[str, tuple[float, float, float], tuple[float, float, float], Literal["bgr", "rgb"]]:
    """Where the first layer reads, what stands before it, and the order of its colours."""
    if "image" in graph.makers:
        norm = manifest.normalization
        r, g, b = (255 * value for value in norm.mean)
        dr, dg, db = (255 * value for value in norm.std)
        return "image", (r, g, b), (dr, dg, db), "rgb"
    name = manifest.input.name
    while graph.shapes.get(name) != (1, 3, *manifest.input.size_hw) or name in graph.integers:
        readers = graph.readers[name]
        if len(readers) != 1 or readers[0].op_type not in _IDLE:
            raise ModelFileError(
                "the graph has no tensor 'image' and does not take (1, 3, H, W) itself, so it is not"
                " seen where its picture is normalised",
                fix=_EXPORT,
            )
        name = readers[0].output[0]
    full = 1 / manifest.input.scale
    return name, (0.0, 0.0, 0.0), (full, full, full), manifest.input.channels


def _between(whole: ModelProto, graph: Graph, start: str, ends: Sequence[End]) -> ModelProto:
    """The sub-graph as a model of its own."""
    wanted = {end.tensor for end in ends}
    kept: list[NodeProto] = []
    for node in reversed(whole.graph.node):
        if wanted & set(node.output) and start not in node.output:
            wanted.update(node.input)
            kept.append(node)
    others = [item.name for item in whole.graph.input if item.name != start]
    constants = {item.name for item in whole.graph.initializer}
    if any(name in wanted for name in others if name not in constants) or start not in wanted:
        raise ModelFileError(f"what the graph gives does not come from {start} alone", fix=_EXPORT)

    def info(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    made = helper.make_graph(
        kept[::-1],
        "cut",
        [info(start, graph.shapes[start])],
        [info(end.tensor, (1, *end.shape)) for end in ends],
        [item for item in whole.graph.initializer if item.name in wanted],
    )
    model = helper.make_model(
        made,
        opset_imports=whole.opset_import,
        ir_version=whole.ir_version,
        producer_name="curbside",
        producer_version=__version__,
    )
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)
