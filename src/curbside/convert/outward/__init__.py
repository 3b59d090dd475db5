"""A prepared folder's annotations in other tools' formats: `write_annotations(Yolo(), data, out)`.

One file per format (`yolo.py`, `cvat.py`, ...), found by listing this folder; `base.py` runs any of
them in parallel; `contours.py` turns masks into polygons.
"""

from __future__ import annotations

from ...discovery import classes_in
from .base import Annotations, Format, write_annotations
from .coco_instances import CocoInstances
from .coco_panoptic import CocoPanoptic
from .cvat import Cvat
from .yolo import Yolo

__all__ = [
    "Annotations",
    "CocoInstances",
    "CocoPanoptic",
    "Cvat",
    "Format",
    "Yolo",
    "formats",
    "write_annotations",
]


def formats() -> dict[str, type[Format]]:
    """Every format by its name on the command line, which is the name of its file."""
    return dict(classes_in(__name__, Format))  # type: ignore[type-abstract]
