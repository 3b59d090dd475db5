"""Resizing between a frame and a network's input, for pictures, ids and scores alike.

All three map pixel centres to pixel centres: `u = (x + 0.5) * scale - 0.5`, so that a class map
resized back lies on the frame it came from.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["Piece", "Placement", "resize_depth", "resize_frame", "resize_ids", "resize_scores"]

BORDER_GREY = 114
"""Value of the border of a letterbox, as Ultralytics trains with it."""


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

    def sampling(self, map_hw: tuple[int, int], stride: int) -> tuple[np.ndarray, np.ndarray]:
        """How a coarse map of the whole frame is read at every cell of the canvas: bilinear where a
        cell is smaller than one of the map, the mean over what it covers of the interpolated map where
        it is larger. A map that is linear in x and y stays exact either way. Beyond the map its edge goes
        on.

        Args:
            map_hw: Height and width of the map, whose cells share the frame equally.
            stride: Pixels of the canvas per cell, each way.

        Returns:
            Rows (ceil(H / stride), h) and columns (ceil(W / stride), w), float32, for a canvas of
            (H, W): the canvas shows `rows @ map @ columns.T`.
        """
        rows, columns = (
            _weights(
                start=(self.top, self.left)[axis],
                extent=(self.height, self.width)[axis],
                frame=self.frame_hw[axis],
                inside=self.inside_hw[axis],
                size=self.size_hw[axis],
                cells=map_hw[axis],
                stride=stride,
            )
            for axis in (0, 1)
        )
        return rows, np.ascontiguousarray(columns[::-1]) if self.flipped else columns


class Placement(NamedTuple):
    """Where a whole frame stands on a canvas of another size, and how to get back.

    Points are continuous: pixel `(row, column)` covers the square from `(row, column)` to
    `(row + 1, column + 1)`, with its centre half-way.
    """

    frame_hw: tuple[int, int]
    """Height and width of the frame."""
    size_hw: tuple[int, int]
    """Height and width of the canvas."""
    top: int
    """First row of the canvas that shows the frame."""
    left: int
    """First column."""
    inside_hw: tuple[int, int]
    """Height and width of the frame on the canvas."""

    @classmethod
    def stretch(cls, frame_hw: tuple[int, int], size_hw: tuple[int, int]) -> Placement:
        """The frame fills the canvas, whatever its aspect."""
        return cls(frame_hw, size_hw, 0, 0, size_hw)

    @classmethod
    def letterbox(cls, frame_hw: tuple[int, int], size_hw: tuple[int, int]) -> Placement:
        """The frame keeps its aspect to the nearest pixel, in the middle of the canvas.

        Where the border is odd, its larger half is below and to the right, as Ultralytics does it.
        """
        scale = min(size / frame for size, frame in zip(size_hw, frame_hw, strict=True))
        height, width = (max(1, round(side * scale)) for side in frame_hw)
        top, left = (size_hw[0] - height) // 2, (size_hw[1] - width) // 2
        return cls(frame_hw, size_hw, top, left, (height, width))

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the canvas per pixel of the frame, along x and along y."""
        return self.inside_hw[1] / self.frame_hw[1], self.inside_hw[0] / self.frame_hw[0]

    def draw(self, frame: np.ndarray) -> np.ndarray:
        """The canvas with the frame on it, bilinear; (H, W, 3) uint8, grey beside the frame."""
        picture = resize_frame(frame, self.inside_hw)
        if self.inside_hw == self.size_hw:
            return picture
        bottom = self.size_hw[0] - self.top - self.inside_hw[0]
        right = self.size_hw[1] - self.left - self.inside_hw[1]
        border = (self.top, bottom, self.left, right)
        return cv2.copyMakeBorder(picture, *border, cv2.BORDER_CONSTANT, value=(BORDER_GREY,) * 3)

    def to_canvas(self, points_xy: np.ndarray) -> np.ndarray:
        """Points of the frame on the canvas, (..., 2)."""
        return points_xy * np.array(self.scale_xy) + (self.left, self.top)

    def to_frame(self, points_xy: np.ndarray) -> np.ndarray:
        """Points of the canvas on the frame, (..., 2): the inverse of `to_canvas`."""
        return (points_xy - (self.left, self.top)) / np.array(self.scale_xy)


def _weights(
    *, start: int, extent: int, frame: int, inside: int, size: int, cells: int, stride: int
) -> np.ndarray:
    """One axis of `Piece.sampling`."""
    count = -(-size // stride)
    to_map = extent / inside * cells / frame  # cells of the map per pixel of the canvas
    centre = start * cells / frame + (np.arange(count) + 0.5) * size / count * to_map - 0.5
    # The mean over a cell of the map is what the map holds, so only what is beyond that is averaged.
    half = max(0.0, (size / count * to_map - 1) / 2)
    low, high = (np.clip(centre + end, 0, cells - 1)[:, None] for end in (-half, half))
    places = np.arange(cells)
    weights = np.maximum(0, 1 - np.abs((low + high) / 2 - places))
    wide = (high - low)[:, 0] > 1e-6
    over = _hat_integral(high[wide] - places) - _hat_integral(low[wide] - places)
    weights[wide] = over / (high - low)[wide]
    return weights.astype(np.float32)


def _hat_integral(x: np.ndarray) -> np.ndarray:
    """The integral of max(0, 1 - |t|) up to x."""
    x = np.clip(x, -1, 1)
    return 0.5 + x - x * np.abs(x) / 2


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


def resize_depth(depth_m: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Depth at another size, bilinear between known values alone.

    A pixel is unknown where the nearest pixel centre is; elsewhere unknown neighbours have no weight, so
    that no distance is made up between something and nothing.

    Args:
        depth_m: (H, W) float32 metres, 0 where nothing is known.
        size_hw: The height and width wanted.

    Returns:
        (*size_hw) float32.
    """
    if depth_m.shape == tuple(size_hw):
        return depth_m
    size = size_hw[::-1]
    mixed = cv2.resize(depth_m, size, interpolation=cv2.INTER_LINEAR)
    known = depth_m > 0
    if known.all():
        return mixed
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    near = resize_ids(known.view(np.uint8), size_hw).view(bool)
    return np.divide(mixed, weight, out=np.zeros_like(mixed), where=near)
