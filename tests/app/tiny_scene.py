"""Three small networks and a clip: what a window plays in a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tiny_depth import make_depth_onnx
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.manifest import METADATA_KEY

__all__ = ["make_models", "make_objects"]

THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)


def make_objects(path: Path) -> Path:
    """A network that always finds the same few objects."""
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    return make_constant_onnx(path, arrays, size_hw=raw.size_hw, metadata=metadata)


def make_models(folder: Path) -> list[Path]:
    """Two networks that give classes, one that finds objects, one for depth."""
    first = make_manifest(outputs="logits", space=THINGS, model="the first")
    second = make_manifest(size_hw=(24, 32), space=THINGS, model="the second")
    return [
        make_onnx(folder / "first.onnx", outputs="logits", manifest=first),
        make_onnx(folder / "second.onnx", size_hw=(24, 32), manifest=second),
        make_objects(folder / "objects.onnx"),
        make_depth_onnx(folder / "depth.onnx"),
    ]
