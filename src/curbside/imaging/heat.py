"""Numbers as colours: depth in metres, and how unsure a network is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from .drawing import blend_classes, grey_frame, mask_classes

__all__ = [
    "HALF_WAY_M",
    "blend_depth",
    "blend_doubt",
    "depth_palette",
    "doubt_palette",
    "encode_depth",
    "encode_doubt",
]

HALF_WAY_M = 10.0
"""The distance in the middle of the colours of depth."""
_LEVELS = 254
_BAND_ROWS = 120


def blend_depth(frame_bgr: np.ndarray, depth_m: np.ndarray, *, alpha: float = 0.5) -> np.ndarray:
    """The frame with the colours of depth laid over it.

    Args:
        frame_bgr: (H, W, 3) uint8.
        depth_m: (H, W) float32 metres; where it is 0, nothing is known and the frame is darkened.
        alpha: 0 shows the frame alone, 1 the colours alone.

    Returns:
        A new (H, W, 3) uint8 BGR picture.
    """
    picture = np.empty_like(frame_bgr)
    for band in _bands(len(frame_bgr)):
        levels = encode_depth(depth_m[band])
        picture[band] = blend_classes(
            frame_bgr[band], levels, depth_palette(), alpha=alpha, ignore_id=0
        )
    return picture


def blend_doubt(
    frame_bgr: np.ndarray,
    confidence: np.ndarray,
    ids: np.ndarray,
    *,
    alpha: float = 0.5,
    hidden: Sequence[int] = (),
) -> np.ndarray:
    """The frame in grey with the colours of doubt laid over it: the less sure, the brighter.

    Args:
        frame_bgr: (H, W, 3) uint8.
        confidence: (H, W) float32 in 0..1.
        ids: The class of every pixel, (H, W) uint8.
        alpha: 0 shows the grey frame alone, 1 the colours alone.
        hidden: Class ids whose pixels show the grey frame alone.

    Returns:
        A new (H, W, 3) uint8 BGR picture.
    """
    picture = np.empty_like(frame_bgr)
    for band in _bands(len(frame_bgr)):
        levels, grey = encode_doubt(confidence[band]), grey_frame(frame_bgr[band])
        colored = blend_classes(grey, levels, doubt_palette(), alpha=alpha, ignore_id=0)
        if hidden:
            cv2.copyTo(grey, mask_classes(ids[band], hidden), colored)
        picture[band] = colored
    return picture


def encode_depth(depth_m: np.ndarray) -> np.ndarray:
    """Depth as a level of `depth_palette`: (H, W) uint8, 255 at the camera, 128 at ten metres, towards
    1 far away, 0 where nothing is known.

    Levels fall with `1 / (depth + 10 m)`: they tell near things apart finely and never run out.

    Args:
        depth_m: (H, W) float32 metres, 0 where nothing is known.
    """
    level = depth_m + np.float32(HALF_WAY_M)
    np.divide(np.float32(_LEVELS * HALF_WAY_M), level, out=level)
    codes = cv2.convertScaleAbs(level, beta=1)
    return np.multiply(codes, depth_m > 0, out=codes)


def encode_doubt(confidence: np.ndarray) -> np.ndarray:
    """Confidence as a level of `doubt_palette`: (H, W) uint8, 0 where it is 1, 255 where it is 0.

    Args:
        confidence: (H, W) float32 in 0..1.
    """
    return cv2.bitwise_not(cv2.convertScaleAbs(confidence, alpha=255.0))


@cache
def depth_palette() -> np.ndarray:
    """Colours of `encode_depth`, (256, 3) uint8 RGB: dark red near, through yellow and green, to dark
    blue far away; black where nothing is known.

    Source: Mikhailov 2019, Turbo, An Improved Rainbow Colormap for Visualization.
    """
    palette = _table(cv2.COLORMAP_TURBO)
    palette[0] = 0
    return palette


@cache
def doubt_palette() -> np.ndarray:
    """Colours of `encode_doubt`, (256, 3) uint8 RGB: black where the network is sure, through purple and
    orange, to bright yellow where it is not."""
    return _table(cv2.COLORMAP_INFERNO)


def _bands(rows: int) -> list[slice]:
    """A picture in bands whose steps stay in the cache: whole ones cost more in fresh memory than in
    arithmetic."""
    return [slice(top, top + _BAND_ROWS) for top in range(0, rows, _BAND_ROWS)]


def _table(colormap: int) -> np.ndarray:
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colormap)
    return np.ascontiguousarray(ramp[:, 0, ::-1])  # (256, 1, 3) BGR -> (256, 3) RGB
