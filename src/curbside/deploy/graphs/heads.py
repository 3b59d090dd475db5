"""The tensors of a network at which it begins to decode its objects itself."""

from __future__ import annotations

import onnx

from ...manifest import Manifest
from .ends import Graph, instance_ends
from .sizes import fix_sizes

__all__ = ["heads_of"]


def heads_of(proto: onnx.ModelProto, manifest: Manifest) -> set[str]:
    """Names of the heads; none of a network that leaves decoding to the host. Decoding has
    convolutions, too, and is ruined by integers.

    Raises:
        ModelFileError: The network's structure is another.
    """
    if manifest.output("detections") is None:
        return set()
    whole = onnx.shape_inference.infer_shapes(fix_sizes(proto), data_prop=True)
    return {end.tensor for end in instance_ends(Graph.of(whole.graph), manifest)}
