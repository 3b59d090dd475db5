"""Polygon annotation files of the Cityscapes kind, IDD's too: read with suspicion, drawn once.

A file says `imgHeight`, `imgWidth` and `objects`: a list of `{label, polygon, deleted}`, a polygon
being `[[x, y], ...]`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DataError
from ..files import read_json
from ..imaging import fill_polygon
from ..imaging.reading import MAX_PIXELS

__all__ = ["PolygonFile", "PolygonObject", "check_work", "draw_objects", "read_polygons"]

MAX_BYTES = 16 * 2**20
"""Larger annotation files are refused unread; real ones have a few hundred kilobytes."""
MAX_SIDE = 20_000
"""Pictures with a longer side are refused before anything is allocated."""
MAX_COORDINATE = 1_000_000
"""Corners may lie outside the picture, but not absurdly."""
MAX_CORNERS = 10_000
"""More in one polygon are refused, as the time to fill grows with their square."""
MAX_ALL_CORNERS = 200_000
"""More in one file are refused."""
MAX_PAINTED = 50_000_000_000
"""More objects times pixels are refused, as the time to paint them all grows with it: about 15 s."""
MAX_CROSSED = 250_000_000
"""More corners times rows are refused: Pillow sorts, row by row, where edges cross it; about 15 s."""

_FIX = "correct the file, or remove the sample from its split"


@dataclass(frozen=True, kw_only=True)
class PolygonObject:
    """One object that counts: not deleted, and of enough corners."""

    label: str
    """The label as the file spells it."""
    polygon: tuple[tuple[float, float], ...]
    """Corners (x, y), in pixels; three or more unless fewer were asked for."""


@dataclass(frozen=True, kw_only=True)
class PolygonFile:
    """What an annotation file says."""

    size_hw: tuple[int, int]
    """Height and width of the picture that was annotated."""
    objects: tuple[PolygonObject, ...]
    """The objects that count, in the order they are painted: later over earlier."""


def read_polygons(path: Path, *, fewest: int = 3) -> PolygonFile:
    """Read an annotation file. Deleted objects and polygons of too few corners are left out.

    `deleted` is taken by its truth, as the official tools do: the string "0" deletes.

    Args:
        path: The file.
        fewest: Corners from which on a polygon counts, 2 or 3; one of two is a line.

    Raises:
        DataError: The file is missing, no JSON, too large, or holds a value that cannot be.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=_FIX) from error
    if size > MAX_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} allowed", fix=_FIX)
    data = read_json(path, fix=_FIX)
    if not isinstance(data, dict) or not isinstance(data.get("objects"), list):
        raise DataError(f"{path} is no polygon annotation: it holds no list of objects", fix=_FIX)
    size_hw = (_side(data, "imgHeight", path), _side(data, "imgWidth", path))
    if size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise DataError(
            f"{path} is for {size_hw[1]} x {size_hw[0]} pixels, more than {MAX_PIXELS:,}", fix=_FIX
        )
    found = (_object(item, number, path, fewest) for number, item in enumerate(data["objects"]))
    objects = tuple(item for item in found if item is not None)
    corners = sum(len(item.polygon) for item in objects)
    if corners > MAX_ALL_CORNERS:
        raise DataError(f"{path} has {corners:,} corners, not up to {MAX_ALL_CORNERS:,}", fix=_FIX)
    check_work(len(objects), corners, size_hw, str(path))
    return PolygonFile(size_hw=size_hw, objects=objects)


def check_work(objects: int, corners: int, size_hw: tuple[int, int], where: str) -> None:
    """Refuse what would take minutes to paint.

    Args:
        objects: How many.
        corners: Of all of them.
        size_hw: Height and width of the picture.
        where: The file, for the error.

    Raises:
        DataError: They are too many for a picture of that size.
    """
    height, width = size_hw
    for number, work, most in (
        (f"{objects:,} objects", objects * height * width, MAX_PAINTED),
        (f"{corners:,} corners", corners * height, MAX_CROSSED),
    ):
        if work > most:
            what = f"{number} on {width} x {height} pixels, too many to paint"
            raise DataError(f"{where} has {what}", fix=_FIX)


def draw_objects(
    polygons: Sequence[Sequence[tuple[float, float]]], size_hw: tuple[int, int]
) -> np.ndarray:
    """Paint polygons one over another, each with its own number.

    One such map serves every encoding: a table lookup turns numbers into ids.

    Args:
        polygons: Corners (x, y), in pixels; two of them are a line.
        size_hw: Height and width of the map.

    Returns:
        (H, W) uint8 or, from 256 polygons on, int32: 0 where nothing is, else 1 + the index of the
        polygon.
    """
    numbers = np.zeros(size_hw, np.uint8)
    if len(polygons) < 256:
        canvas = Image.frombuffer("L", size_hw[::-1], numbers, "raw", "L", 0, 1)
        canvas.readonly = 0  # paint into `numbers`: to read a canvas takes longer than to paint it
    else:
        canvas = Image.new("I", size_hw[::-1])
    for number, polygon in enumerate(polygons, start=1):
        fill_polygon(canvas, polygon, number, fewest=2)
    # Where nothing came into `numbers` there is nothing, or it was painted elsewhere.
    return numbers if numbers.any() else np.asarray(canvas)


def _side(data: dict[str, Any], key: str, path: Path) -> int:
    value = data.get(key)
    try:
        side = int(value) if isinstance(value, (int, str)) else 0
    except ValueError:
        side = 0
    if isinstance(value, bool) or not 1 <= side <= MAX_SIDE:
        raise DataError(
            f"{path}: {key} is {reprlib.repr(value)}, not 1..{MAX_SIDE} pixels", fix=_FIX
        )
    return side


def _object(item: Any, number: int, path: Path, fewest: int) -> PolygonObject | None:
    if not isinstance(item, dict):
        raise DataError(
            f"{path}: object {number} is {reprlib.repr(item)}, not a labelled polygon", fix=_FIX
        )
    if item.get("deleted"):
        return None
    label, polygon = item.get("label"), item.get("polygon")
    if not isinstance(label, str):
        problem = "has no label" if "label" not in item else f"has the label {reprlib.repr(label)}"
        raise DataError(f"{path}: object {number} {problem}", fix=f"give it one; {_FIX}")
    if not isinstance(polygon, list):
        raise DataError(
            f"{path}: object {number} has the polygon {reprlib.repr(polygon)}", fix=_FIX
        )
    if len(polygon) < fewest:
        return None
    if len(polygon) > MAX_CORNERS:
        raise DataError(
            f"{path}: object {number} has {len(polygon):,} corners, not up to {MAX_CORNERS:,}",
            fix=_FIX,
        )
    return PolygonObject(
        label=label, polygon=tuple(_corner(corner, number, path) for corner in polygon)
    )


def _corner(corner: Any, number: int, path: Path) -> tuple[float, float]:
    if isinstance(corner, list) and len(corner) == 2:
        x, y = corner
        if _is_coordinate(x) and _is_coordinate(y):
            return x, y
    raise DataError(
        f"{path}: object {number} has the corner {reprlib.repr(corner)}, "
        f"not [x, y] within {MAX_COORDINATE:,} pixels",
        fix=_FIX,
    )


def _is_coordinate(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= MAX_COORDINATE  # false for NaN too
