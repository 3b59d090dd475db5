"""What people look at: class colours over a frame, and the legend beside it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

__all__ = [
    "blend_classes",
    "colorize",
    "draw_legend",
    "draw_objects",
    "draw_scale",
    "grey_frame",
    "legend_rows",
    "mask_classes",
]

LEGEND_WIDTH = 190
_INK = (235, 235, 235)
_PAPER = 24
_RUNS = 5


def colorize(ids: np.ndarray, palette_rgb: np.ndarray) -> np.ndarray:
    """A class map in its colours: (H, W) uint8 ids and (256, 3) uint8 RGB to (H, W, 3) uint8 BGR."""
    return cv2.applyColorMap(ids, np.ascontiguousarray(palette_rgb[:, None, ::-1]))


def blend_classes(
    frame_bgr: np.ndarray,
    ids: np.ndarray,
    palette_rgb: np.ndarray,
    *,
    alpha: float = 0.5,
    ignore_id: int = 255,
) -> np.ndarray:
    """The frame with class colours laid over it.

    Args:
        frame_bgr: (H, W, 3) uint8.
        ids: (H, W) uint8 class ids; `ignore_id` pixels show the frame darkened, not a colour.
        palette_rgb: (256, 3) uint8.
        alpha: 0 shows the frame alone, 1 the colours alone.
        ignore_id: The id without a colour.

    Returns:
        A new (H, W, 3) uint8 BGR picture.
    """
    palette = palette_rgb
    if palette[ignore_id].any():
        palette = palette.copy()
        palette[ignore_id] = 0
    colors = colorize(ids, palette)
    # Into the buffer of the colours: a second fresh one costs more in page faults than the blend itself.
    return cv2.addWeighted(frame_bgr, 1.0 - alpha, colors, alpha, 0.0, dst=colors)


def mask_classes(ids: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
    """Where a map has one of some classes: 255 there, else 0.

    Args:
        ids: (H, W) uint8.
        wanted: Class ids.

    Returns:
        (H, W) uint8.
    """
    table = np.zeros(256, np.uint8)
    table[list(wanted)] = 255
    edges = np.flatnonzero(np.diff(table, prepend=0, append=0)).reshape(-1, 2)
    if (
        len(edges) > _RUNS
    ):  # ids that follow each other are compared at once, which is faster for few
        return cv2.LUT(ids, table)
    mask = np.zeros_like(ids)
    for first, after in edges.tolist():
        cv2.bitwise_or(mask, cv2.inRange(ids, first, after - 1), dst=mask)
    return mask


def grey_frame(frame_bgr: np.ndarray) -> np.ndarray:
    """The frame without its colours, a new (H, W, 3) uint8 BGR picture."""
    return cv2.cvtColor(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def legend_rows(height: int) -> int:
    """How many names fit into a legend of this height so that they can be read."""
    return max(0, height - 8) // 12


def draw_legend(
    height: int,
    names: Sequence[str],
    colors_rgb: Sequence[tuple[int, int, int]],
    *,
    width: int = LEGEND_WIDTH,
) -> np.ndarray:
    """A column of colour patches and class names: (height, width, 3) uint8 BGR; those that do not fit
    are left out, see `legend_rows`."""
    panel = np.full((height, width, 3), _PAPER, np.uint8)
    step = min(26, max(12, (height - 8) // max(1, len(names))))
    for row, (name, color) in enumerate(zip(names, colors_rgb, strict=True)):
        top = 6 + row * step
        cv2.rectangle(panel, (8, top), (8 + step - 6, top + step - 6), color[::-1], cv2.FILLED)
        _write(panel, name, (step + 10, top + step - 9), step / 52)
    return panel


def draw_scale(
    height: int,
    palette_rgb: np.ndarray,
    marks: Sequence[tuple[int, str]],
    *,
    width: int = LEGEND_WIDTH,
) -> np.ndarray:
    """A bar of the colours of numbers, with some of them written beside it.

    Args:
        height: Of the picture, in pixels.
        palette_rgb: (256, 3) uint8; the bar shows 1..255, the last on top.
        marks: Levels of the palette and what is written there.
        width: Of the picture, in pixels.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    panel = np.full((height, width, 3), _PAPER, np.uint8)
    inside = max(1, height - 24)
    levels = np.linspace(255, 1, inside)
    bar = palette_rgb[np.rint(levels).astype(np.uint8), ::-1]
    panel[12 : 12 + inside, 12:36] = bar[: height - 12, None]
    scale = min(0.5, max(0.3, height / 900))
    for level, text in marks:
        row = 12 + round((255 - level) / 254 * (inside - 1))
        cv2.line(panel, (36, row), (42, row), _INK, 1)
        _write(panel, text, (48, row + round(10 * scale)), scale)
    return panel


def draw_objects(
    frame_bgr: np.ndarray,
    *,
    boxes_xyxy: np.ndarray,
    masks: Sequence[tuple[int, int, np.ndarray]],
    captions: Sequence[str],
    colors_rgb: np.ndarray,
    alpha: float = 0.5,
) -> np.ndarray:
    """The frame with objects over it, later ones over earlier ones, all captions on top.

    Args:
        frame_bgr: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) left, top, right, bottom in pixels.
        masks: Per object its first row, its first column, and its pixels there, (h, w) bool.
        captions: Per object what is written at its box.
        colors_rgb: (N, 3) uint8.
        alpha: How much the colour covers an object's pixels, 0..1.

    Returns:
        A new (H, W, 3) uint8 BGR picture.
    """
    picture = frame_bgr.copy()
    line = max(1, round(min(picture.shape[:2]) / 400))
    objects = list(zip(boxes_xyxy, masks, captions, colors_rgb.tolist(), strict=True))
    for box, mask, _, color in objects:
        _fill(picture, *mask, color[::-1], alpha=alpha, line=line)
        left, top, right, bottom = (round(float(value)) for value in box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), color[::-1], line)
    for box, _, caption, color in objects:
        _write_caption(picture, caption, box, color[::-1])
    return picture


def _fill(
    picture: np.ndarray,
    top: int,
    left: int,
    inside: np.ndarray,
    color_bgr: Sequence[int],
    *,
    alpha: float,
    line: int,
) -> None:
    """Tint an object's pixels, and draw its outline in its full colour."""
    if not inside.size:
        return
    height, width = inside.shape
    there = picture[top : top + height, left : left + width]
    tint = np.arange(256)[:, None] * (1 - alpha) + np.array(color_bgr) * alpha  # (256, 3)
    table = np.rint(tint).astype(np.uint8)[None]
    mask = inside.view(np.uint8)
    cv2.copyTo(cv2.LUT(there, table), mask, there)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, outlines, -1, color_bgr, line, offset=(left, top))


def _write_caption(
    picture: np.ndarray, text: str, box_xyxy: np.ndarray, color_bgr: Sequence[int]
) -> None:
    """Write on a patch of the colour: above the box, or inside it where the frame ends."""
    height, width = picture.shape[:2]
    scale = max(0.35, min(height, width) / 1500)
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    left = max(0, min(round(float(box_xyxy[0])), width - wide - 4))
    top = round(float(box_xyxy[1])) - tall - below - 2
    top = top if top >= 0 else max(0, round(float(box_xyxy[1])))
    corner = (left + wide + 4, top + tall + below + 2)
    cv2.rectangle(picture, (left, top), corner, color_bgr, cv2.FILLED)
    blue, green, red = color_bgr
    bright = 0.114 * blue + 0.587 * green + 0.299 * red > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    place = (left + 2, top + tall + 1)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def _write(panel: np.ndarray, text: str, place: tuple[int, int], scale: float) -> None:
    cv2.putText(panel, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
