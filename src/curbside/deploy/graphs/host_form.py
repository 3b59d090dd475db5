"""A network without what the host does better: the class map from scores, the objects from heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
from onnx import ModelProto

from ...files import atomic_path
from ...manifest import Manifest, OutputSpec
from .ends import Graph, ends_of
from .nodes import name_nodes
from .onnx_manifest import read_manifest, write_manifest
from .sizes import fix_sizes

__all__ = ["write_host_form"]


def write_host_form(path: Path, out: Path) -> Manifest:
    """Write a model file that ends where the runtime's own decoding begins.

    A semantic network then gives its scores at the decoder's stride: enlarging all of them and
    choosing among them at every pixel took 5.3 of LR-ASPP's 13.6 ms at 512 x 512, and
    `imaging.class_map` does the same in 1.4. Depth is given at the decoder's stride anyway. An
    instance network gives its raw heads, whose boxes are only decoded where there is an object.

    Args:
        path: A float model file with a Manifest.
        out: The file to write.

    Returns:
        Its Manifest.

    Raises:
        ModelFileError: The network's structure is another.
        StorageError: The place cannot be written.
    """
    proto = onnx.load(str(path))
    manifest = read_manifest(proto, path)
    name_nodes(proto)
    whole = fix_sizes(proto)
    graph = Graph.of(onnx.shape_inference.infer_shapes(whole, data_prop=True).graph)
    ends = ends_of(graph, manifest)
    made = _until(whole, {end.tensor: end.shape for end in ends})
    outputs = tuple(
        OutputSpec(name=end.tensor, meaning=end.meaning, activated=end.meaning != "class_scores")
        for end in ends
    )
    changed = replace(manifest, outputs=outputs)
    write_manifest(made, changed)
    with atomic_path(out, durable=True) as temporary:
        temporary.write_bytes(made.SerializeToString())
    return changed


def _until(whole: ModelProto, ends: dict[str, tuple[int, int, int]]) -> ModelProto:
    """The graph up to some tensors, under its own name and metadata."""
    wanted, kept = set(ends), []
    for node in reversed(whole.graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    made = ModelProto()
    made.CopyFrom(whole)
    del made.graph.node[:], made.graph.output[:], made.graph.initializer[:]
    del made.graph.value_info[:]
    made.graph.node.extend(kept[::-1])
    made.graph.initializer.extend(i for i in whole.graph.initializer if i.name in wanted)
    made.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, *shape))
        for name, shape in ends.items()
    )
    onnx.checker.check_model(made)
    return made
