"""Resizing between a frame and a network's input, for pictures, ids and scores alike.

All three map pixel centres to pixel centres: `u = (x + 0.5) * scale - 0.5`, so that a class map
resized back lies on the frame it came from.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["Piece", "resize_frame", "resize_ids", "resize_scores"]


class Piece(NamedTuple):
    """A piece of a frame, resized, put at the top left of a canvas, and maybe mirrored with it."""

    top: int
    """First row of the frame."""
    left: int
    """First column of the frame."""
    height: int
    """Rows of the frame."""
    width: int
    """Columns of the frame."""
    frame_hw: tuple[int, int]
    """Height and width of the frame."""
    inside_hw: tuple[int, int]
    """Height and width of the piece on the canvas."""
    size_hw: tuple[int, int]
    """Height and width of the canvas."""
    flipped: bool
    """Whether the canvas is mirrored left and right in the end."""

    def cover(self) -> np.ndarray:
        """Where the canvas shows the frame, (*size_hw) bool."""
        covered = np.zeros(self.size_hw, bool)
        covered[: self.inside_hw[0], : self.inside_hw[1]] = True
        return covered[:, ::-1] if self.flipped else covered


def resize_frame(frame: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """A picture at another size, bilinear.

    Args:
        frame: (H, W, 3) uint8.
        size_hw: The height and width wanted.
    """
    if frame.shape[:2] == tuple(size_hw):
        return frame
    return cv2.resize(frame, size_hw[::-1], interpolation=cv2.INTER_LINEAR)


def resize_ids(ids: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """A class map at another size: each pixel takes the id of the nearest pixel centre.

    Args:
        ids: (H, W) uint8 or uint16.
        size_hw: The height and width wanted.
    """
    if ids.shape == tuple(size_hw):
        return ids
    return cv2.resize(ids, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def resize_scores(scores: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Scores per class at another size, bilinear.

    Args:
        scores: (C, H, W) float32.
        size_hw: The height and width wanted.

    Returns:
        (C, *size_hw) float32, contiguous.
    """
    if scores.shape[1:] == tuple(size_hw):
        return scores
    out = np.empty((scores.shape[0], *size_hw), np.float32)
    for channel, target in zip(scores, out, strict=True):
        cv2.resize(channel, size_hw[::-1], dst=target, interpolation=cv2.INTER_LINEAR)
    return out
