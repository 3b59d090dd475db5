"""`Scene`: a picture with the polygons it was painted into, and everything they imply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from ..imaging import fill_polygon
from ..labels import IGNORE_ID, idd_labels, space_of_encoding

__all__ = ["LabelledPolygon", "Scene", "index_map"]


@dataclass(frozen=True, kw_only=True)
class LabelledPolygon:
    """One labelled outline, as an annotator would have drawn it."""

    label: str
    """One of IDD's labels."""
    points: tuple[tuple[int, int], ...]
    """Corners (x, y) in pixels; may lie outside the picture."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A drawn picture and its exact truth."""

    rgb: np.ndarray
    """(H, W, 3) uint8."""
    polygons: tuple[LabelledPolygon, ...]
    """In painting order: a later one covers an earlier one."""
    depth_m: np.ndarray
    """(H, W) float32, metres along the optical axis; 0 = sky."""
    condition: str
    """One of `CONDITIONS`."""

    @cached_property
    def owner(self) -> np.ndarray:
        """Which polygon is seen at each pixel: (H, W) int32."""
        return index_map([p.points for p in self.polygons], self.depth_m.shape)

    def ids(self, encoding: str = "level2") -> np.ndarray:
        """The class of each pixel: (H, W) uint8, 255 = ignore.

        Args:
            encoding: One of IDD's encodings, such as `level2`.

        Raises:
            LabelError: There is no such encoding.
        """
        official, _ = space_of_encoding(encoding)
        return self._lookup([idd_labels()[p.label].ids[official] for p in self.polygons], np.uint8)

    def instances(self, encoding: str = "level2") -> np.ndarray:
        """The object of each pixel: (H, W) uint16, class * 1000 + index.

        The index counts from 0 within each class of the encoding, in the order of the polygons;
        what is not counted keeps its plain class id, 255 = ignore.

        Raises:
            LabelError: There is no such encoding.
        """
        official, _ = space_of_encoding(encoding)
        counted: Counter[int] = Counter()
        values = []
        for polygon in self.polygons:
            label = idd_labels()[polygon.label]
            value = class_id = label.ids[official]
            if label.has_instances and class_id != IGNORE_ID:
                value = class_id * 1000 + counted[class_id]
                counted[class_id] += 1
            values.append(value)
        return self._lookup(values, np.uint16)

    def idd_json(self) -> dict[str, Any]:
        """The annotation file of the scene, in IDD's own schema."""
        height, width = self.depth_m.shape
        return {
            "imgHeight": height,
            "imgWidth": width,
            "objects": [
                {
                    "label": polygon.label,
                    "polygon": [list(point) for point in polygon.points],
                    "deleted": 0,
                    "draw": True,
                    "id": number,
                    "date": "",
                    "user": "curbside",
                    "verified": 1,
                }
                for number, polygon in enumerate(self.polygons)
            ],
        }

    def _lookup(self, values: Sequence[int], dtype: type) -> np.ndarray:
        return np.array([*values, IGNORE_ID], dtype)[self.owner]  # -1, no polygon, takes the last


def index_map(
    outlines: Sequence[Sequence[tuple[int, int]]], size_hw: tuple[int, ...]
) -> np.ndarray:
    """Which outline is seen at each pixel.

    Args:
        outlines: Polygons in painting order.
        size_hw: Height and width of the picture.

    Returns:
        (H, W) int32 index into `outlines`; -1 where there is none.
    """
    canvas = Image.new("I", (size_hw[1], size_hw[0]), -1)
    for index, points in enumerate(outlines):
        fill_polygon(canvas, points, index)
    return np.asarray(canvas, np.int32)
