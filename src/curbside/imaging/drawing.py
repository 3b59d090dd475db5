"""What people look at: class colours over a frame, and the legend beside it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

__all__ = ["blend_classes", "colorize", "draw_legend"]


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


def draw_legend(
    height: int,
    names: Sequence[str],
    colors_rgb: Sequence[tuple[int, int, int]],
    *,
    width: int = 190,
) -> np.ndarray:
    """A column of colour patches and class names: (height, width, 3) uint8 BGR."""
    panel = np.full((height, width, 3), 24, np.uint8)
    step = min(26, max(12, (height - 8) // max(1, len(names))))
    for row, (name, color) in enumerate(zip(names, colors_rgb, strict=True)):
        top = 6 + row * step
        cv2.rectangle(panel, (8, top), (8 + step - 6, top + step - 6), color[::-1], cv2.FILLED)
        cv2.putText(
            panel,
            name,
            (step + 10, top + step - 9),
            cv2.FONT_HERSHEY_SIMPLEX,
            step / 52,
            (235, 235, 235),
            1,
            cv2.LINE_AA,
        )
    return panel
