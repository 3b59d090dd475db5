"""COCO panoptic: a PNG whose colours are segment ids, and what each segment is.

Every pixel belongs to one segment. A segment's id says its class c and, where it is counted, its
index: `(c + 1) * 1000 + index + 1` for one thing, `c + 1` for all of a class that is not counted
(stuff, groups), 0 for void, the pixels that are ignored. The PNG holds it as red + 256 * green +
65,536 * blue. The JSON beside it says per segment::

    {"id": 10001, "category_id": 9, "area": 2400, "bbox": [x, y, width, height], "iscrowd": 0}

`iscrowd` is 1 where pixels of a thing class carry no index: a group, or single objects that nobody
told apart.

The way there has two steps, each of a cost that the number of objects sets, not that of pixels:
`segment_ids(classes, indices)` of a map of object numbers, or `segment_ids_of_values` of a prepared
instance map; then `panoptic_png` and `segments` on its `Regions`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import LabelError
from ..imaging import Regions
from ..labels import IGNORE_ID, PER_CLASS, LabelSpace

__all__ = [
    "NOT_COUNTED",
    "categories",
    "panoptic_png",
    "segment_ids",
    "segment_ids_of_values",
    "segments",
]

NOT_COUNTED = -1
"""The index of what has none: stuff, and groups of things."""


def segment_ids(classes: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The segment id of every number of a number map.

    Args:
        classes: (N,) class id per number, 0..255; 255 becomes void.
        indices: (N,) index of the object among those of its class, 0..999; -1 where not counted.

    Returns:
        (N,) int32; the same id where class and index are the same.
    """
    classes, indices = np.asarray(classes, np.int32), np.asarray(indices, np.int32)
    one = (classes + 1) * PER_CLASS + indices + 1
    ids = np.where(indices == NOT_COUNTED, classes + 1, one)
    return np.where(classes == IGNORE_ID, 0, ids).astype(np.int32)


def segment_ids_of_values(values: np.ndarray) -> np.ndarray:
    """The segment id of every value of a prepared instance map.

    A value from 1000 on is `class * 1000 + index`, a lower one a plain class id. So objects of a
    class 0 cannot be told from plain ids: only `segment_ids` can count those.

    Args:
        values: (N,) uint16 or wider.

    Returns:
        (N,) int32.
    """
    values = np.asarray(values, np.int32)
    counted = values >= PER_CLASS
    classes = np.where(counted, values // PER_CLASS, values)
    return segment_ids(classes, np.where(counted, values % PER_CLASS, NOT_COUNTED))


def panoptic_png(regions: Regions, ids: np.ndarray) -> bytes:
    """The panoptic PNG: 8-bit RGB, segment ids as colours.

    Args:
        regions: Where each number of a picture lies.
        ids: (N,) segment id per number.
    """
    shifts = np.array([0, 8, 16])
    return regions.png(((ids[:, None] >> shifts) & 0xFF).astype(np.uint8))  # (N, 3)


def segments(regions: Regions, ids: np.ndarray, space: LabelSpace) -> list[dict[str, Any]]:
    """The segments that are visible, by id: numbers with one id are one segment.

    Args:
        regions: Where each number of a picture lies.
        ids: (N,) segment id per number.
        space: What the class ids mean.

    Returns:
        `{id, category_id, area, bbox, iscrowd}` per segment; area in pixels, bbox as
        [x, y, width, height].

    Raises:
        LabelError: A visible segment has a class that `space` does not have.
    """
    seen = np.flatnonzero((regions.areas > 0) & (ids[: len(regions.areas)] > 0))
    found, group = np.unique(ids[seen], return_inverse=True)
    areas = np.zeros(len(found), np.int64)
    np.add.at(areas, group, regions.areas[seen])
    boxes = regions.boxes_xywh[seen]
    starts = np.full((len(found), 2), np.iinfo(np.int64).max)
    ends = np.zeros((len(found), 2), np.int64)
    np.minimum.at(starts, group, boxes[:, :2])
    np.maximum.at(ends, group, boxes[:, :2] + boxes[:, 2:])
    things = {item.id: item.has_instances for item in space.classes}
    result = []
    for number, segment in enumerate(found.tolist()):
        counted = segment > PER_CLASS
        class_id = (segment - 1) // PER_CLASS - 1 if counted else segment - 1
        if class_id not in things:
            raise LabelError(
                f"{areas[number]} pixels belong to the class {class_id}, which {space.name} "
                "does not have",
                fix="choose the right label space or correct the instance map",
            )
        (x, y), (right, bottom) = starts[number].tolist(), ends[number].tolist()
        result.append(
            {
                "id": segment,
                "category_id": class_id,
                "area": int(areas[number]),
                "bbox": [x, y, right - x, bottom - y],
                "iscrowd": int(things[class_id] and not counted),
            }
        )
    return result


def categories(space: LabelSpace) -> list[dict[str, Any]]:
    """The classes of a label space as COCO categories."""
    return [
        {
            "id": item.id,
            "name": item.name,
            "supercategory": "thing" if item.has_instances else "stuff",
            "isthing": int(item.has_instances),
            "color": list(item.color),
        }
        for item in space.classes
    ]
