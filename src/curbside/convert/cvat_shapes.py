"""The shapes of CVAT's XML: what their attributes say, and the pixels they cover."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from ..errors import DataError
from ..imaging import fill_polygon
from .polygons import MAX_ALL_CORNERS, MAX_COORDINATE, MAX_CORNERS, MAX_SIDE, check_work

__all__ = [
    "AREA_KINDS",
    "CROWD",
    "IGNORE_LABEL",
    "CvatShape",
    "ShapeReader",
    "draw_shapes",
    "whole_number",
]

AREA_KINDS = ("polygon", "box", "mask")
"""The kinds of shape that cover pixels here; CVAT's others are kept, but without corners."""
IGNORE_LABEL = "ignore"
"""The label of pixels that are to have no class."""
CROWD = "crowd"
"""The attribute that is "true" where a shape covers several objects that are not told apart."""

MAX_SHAPES = 10_000
"""More on one image are refused."""
MAX_MASK_PIXELS = 10**9
"""More in the boxes of all masks on one image are refused."""

_MAX_NUMBER = 2**31
_FIX = "export the annotations again as CVAT for images 1.1, or remove the image from the file"


@dataclass(frozen=True, kw_only=True)
class CvatShape:
    """One shape on an image."""

    kind: str
    """CVAT's word for it: polygon, box, mask, polyline, points, ellipse, cuboid, tag, ..."""
    label: str
    """The label as the file spells it."""
    points: tuple[tuple[float, float], ...] = ()
    """Corners (x, y) of a polygon or (turned by its rotation) a box, in pixels; empty otherwise."""
    z_order: int = 0
    """Shapes with a larger one lie over the others."""
    group_id: int = 0
    """Shapes of one label and one number other than 0 are parts of one object."""
    occluded: bool = False
    """Whether the annotator marked it as partly hidden."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Whatever else was said of it, by name."""
    runs: tuple[int, ...] = ()
    """Of a mask: lengths of runs through its box, row by row, off and on in turns, off first."""
    box_xywh: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Of a mask: left, top, width and height of the box that the runs fill, in pixels."""

    @property
    def is_crowd(self) -> bool:
        """Whether it covers several objects that are not told apart."""
        return self.attributes.get(CROWD, "").lower() == "true"


def draw_shapes(shapes: Sequence[CvatShape], size_hw: tuple[int, int]) -> np.ndarray:
    """Paint shapes one over another, each with its own number; lines and points paint nothing.

    Args:
        shapes: In the order they are painted: sort them by `z_order` first.
        size_hw: Height and width of the map.

    Returns:
        (H, W) uint8 or, from 256 shapes on, int32: 0 where nothing is, else 1 + the index of the
        shape.
    """
    canvas = Image.new("L" if len(shapes) < 256 else "I", size_hw[::-1])
    for number, shape in enumerate(shapes, start=1):
        if shape.kind == "mask":
            left, top, width, height = shape.box_xywh
            on = np.resize(np.array([0, 255], np.uint8), len(shape.runs))
            stamp = np.repeat(on, shape.runs).reshape(height, width)
            canvas.paste(number, (left, top), Image.fromarray(stamp))
        else:
            fill_polygon(canvas, shape.points, number)
    return np.asarray(canvas)


class ShapeReader:
    """Turns the elements of one image into shapes, as long as they are not absurdly many.

    Args:
        where: The file and the image, for errors.
        image: The attributes of the image's element.
    """

    def __init__(self, where: str, image: Mapping[str, str]) -> None:
        self._where = where
        self.size_hw = (
            whole_number(image, "height", 1, MAX_SIDE, where),
            whole_number(image, "width", 1, MAX_SIDE, where),
        )
        self._shapes = 0
        self._corners = 0
        self._mask_pixels = 0

    def read(self, kind: str, words: Mapping[str, str], said: Mapping[str, str]) -> CvatShape:
        """One shape.

        Args:
            kind: The tag of its element.
            words: The attributes of its element.
            said: What its `<attribute>` elements hold, by name.

        Raises:
            DataError: It has no label, an impossible number, or is one too many.
        """
        self._shapes += 1
        if self._shapes > MAX_SHAPES:
            raise DataError(f"{self._where} has more than {MAX_SHAPES:,} shapes", fix=_FIX)
        if "label" not in words:
            raise DataError(f"{self._where}: a {kind} has no label", fix=_FIX)
        points: tuple[tuple[float, float], ...] = ()
        runs: tuple[int, ...] = ()
        box_xywh = (0, 0, 0, 0)
        if kind == "polygon":
            points = self._polygon(words.get("points", ""))
        elif kind == "box":
            points = self._box(words)
        elif kind == "mask":
            runs, box_xywh = self._mask(words)
        check_work(self._shapes, self._corners, self.size_hw, self._where)
        z_order = {"z_order": "0", **words}
        group = {"group_id": "0", **words}
        return CvatShape(
            kind=kind,
            label=words["label"],
            points=points,
            z_order=whole_number(z_order, "z_order", -_MAX_NUMBER, _MAX_NUMBER, self._where),
            group_id=whole_number(group, "group_id", 0, _MAX_NUMBER, self._where),
            occluded=words.get("occluded") == "1",
            attributes=said,
            runs=runs,
            box_xywh=box_xywh,
        )

    def _polygon(self, text: str) -> tuple[tuple[float, float], ...]:
        corners = text.count(";") + 1
        self._corners += corners
        if corners > MAX_CORNERS or self._corners > MAX_ALL_CORNERS:
            raise DataError(
                f"{self._where} has a polygon of {corners:,} corners, {self._corners:,} in all, "
                f"not up to {MAX_CORNERS:,} and {MAX_ALL_CORNERS:,}",
                fix=_FIX,
            )
        pairs = [pair.split(",") for pair in text.split(";")]
        if any(len(pair) != 2 for pair in pairs):
            raise DataError(
                f"{self._where}: a polygon has the points {reprlib.repr(text)}, not x,y;x,y;...",
                fix=_FIX,
            )
        return tuple((self._coordinate(x), self._coordinate(y)) for x, y in pairs)

    def _box(self, words: Mapping[str, str]) -> tuple[tuple[float, float], ...]:
        left, top, right, bottom = (
            self._coordinate(words.get(key, "")) for key in ("xtl", "ytl", "xbr", "ybr")
        )
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        turn = math.radians(self._coordinate(words.get("rotation", "0")))
        if not turn:
            return corners
        x, y, sin, cos = (left + right) / 2, (top + bottom) / 2, math.sin(turn), math.cos(turn)
        return tuple(
            (x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos)
            for a, b in corners
        )

    def _mask(self, words: Mapping[str, str]) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
        height, width = self.size_hw
        left = whole_number(words, "left", 0, width - 1, self._where)
        top = whole_number(words, "top", 0, height - 1, self._where)
        wide = whole_number(words, "width", 1, width - left, self._where)
        high = whole_number(words, "height", 1, height - top, self._where)
        self._mask_pixels += wide * high
        if self._mask_pixels > MAX_MASK_PIXELS:
            raise DataError(
                f"{self._where} has masks of more than {MAX_MASK_PIXELS:,} pixels", fix=_FIX
            )
        texts = words.get("rle", "").split(",")
        try:
            runs = tuple(int(text) for text in texts) if len(texts) <= wide * high + 1 else ()
        except ValueError:
            runs = ()
        if not runs or min(runs) < 0 or sum(runs) != wide * high:
            raise DataError(
                f"{self._where}: the runs of a mask do not fill its {wide} x {high} pixels",
                fix=_FIX,
            )
        return runs, (left, top, wide, high)

    def _coordinate(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= MAX_COORDINATE:  # NaN too
            raise DataError(
                f"{self._where}: the coordinate {reprlib.repr(text)} is no number within "
                f"{MAX_COORDINATE:,} pixels",
                fix=_FIX,
            )
        return value


def whole_number(words: Mapping[str, str], key: str, low: int, high: int, where: str) -> int:
    """An attribute that is a whole number from `low` to `high`.

    Raises:
        DataError: It is missing or anything else.
    """
    text = words.get(key, "")
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise DataError(f"{where}: {key} is {reprlib.repr(text)}, not {low}..{high}", fix=_FIX)
    return value
