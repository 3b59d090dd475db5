"""Writing pictures and masks, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..files import write_bytes

__all__ = ["encode_jpeg", "encode_png", "write_jpeg", "write_png"]


def encode_png(pixels: np.ndarray, *, level: int = 3) -> bytes:
    """Pixels as PNG bytes, the same bytes for the same pixels.

    Args:
        pixels: (H, W) uint8 or uint16, or (H, W, 3|4) uint8 RGB or RGBA.
        level: zlib's compression level, 0..9.
    """
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    _, data = cv2.imencode(
        ".png", np.ascontiguousarray(pixels), [cv2.IMWRITE_PNG_COMPRESSION, level]
    )
    return data.tobytes()


def write_png(path: Path, pixels: np.ndarray, *, level: int = 3) -> None:
    """Write pixels (see `encode_png`) to a file."""
    write_bytes(path, encode_png(pixels, level=level))


def encode_jpeg(rgb: np.ndarray, *, quality: int = 92) -> bytes:
    """(H, W, 3) uint8 RGB pixels as JPEG bytes."""
    pixels = np.ascontiguousarray(rgb[..., ::-1])
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def write_jpeg(path: Path, rgb: np.ndarray, *, quality: int = 92) -> None:
    """Write (H, W, 3) uint8 RGB pixels as a JPEG file."""
    write_bytes(path, encode_jpeg(rgb, quality=quality))
