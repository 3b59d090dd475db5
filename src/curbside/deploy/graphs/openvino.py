"""A network as OpenVINO holds it: which operators an ONNX node became, and what makes it quicker."""

from __future__ import annotations

import io
from collections.abc import Iterable, Set
from typing import Any

import numpy as np
from onnx import ModelProto

__all__ = ["operators_behind", "operators_of", "read_graph", "take_bytes", "unsort_argmax"]

_PRODUCTS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")


def read_graph(proto: ModelProto) -> Any:
    """An ONNX graph as OpenVINO's, without its metadata.

    Raises:
        RuntimeError: OpenVINO cannot read it.
    """
    import openvino

    bare = ModelProto()
    bare.CopyFrom(proto)
    del bare.metadata_props[:]
    return openvino.Core().read_model(io.BytesIO(bare.SerializeToString()))


def operators_of(model: Any, proto: ModelProto, names: Iterable[str]) -> set[str]:
    """OpenVINO's names of the operators that ONNX nodes became, found by the tensors between them.

    A convolution with a bias becomes two operators, and a layer that OpenVINO lacks becomes several.

    Args:
        model: What `read_graph` made of the graph.
        proto: The graph; every node has a name.
        names: Of the nodes; those that the graph does not have are passed over.
    """
    nodes = proto.graph.node
    by_name = {node.name: node for node in nodes}
    made = {name for node in nodes for name in node.output}
    makers = {
        name: operator
        for operator in model.get_ordered_ops()
        for output in operator.outputs()
        for name in output.get_names()
    }
    found: set[str] = set()
    for name in by_name.keys() & set(names):
        waiting = [makers[output] for output in by_name[name].output if output in makers]
        ends = set(by_name[name].input) | (made - set(by_name[name].output))
        while waiting:
            operator = waiting.pop()
            label = operator.get_friendly_name()
            if label in found or operator.get_type_name() in ("Constant", "Parameter"):
                continue
            found.add(label)
            waiting += _sources(operator, ends)
    return found


def _sources(operator: Any, ends: Set[str]) -> list[Any]:
    """The operators that another one reads, but for tensors of these names."""
    outputs = [place.get_source_output() for place in operator.inputs()]
    return [output.get_node() for output in outputs if not ends & set(output.get_names())]


def operators_behind(model: Any, ends: Set[str]) -> set[str]:
    """Names of the operators whose integers would ruin what is decoded, and gain nothing.

    Args:
        model: What `read_graph` made of a graph.
        ends: Tensors that decoding begins with; where empty, the last convolutions' answers.
    """
    found: set[str] = set()
    waiting = list(model.get_results())
    stops = () if ends else _PRODUCTS
    while waiting:
        for operator in _sources(waiting.pop(), ends):
            label = operator.get_friendly_name()
            if label not in found and operator.get_type_name() not in (*stops, "Constant"):
                found.add(label)
                waiting.append(operator)
    return found


def take_bytes(model: Any) -> None:
    """After `fold_normalization`: a byte that comes in is its own quantised value, in place.

    The quantiser scales the pixels to the brightest one that it saw; a pass over the picture would
    do no more than that, and brighter pixels would be cut.
    """
    from openvino import opset1

    for operator in model.get_ordered_ops():
        if operator.get_type_name() != "FakeQuantize":
            continue
        cast = operator.input_value(0).get_node()
        if (
            cast.get_type_name() != "Convert"
            or cast.get_input_element_type(0).get_type_name() != "u8"
        ):
            continue
        for place, value in zip((1, 2, 3, 4), (0, 255, 0, 255), strict=True):
            bound = opset1.constant(np.full((1, 1, 1, 1), value, np.float32))
            operator.input(place).replace_source_output(bound.output(0))


def unsort_argmax(model: Any) -> None:
    """Let an argmax take any of the largest scores that tie, in place.

    The order that ONNX promises costs 24 ms in fp32 at 512x512 and 16 classes, as OpenVINO then has
    no quick kernel for channels that come last; without it 2 ms. Scores in fp32 hardly ever tie; in
    bfloat16 they do, and there the order costs nothing.
    """
    from openvino import opset11

    for operator in model.get_ordered_ops():
        settings = operator.get_attributes() if operator.get_type_name() == "TopK" else {}
        if not settings.get("stable"):
            continue
        made = opset11.topk(
            operator.input_value(0),
            operator.input_value(1),
            settings["axis"],
            settings["mode"],
            settings["sort"],
            index_element_type=settings["index_element_type"],
            stable=False,
        )
        made.set_friendly_name(operator.get_friendly_name())
        for old, new in zip(operator.outputs(), made.outputs(), strict=True):
            old.replace(new)
