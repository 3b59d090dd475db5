"""Polygons to pixels, exactly as the official dataset tools draw them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

__all__ = ["fill_polygon"]


def fill_polygon(
    canvas: Image.Image, polygon: Sequence[Sequence[float]], value: int, *, fewest: int = 3
) -> None:
    """Paint a polygon onto a Pillow image, in place.

    Pillow's own rule is the reference, since the official IDD and Cityscapes tools use it: edges are
    inclusive (a square from 2 to 10 covers 9 x 9 pixels), corners are truncated to whole pixels, a
    polygon that crosses itself is filled even-odd. A polygon of one or two points has no area and
    paints nothing, unless `fewest` is 2: Pillow makes a line of two points.

    Args:
        canvas: Image of mode "L" or "I".
        polygon: Corners as (x, y) pairs, in pixels; may lie outside the image.
        value: The pixel value to paint.
        fewest: Corners from which on a polygon is painted, 2 or 3.
    """
    if len(polygon) >= fewest:
        ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in polygon], fill=value)
