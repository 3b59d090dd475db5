"""What can be said of any graph's nodes."""

from __future__ import annotations

from onnx import ModelProto

__all__ = ["name_nodes"]


def name_nodes(proto: ModelProto) -> None:
    """Give every node that has no name its place as one, in place, so that it can be told of."""
    for place, node in enumerate(proto.graph.node):
        node.name = node.name or f"node_{place}"
