"""The Manifest inside an ONNX graph."""

from __future__ import annotations

from pathlib import Path

import onnx

from ..files import atomic_path
from ..manifest import METADATA_KEY, Manifest

__all__ = ["replace_manifest", "write_manifest"]


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
