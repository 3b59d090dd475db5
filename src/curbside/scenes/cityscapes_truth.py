"""A scene's truth in Cityscapes' terms, which several datasets share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..labels import EncodedLabel, cityscapes_labels, load_space, mapping
from .scene import LabelledPolygon, Scene

__all__ = ["CityscapesTruth"]

_NOTHING = "unlabeled"
_NO_CLASS = "static"


@dataclass(frozen=True, kw_only=True)
class CityscapesTruth:
    """The polygons of a scene under Cityscapes' names, and the masks they imply."""

    scene: Scene
    """What is described."""
    annotated: bool = True
    """False gives the truth of the official test split: nothing is labelled."""

    def ids(self, encoding: str) -> np.ndarray:
        """The class of each pixel, `id` or `trainId`: (H, W) uint8."""
        return self._painted([label.ids[encoding] for _, label in self._objects], encoding)

    def instances(self) -> np.ndarray:
        """(H, W) uint16: label id * 1000 + index, the plain label id of what is not counted."""
        counted: Counter[int] = Counter()
        values = []
        for _, label in self._objects:
            value = label_id = label.ids["id"]
            if label.has_instances:
                value = label_id * 1000 + counted[label_id]
                counted[label_id] += 1
            values.append(value)
        return self._painted(values, "id")

    def colors(self) -> np.ndarray:
        """(H, W, 4) uint8 RGBA."""
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        for label in cityscapes_labels().values():
            if label.ids["id"] >= 0:
                table[label.ids["id"], :3] = label.color
        return table[self.ids("id")]

    def polygons(self) -> dict[str, Any]:
        """The annotation file."""
        height, width = self.scene.depth_m.shape
        objects = [
            {"label": label.name, "polygon": [list(point) for point in polygon.points]}
            for polygon, label in self._objects
        ]
        return {"imgHeight": height, "imgWidth": width, "objects": objects}

    @property
    def _objects(self) -> list[tuple[LabelledPolygon, EncodedLabel]]:
        names, labels = _names(), cityscapes_labels()
        polygons = self.scene.polygons if self.annotated else ()
        return [(polygon, labels[names[polygon.label]]) for polygon in polygons]

    def _painted(self, values: list[int], encoding: str) -> np.ndarray:
        nothing = cityscapes_labels()[_NOTHING].ids[encoding]
        dtype = np.uint16 if max(values, default=0) > 255 else np.uint8
        if not values:
            return np.full(self.scene.depth_m.shape, nothing, dtype)
        return np.array([*values, nothing], dtype)[self.scene.owner]  # -1 takes the last


@cache
def _names() -> dict[str, str]:
    """Cityscapes' name of each of IDD's labels; things that have none are static."""
    classes = mapping(load_space("idd-id"), load_space("cityscapes-id")).classes
    return {row.source: row.target or _NO_CLASS for row in classes}
