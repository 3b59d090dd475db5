"""What a Manifest says of depth: a round trip, what contradicts itself, what fits a graph."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_depth import depth_manifest
from tiny_models import make_manifest

from curbside.errors import LabelError, ModelFileError
from curbside.labels import NO_CLASSES, LabelSpace
from curbside.manifest import METADATA_KEY, DepthSpec, Manifest, OutputSpec, manifest_from_metadata
from curbside.runtime.signature import Tensor, require_fit

SPEC = DepthSpec(max_m=80.0, focal_xy_px=(450.0, 430.5), camera="a wide one")


def _read(data: dict[str, Any]) -> Manifest:
    return manifest_from_metadata({METADATA_KEY: json.dumps(data)}, Path("m.onnx"))


@pytest.mark.parametrize("spec", [SPEC, DepthSpec()])
def test_round_trip(spec):
    before = depth_manifest(depth=spec)
    data = json.loads(before.to_json())
    assert _read(data) == before
    assert data["space"] is None and data["host"] == ["bilinear to the frame"]
    assert _read(data).space is NO_CLASSES


def test_others_say_nothing_of_depth():
    assert "depth" not in make_manifest().to_dict()  # as files were before there was any
    assert _read(make_manifest().to_dict()).depth is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("depth", None),
        ("depth", []),
        ("depth", {"max_m": 80}),
        ("depth", {"max_m": 0, "focal_xy_px": None, "camera": ""}),
        ("depth", {"max_m": "far", "focal_xy_px": None, "camera": ""}),
        ("depth", {"max_m": float("nan"), "focal_xy_px": None, "camera": ""}),
        ("depth", {"max_m": None, "focal_xy_px": [450], "camera": ""}),
        ("depth", {"max_m": None, "focal_xy_px": [450, -1], "camera": ""}),
        ("depth", {"max_m": None, "focal_xy_px": 450, "camera": ""}),
        ("space", []),
        ("space", {"name": "none", "classes": []}),
        ("outputs", [{"name": "ids", "meaning": "ids"}]),
        ("task", "semantic"),
    ],
)
def test_what_cannot_be_is_one_model_file_error(key, value):
    data = {**depth_manifest(depth=SPEC).to_dict(), key: value}
    with pytest.raises(ModelFileError) as caught:
        _read(data)
    assert "m.onnx" in str(caught.value) and "\n" not in str(caught.value)


def test_a_class_map_needs_classes_and_has_no_metres():
    with pytest.raises(ModelFileError, match="names no classes for the task semantic"):
        replace(make_manifest(), space=NO_CLASSES)
    with pytest.raises(ModelFileError, match="or neither"):
        replace(make_manifest(), depth=SPEC)


def test_only_one_space_has_no_classes():
    with pytest.raises(LabelError, match="no classes"):
        LabelSpace(name="empty", classes=())
    with pytest.raises(LabelError, match="cannot be trained on"):
        _ = NO_CLASSES.num_classes


@pytest.mark.parametrize(
    ("shape", "layout", "fits"),
    [
        ((1, 1, 6, 8), "NCHW", True),
        ((1, 6, 8), "NCHW", True),
        ((1, 6, 8, 1), "NHWC", True),
        ((1, None, None), "NHWC", True),
        ((1, 6, 8, 1), "NCHW", False),
        ((1, 2, 6, 8), "NCHW", False),
        ((2, 6, 8), "NCHW", False),
        ((6, 8), "NCHW", False),
    ],
)
def test_a_graph_gives_one_map(shape, layout, fits):
    manifest = replace(
        depth_manifest(), outputs=(OutputSpec(name="depth", meaning="depth", layout=layout),)
    )
    frame = Tensor("frame", "uint8", (1, 12, 16, 3))

    def check(kind: str) -> None:
        require_fit(manifest, Path("m"), inputs=[frame], outputs=[Tensor("depth", kind, shape)])

    with pytest.raises(ModelFileError, match="uint16, expected float32"):
        check("uint16")
    if fits:
        check("float32")
    else:
        with pytest.raises(ModelFileError, match="output depth has shape"):
            check("float32")
