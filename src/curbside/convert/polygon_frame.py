"""A frame of polygons (IDD, Cityscapes): read once, drawn once, and what it is in every encoding.

Numbers are drawn, 1 for the first object and so on; what a number becomes is a small table per
encoding and output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import DataError
from ..imaging import Regions, image_size_hw
from ..labels import IGNORE_ID, EncodedLabel, load_space
from ..prepared import MAX_INDEX
from .panoptic import NOT_COUNTED
from .polygons import draw_objects, read_polygons

__all__ = ["Background", "Drawing", "DrawnObject", "PolygonFrame", "PolygonLabels"]

Background = Literal["ignore", "unlabeled"]


@dataclass(frozen=True, kw_only=True)
class PolygonLabels:
    """How a dataset's labels become pixels."""

    labels: Mapping[str, EncodedLabel]
    """Its labels by name; one is "unlabeled"."""
    spaces: Mapping[str, str]
    """The name of the label space of each encoding."""
    background: Background
    """What pixels are that no object covers."""

    def background_id(self, encoding: str) -> int:
        """Value of the pixels that no object covers."""
        return IGNORE_ID if self.background == "ignore" else self._unlabeled.ids[encoding]

    @property
    def background_color(self) -> tuple[int, int, int]:
        """Colour of the pixels that no object covers, RGB."""
        return self._unlabeled.color

    @property
    def _unlabeled(self) -> EncodedLabel:
        return self.labels["unlabeled"]

    def find(self, name: str) -> tuple[EncodedLabel | None, bool]:
        """The label of that name, and whether it is one thing and not a group; None if unknown."""
        if name in self.labels:  # whole, before the suffix goes: `polegroup` is a label of its own
            return self.labels[name], True
        return self.labels.get(name.removesuffix("group")), False


@dataclass(frozen=True, kw_only=True)
class DrawnObject:
    """An object whose label the table knows."""

    label: EncodedLabel
    """Its label; of a group, that of its members."""
    counted: bool
    """Whether it is one thing, with an index of its own where the encoding counts its class."""
    polygon: tuple[tuple[float, float], ...]
    """Its corners (x, y), in pixels."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Objects painted over each other, and tables from the number map to pixel values."""

    objects: tuple[DrawnObject, ...]
    """In the order they are painted; the first has number 1, the background 0."""
    size_hw: tuple[int, int]
    """Height and width in pixels."""
    by: PolygonLabels
    """What labels become."""

    @cached_property
    def numbers(self) -> np.ndarray:
        """(H, W) uint8 or int32: the number of the object on top."""
        return draw_objects([item.polygon for item in self.objects], self.size_hw)

    @cached_property
    def regions(self) -> Regions:
        """Where each number lies."""
        return Regions(self.numbers)

    def classes(self, encoding: str) -> np.ndarray:
        """Class id of every number: (N,) uint8."""
        values = [item.label.ids[encoding] for item in self.objects]
        return np.array([self.by.background_id(encoding), *values], np.uint8)

    def indices(self, encoding: str) -> np.ndarray:
        """Index of every number among those of its class: (N,) int32, -1 where not counted.

        Counters run per encoded class, as coarse encodings put several labels into one. Ignored
        objects are not counted, since 255 * 1000 does not fit 16 bits, nor those after the
        thousandth of a class: class * 1000 + 1000 would be the next class.
        """
        classes = load_space(self.by.spaces[encoding]).classes
        countable = {item.id for item in classes if item.has_instances}
        indices = [NOT_COUNTED]
        counters: Counter[int] = Counter()
        for item in self.objects:
            value = item.label.ids[encoding]
            if item.counted and value in countable and counters[value] <= MAX_INDEX:
                indices.append(counters[value])
                counters[value] += 1
            else:
                indices.append(NOT_COUNTED)
        return np.array(indices, np.int32)

    def instances(self, encoding: str) -> np.ndarray:
        """Instance value of every number: (N,) uint16, class * 1000 + index or the plain class."""
        classes, indices = self.classes(encoding), self.indices(encoding)
        counted = classes.astype(np.uint16) * 1000 + indices
        return np.where(indices == NOT_COUNTED, classes, counted).astype(np.uint16)

    def colors(self) -> np.ndarray:
        """Official colour of every number: (N, 4) uint8 RGBA, opaque; the background is black."""
        values = [self.by.background_color, *(item.label.color for item in self.objects)]
        return np.array([(*color, 255) for color in values], np.uint8)


@dataclass(frozen=True, kw_only=True)
class PolygonFrame:
    """What the polygon file of a frame says."""

    areas: Drawing
    """Objects of three corners or more."""
    lines: Drawing
    """Objects of two corners or more; the same as `areas` where no polygon has two."""
    unknown_labels: Mapping[str, int]
    """Labels that are not in the table, and how many objects were skipped for them."""

    @classmethod
    def read(cls, path: Path, by: PolygonLabels, *, picture: Path | None = None) -> PolygonFrame:
        """Read a polygon file.

        Args:
            path: The file.
            by: What its labels become; labels of a negative id are not drawn.
            picture: The picture it belongs to, whose size it must have.

        Raises:
            DataError: It is missing, damaged, for another size, or says something impossible.
        """
        file = read_polygons(path, fewest=2)
        if picture is not None and file.size_hw != (size := image_size_hw(picture)):
            raise DataError(
                f"{path} is for {file.size_hw[1]} x {file.size_hw[0]} pixels, "
                f"its picture {picture.name} is {size[1]} x {size[0]}",
                fix="give a picture and its annotation of one size",
            )
        known: list[DrawnObject] = []
        unknown: Counter[str] = Counter()
        for item in file.objects:
            label, single = by.find(item.label)
            if label is None:
                unknown[item.label.encode("utf-8", "backslashreplace").decode()[:80]] += 1
            elif min(label.ids.values()) >= 0:
                counted = single and label.has_instances
                known.append(DrawnObject(label=label, counted=counted, polygon=item.polygon))
        objects = tuple(item for item in known if len(item.polygon) > 2)
        areas = Drawing(objects=objects, size_hw=file.size_hw, by=by)
        lines = areas
        if len(objects) < len(known):
            lines = Drawing(objects=tuple(known), size_hw=file.size_hw, by=by)
        return cls(areas=areas, lines=lines, unknown_labels=dict(sorted(unknown.items())))
