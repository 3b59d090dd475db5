"""Small pictures: of class maps, and of a prepared folder's files in whatever state they are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..errors import CurbsideError
from ..files import inside
from ..imaging import blend_classes, colorize, read_depth, read_ids, read_rgb, resize_ids
from ..labels import IGNORE_ID, LabelSpace

__all__ = ["class_map", "closer", "colored_depth", "overlay", "picture", "read_mask"]

_GREY = 200
_STRANGE_RGB = (255, 255, 255)  # ids without a class


def class_map(ids: np.ndarray, palette: np.ndarray, width: int) -> np.ndarray:
    """A class map in colours, made small as ids, so that no colour is mixed.

    Args:
        ids: (H, W) uint8.
        palette: (256, 3) uint8 RGB.
        width: In pixels, at most; a map is not enlarged.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    height, full = ids.shape
    shown = min(width, full)
    small = resize_ids(ids, (max(1, round(height * shown / full)), shown))
    return colorize(small, palette)[..., ::-1]


def picture(root: Path, file: str | None, width: int) -> np.ndarray:
    """A picture at a width; a grey one where there is none that can be read.

    Args:
        root: A prepared folder.
        file: The picture, relative to it.
        width: In pixels.

    Returns:
        (H, width, 3) uint8 RGB.
    """
    try:
        if file is not None:
            rgb = read_rgb(inside(root, file))
            height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
            return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    except CurbsideError:
        pass
    return np.full((width * 9 // 16, width, 3), _GREY, np.uint8)


def read_mask(root: Path, split: str, name: str) -> np.ndarray | None:
    """The mask of a sample as (H, W) uint8; None where there is none that can be read."""
    try:
        ids = read_ids(inside(root, f"{split}/masks/{name}.png"))
    except CurbsideError:
        return None
    return np.minimum(ids, IGNORE_ID).astype(np.uint8)


def overlay(rgb: np.ndarray, ids: np.ndarray | None, space: LabelSpace) -> np.ndarray:
    """A mask over its picture, at the size of that; grey without a mask.

    Args:
        rgb: (h, w, 3) uint8.
        ids: (H, W) uint8, any size.
        space: What the ids mean; those it lacks are white, ignored pixels dark.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    if ids is None:
        return np.full_like(rgb, _GREY)
    small = resize_ids(ids, rgb.shape[:2])
    frame = np.ascontiguousarray(rgb[..., ::-1])
    return blend_classes(frame, small, _palette(space), alpha=0.6)[..., ::-1]


def closer(ids: np.ndarray, size_hw: tuple[int, ...], space: LabelSpace, times: int) -> np.ndarray:
    """The middle of a mask so large that its pixels are seen.

    Args:
        ids: (H, W) uint8.
        size_hw: The size of the result, at most.
        space: What the ids mean.
        times: How large each pixel becomes.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    height, width = (
        min(*sides)
        for sides in zip(ids.shape, (max(1, side // times) for side in size_hw), strict=True)
    )
    top, left = (ids.shape[0] - height) // 2, (ids.shape[1] - width) // 2
    part = ids[top : top + height, left : left + width]
    return np.kron(_palette(space)[part], np.ones((times, times, 1), np.uint8))


def colored_depth(root: Path, split: str, name: str, size_hw: tuple[int, ...]) -> np.ndarray | None:
    """The depth of a sample from its nearest (red) to its farthest (blue), unknown black.

    Returns:
        (h, w, 3) uint8 RGB of the size given; None where no depth can be read.
    """
    try:
        depth_m = read_depth(inside(root, f"{split}/depth/{name}.png"))
    except CurbsideError:
        return None
    small = cv2.resize(depth_m, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    known = small > 0
    if not known.any():
        return np.zeros((*size_hw, 3), np.uint8)
    nearness = np.zeros_like(small)
    nearness[known] = 1 / small[known]
    low, high = nearness[known].min(), nearness[known].max()
    levels = 255 * (nearness - low) / max(high - low, np.finfo(np.float32).eps)
    bgr = cv2.applyColorMap(np.clip(levels, 0, 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    bgr[~known] = 0
    return bgr[..., ::-1]


def _palette(space: LabelSpace) -> np.ndarray:
    palette = space.palette.copy()
    palette[~space.known] = _STRANGE_RGB
    return palette
