"""The Manifest inside an ONNX graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from ...files import atomic_path
from ...manifest import METADATA_KEY, Manifest, OutputSpec, manifest_from_metadata

__all__ = ["read_manifest", "replace_manifest", "with_logits", "write_manifest"]


def write_manifest(proto: onnx.ModelProto, manifest: Manifest) -> None:
    """Put a Manifest into a graph, in the place of any that is there."""
    kept = {item.key: item.value for item in proto.metadata_props if item.key != METADATA_KEY}
    onnx.helper.set_model_props(proto, {**kept, METADATA_KEY: manifest.to_json()})


def replace_manifest(path: Path, manifest: Manifest) -> None:
    """Put a Manifest into an ONNX file, in the place of any that is there.

    Raises:
        StorageError: The file cannot be written.
    """
    proto = onnx.load(str(path))
    write_manifest(proto, manifest)
    with atomic_path(path, durable=True) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def read_manifest(proto: onnx.ModelProto, path: Path) -> Manifest:
    """The Manifest of a graph that was loaded from a file.

    Raises:
        ModelFileError: There is none, or it is not readable.
    """
    return manifest_from_metadata({item.key: item.value for item in proto.metadata_props}, path)


def with_logits(path: Path, copy: Path) -> Path | None:
    """A copy of a file that also gives its scores; None where no tensor inside is called `logits`."""
    proto = onnx.load(str(path))
    if not any("logits" in node.output for node in proto.graph.node):
        return None
    manifest = read_manifest(proto, path)
    info = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)
    proto.graph.output.append(info)
    outputs = (*manifest.outputs, OutputSpec(name="logits", meaning="logits"))
    write_manifest(proto, replace(manifest, outputs=outputs))
    copy.write_bytes(proto.SerializeToString())
    return copy
