"""A prepared folder's annotations in other tools' formats: `write_annotations(Yolo(), data, out)`.

One file per format (`yolo.py`, `cvat.py`, ...), found by listing this folder; `base.py` runs any of
them in parallel; `contours.py` and `rle.py` turn masks into polygons and run lengths.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

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
    found: dict[str, type[Format]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        own = [item for item in vars(module).values() if _is_format(item, module.__name__)]
        found |= {info.name.replace("_", "-"): item for item in own}
    return found


def _is_format(item: object, module: str) -> bool:
    is_format = isinstance(item, type) and issubclass(item, Format) and item is not Format
    return is_format and item.__module__ == module
