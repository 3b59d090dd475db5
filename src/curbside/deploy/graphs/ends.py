"""Where a device stops: the tensors that a network ends with, found by structure and not by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ...errors import ModelFileError
from ...manifest import Manifest, Meaning

__all__ = ["End", "Graph", "depth_end", "ends_of", "instance_ends", "semantic_ends"]

_CHOOSING = ("ArgMax", "Cast", "Identity", "Softmax", "LogSoftmax", "Squeeze", "Transpose")
_MOVING = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_WHOLE = "give a YOLOv8-seg export as Ultralytics writes it, with detections and prototypes"


@dataclass(frozen=True, kw_only=True)
class End:
    """A tensor where a device stops."""

    name: str
    """What the device's Manifest calls it."""
    meaning: Meaning
    """What it means."""
    node: str
    """Name of the node that makes it."""
    tensor: str
    """Its name in the graph."""
    shape: tuple[int, int, int]
    """Its channels, height and width."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph by its tensors."""

    makers: Mapping[str, NodeProto]
    """The node that makes a tensor."""
    readers: Mapping[str, list[NodeProto]]
    """The nodes that read a tensor."""
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of a tensor, where it is fixed."""
    weights: Mapping[str, TensorProto]
    """The constants."""
    integers: frozenset[str]
    """The tensors that are known to hold whole numbers."""

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> Graph:
        """A graph whose shapes are inferred."""
        readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                readers[name].append(node)
        shapes, integers = {}, set()
        for item in (*graph.value_info, *graph.input, *graph.output):
            kind = item.type.tensor_type
            if kind.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
                integers.add(item.name)
            if all(side.HasField("dim_value") for side in kind.shape.dim):
                shapes[item.name] = tuple(side.dim_value for side in kind.shape.dim)
        return cls(
            makers={name: node for node in graph.node for name in node.output},
            readers=readers,
            shapes=shapes,
            weights={item.name: item for item in graph.initializer},
            integers=frozenset(integers),
        )

    def end(self, name: str, meaning: Meaning, tensor: str) -> End:
        """A tensor as an end.

        Raises:
            ModelFileError: It is no map of a fixed size.
        """
        shape = self.shapes.get(tensor, ())
        if len(shape) != 4 or shape[0] != 1 or tensor not in self.makers:
            raise ModelFileError(
                f"the tensor {tensor} of shape {shape} is no (1, C, h, w) map to stop at",
                fix="export the network at one fixed size, with the channels first",
            )
        made = self.makers[tensor].name
        return End(name=name, meaning=meaning, node=made, tensor=tensor, shape=shape[1:])


def ends_of(graph: Graph, manifest: Manifest) -> tuple[End, ...]:
    """Where a device stops in a network of any task.

    Raises:
        ModelFileError: The network's structure is another.
    """
    if manifest.task == "instances":
        return tuple(instance_ends(graph, manifest))
    classes = semantic_ends(graph, manifest) if "semantic" in manifest.answers else ()
    return (*classes, *((depth_end(graph, manifest),) if manifest.depth else ()))


def semantic_ends(graph: Graph, manifest: Manifest) -> Iterator[End]:
    """The scores of a semantic network before they are enlarged: the tensor `logits`, else what
    remains when the choice of a class and a bilinear Resize at the end are taken away."""
    given = next(item.name for item in manifest.outputs if item.meaning != "depth")
    tensor = "logits" if "logits" in graph.makers else given
    _require_made(graph, tensor)
    while graph.makers[tensor].op_type in _CHOOSING and tensor != "logits":
        tensor = _before(graph, graph.makers[tensor])
    if _is_bilinear(graph.makers[tensor]):
        tensor = _before(graph, graph.makers[tensor])
    end = graph.end("logits", "logits", tensor)
    if end.shape[0] not in manifest.space.score_counts:
        raise ModelFileError(
            f"the graph ends with {end.shape[0]} channels at {end.node}, its label space"
            f" {manifest.space.name} has {len(manifest.space.classes)} classes",
            fix="give a network that ends with the scores of its classes",
        )
    yield end


def depth_end(graph: Graph, manifest: Manifest) -> End:
    """The metres of a network that tells depth: what it gives, without what moves its axes and a
    bilinear Resize at the end. What makes metres of its numbers stays inside."""
    spec = manifest.output("depth")
    assert spec is not None  # the Manifest makes sure of it
    tensor = spec.name
    _require_made(graph, tensor)
    while graph.makers[tensor].op_type in _MOVING:
        tensor = _before(graph, graph.makers[tensor])
    if _is_bilinear(graph.makers[tensor]):
        tensor = _before(graph, graph.makers[tensor])
    end = graph.end("depth", "depth", tensor)
    if end.shape[0] != 1:
        raise ModelFileError(
            f"the graph ends with {end.shape[0]} channels at {end.node}, and depth has one",
            fix="give a network that ends with one map of metres",
        )
    return end


def _require_made(graph: Graph, tensor: str) -> None:
    if tensor not in graph.makers:
        raise ModelFileError(
            f"the graph makes no {tensor}, which its Manifest promises",
            fix="export the network anew with: curbside export RUN --out M.onnx",
        )


def _before(graph: Graph, node: NodeProto) -> str:
    if node.input[0] not in graph.makers:
        raise ModelFileError(
            f"nothing is left in front of {node.name} for a device", fix="check the file"
        )
    return node.input[0]


def _is_bilinear(node: NodeProto) -> bool:
    """Whether the host's own enlarging does the same."""
    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    centred = given.get("coordinate_transformation_mode", b"half_pixel")
    halves = centred in (b"half_pixel", b"pytorch_half_pixel")
    return node.op_type == "Resize" and given.get("mode") == b"linear" and halves


def instance_ends(graph: Graph, manifest: Manifest) -> Iterator[End]:
    """The heads of a network that finds objects, from the finest stride to the coarsest, and its
    prototypes; those of a network that leaves decoding to the host are what it gives."""
    if manifest.output("box_distribution") is not None:
        yield from _promised(graph, manifest)
        return
    found, masks = manifest.output("detections"), manifest.output("prototypes")
    if found is None or masks is None:
        raise ModelFileError("the network promises no detections and prototypes", fix=_WHOLE)
    every = _last_convolutions(graph, found.name)
    mixing = next((node for node in every.values() if _is_distances(graph, node)), None)
    if mixing is None:
        raise ModelFileError("no mean of distances (DFL) stands before the detections", fix=_WHOLE)
    bins = graph.weights[mixing.input[1]].dims[1]
    paired = _last_convolutions(graph, mixing.input[0])
    levels: dict[tuple[int, ...], list[NodeProto]] = defaultdict(list)
    for node in {**every, **paired}.values():
        if node is not mixing:
            levels[graph.shapes.get(node.output[0], (0,) * 4)[2:]].append(node)
    for size in sorted(levels, reverse=True):
        heads = levels[size]
        pair = [node for node in heads if node.name in paired]
        rest = [node for node in heads if node.name not in paired]
        if len(pair) != 2 or len(rest) != 1:
            raise ModelFileError(
                f"{len(heads)} convolutions of {size} end the network, expected one each of boxes,"
                " classes and mask coefficients",
                fix=_WHOLE,
            )
        box, score = _box_first(graph, pair, 4 * bins)
        stride = manifest.input.size_hw[0] // size[0]
        yield graph.end(f"box_{stride}", "box_distribution", box.output[0])
        yield graph.end(f"class_{stride}", "class_scores", score.output[0])
        yield graph.end(f"mask_{stride}", "mask_coefficients", rest[0].output[0])
    yield graph.end("prototypes", "prototypes", masks.name)


def _promised(graph: Graph, manifest: Manifest) -> Iterator[End]:
    names: dict[Meaning, str] = {
        "box_distribution": "box",
        "class_scores": "class",
        "mask_coefficients": "mask",
    }
    for item in manifest.outputs:
        tensor = item.name
        if item.meaning == "class_scores" and item.activated:
            maker = graph.makers.get(tensor)
            if maker is None or maker.op_type != "Sigmoid":
                raise ModelFileError(
                    f"no sigmoid makes the probabilities {tensor}",
                    fix="export the network with raw class scores",
                )
            tensor = maker.input[0]
        end = graph.end(item.name, item.meaning, tensor)
        if item.meaning in names:
            stride = manifest.input.size_hw[0] // end.shape[1]
            end = replace(end, name=f"{names[item.meaning]}_{stride}")
        yield end


def _last_convolutions(graph: Graph, tensor: str) -> dict[str, NodeProto]:
    """The convolutions that a tensor is made from without another one between, by name; one that only
    forms means of distances hides nothing."""
    found: dict[str, NodeProto] = {}
    seen, waiting = set(), [tensor]
    while waiting:
        node = graph.makers.get(waiting.pop())
        if node is None or node.name in seen or node.op_type == "Shape":
            continue
        seen.add(node.name)
        if node.op_type == "Conv":
            found[node.name] = node
        if node.op_type != "Conv" or _is_distances(graph, node):
            waiting.extend(node.input)
    return found


def _is_distances(graph: Graph, node: NodeProto) -> bool:
    """Whether it forms the mean distance of a distribution: its weights are 0, 1, 2, ..."""
    weight = graph.weights.get(node.input[1])
    if weight is None or weight.dims[0] != 1 or weight.dims[1] < 2 or len(weight.dims) != 4:
        return False
    return np.array_equal(numpy_helper.to_array(weight).ravel(), np.arange(weight.dims[1]))


def _box_first(graph: Graph, pair: list[NodeProto], channels: int) -> list[NodeProto]:
    """The convolution of the boxes and that of the classes: by their width, else as they are joined."""
    wide = [graph.shapes[node.output[0]][1] == channels for node in pair]
    if wide[0] != wide[1]:
        return pair if wide[0] else pair[::-1]
    joined = [
        [name for name in reader.input if name in (pair[0].output[0], pair[1].output[0])]
        for reader in graph.readers[pair[0].output[0]]
        if reader.op_type == "Concat"
    ]
    if not any(wide) or not joined or len(joined[0]) != 2:
        raise ModelFileError(
            f"neither {pair[0].name} nor {pair[1].name} gives {channels} channels of boxes",
            fix=_WHOLE,
        )
    return [graph.makers[name] for name in joined[0]]
