"""Numbers as colours: depth in metres, and how unsure a network is."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

__all__ = ["HALF_WAY_M", "depth_palette", "doubt_palette", "encode_depth", "encode_doubt"]

HALF_WAY_M = 10.0
"""The distance in the middle of the colours of depth."""
_LEVELS = 254


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


def _table(colormap: int) -> np.ndarray:
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colormap)
    return np.ascontiguousarray(ramp[:, 0, ::-1])  # (256, 1, 3) BGR -> (256, 3) RGB
