"""Sizes that a graph computes from other sizes, as the constants that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from ...errors import ModelFileError

__all__ = ["fix_sizes"]

_TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.UINT8: np.uint8}


def fix_sizes(proto: ModelProto) -> ModelProto:
    """A graph in which what depends on nothing but shapes and constants is a constant.

    Exporters write the bounds of a slice as arithmetic on shapes; a compiler refuses those, and shape
    inference stops there. One run on a blank picture tells them all.

    Args:
        proto: A graph of one input of a fixed size; it is not changed.

    Raises:
        ModelFileError: Its input is of no fixed size, or ONNX Runtime cannot run it.
    """
    fixed = {item.name for item in proto.graph.initializer}
    nodes = [node for node in proto.graph.node if _is_fixed(node, fixed)]
    kept = [node for node in proto.graph.node if not any(name in fixed for name in node.output)]
    read = {name for node in kept for name in node.input}
    read |= {item.name for item in proto.graph.output}
    given = {item.name for item in proto.graph.initializer}
    wanted = [name for node in nodes for name in node.output if name in read and name not in given]
    if all(node.op_type == "Constant" for node in nodes):
        return proto
    values = _values(proto, wanted)
    made = ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:]
    del made.graph.value_info[:]
    made.graph.node.extend(kept)
    made.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in zip(wanted, values, strict=True)
    )
    return made


def _is_fixed(node: onnx.NodeProto, fixed: set[str]) -> bool:
    """Whether a node depends on nothing but shapes; what it gives is then added to the fixed ones."""
    known = node.op_type == "Shape" or all(name in fixed for name in node.input if name)
    if known and "Random" not in node.op_type:
        fixed.update(node.output)
        return True
    return False


def _values(proto: ModelProto, names: list[str]) -> list[Any]:
    from onnxruntime import InferenceSession, SessionOptions

    probe = ModelProto()
    probe.CopyFrom(proto)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    blank = {}
    for item in proto.graph.input:
        kind = item.type.tensor_type
        sides = [side.dim_value for side in kind.shape.dim]
        if min(sides, default=0) < 1 or kind.elem_type not in _TYPES:
            raise ModelFileError(
                f"the input {item.name} is of no fixed size", fix="export it with one fixed size"
            )
        blank[item.name] = np.zeros(sides, _TYPES[kind.elem_type])
    options = SessionOptions()
    options.log_severity_level = 4
    try:
        session = InferenceSession(
            probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(names, blank))
    except Exception as error:  # its exceptions share no class of their own
        reason = " ".join(str(error).split())[-160:]
        raise ModelFileError(
            f"ONNX Runtime cannot run the graph ({reason})", fix="export it again"
        ) from error
