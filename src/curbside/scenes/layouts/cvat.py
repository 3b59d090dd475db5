"""CVAT 1.1 XML with IDD's labels: a street is a task of one picture, in a folder per split."""

from __future__ import annotations

from ...imaging import encode_jpeg
from ...labels import load_space
from ..cvat_file import cvat_file
from ..shot import Files, Shot

__all__ = ["LABELS", "files"]

LABELS = "idd-id"
"""The label space whose class names the labels are."""


def files(shot: Shot) -> Files:
    """A picture and its annotation file."""
    name = f"{shot.condition}_{shot.number:06d}"
    return {
        f"{shot.split}/{name}.xml": lambda: _annotations(shot, name),
        f"{shot.split}/{name}.jpg": lambda: encode_jpeg(shot.scene.rgb, quality=95),
    }


def _annotations(shot: Shot, name: str) -> bytes:
    return cvat_file(
        name,
        load_space(LABELS).names,
        [(f"{name}.jpg", shot.scene)],
        lambda scene: [(polygon.label, polygon) for polygon in scene.polygons],
    )
