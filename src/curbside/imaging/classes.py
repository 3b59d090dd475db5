"""From scores per class to classes."""

from __future__ import annotations

import cv2
import numpy as np

from .geometry import resize_scores

__all__ = ["class_map", "sigmoid", "softmax", "top_class"]

_MOST_MIXED = 0.5
"""Share of the picture in cells of several classes above which resizing everything is quicker."""


def class_map(scores: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The class with the largest score at each pixel of a larger picture: what
    `top_class(resize_scores(scores, size_hw))` says, without resizing where it cannot matter.

    Where one class leads at all four scores around a pixel, it leads at the pixel too, since bilinear
    interpolation is a mean of the four. Only the cells in between, where classes meet, are
    interpolated. Scores that tie may fall to the other class, by the rounding of the mean.

    Args:
        scores: (C, h, w) float32, C at most 255.
        size_hw: The height and width wanted, whole multiples of h and w; others are resized as a whole.

    Returns:
        (*size_hw) uint8, contiguous.
    """
    count, height, width = scores.shape
    (tall, top), (wide, left) = (
        divmod(size, cells) for size, cells in zip(size_hw, (height, width), strict=True)
    )
    if top or left or tall % 2 or wide % 2:
        return top_class(resize_scores(scores, size_hw))[0]
    framed = cv2.copyMakeBorder(top_class(scores)[0], 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    first = framed[:-1, :-1]
    mixed = (first != framed[:-1, 1:]) | (first != framed[1:, :-1]) | (first != framed[1:, 1:])
    row, column = np.divmod(np.flatnonzero(mixed), width + 1)  # (M,) cells between four scores
    if len(row) * tall * wide > _MOST_MIXED * size_hw[0] * size_hw[1]:
        return top_class(resize_scores(scores, size_hw))[0]
    rows = (np.maximum(row - 1, 0) * width, np.minimum(row, height - 1) * width)
    columns = (np.maximum(column - 1, 0), np.minimum(column, width - 1))
    around = np.stack([r + c for r in rows for c in columns])  # (4, M)
    corners = scores.reshape(count, -1).take(around, axis=1)  # (C, 4, M)
    down, right = ((np.arange(side) + 0.5) / side for side in (tall, wide))
    shares = [np.outer(d, r) for d in (1 - down, down) for r in (1 - right, right)]
    inside = np.stack(shares, axis=-1).reshape(-1, 4).astype(np.float32) @ corners  # (C, P, M)
    size = ((width + 1) * wide, (height + 1) * tall)
    padded = cv2.resize(np.ascontiguousarray(first), size, interpolation=cv2.INTER_NEAREST)
    cells = padded.reshape(height + 1, tall, width + 1, wide)
    cells[row, :, column] = top_class(inside)[0].T.reshape(-1, tall, wide)
    top, left = tall // 2, wide // 2
    return np.ascontiguousarray(padded[top : top + size_hw[0], left : left + size_hw[1]])


def top_class(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class with the largest score at each pixel, and that score; the lowest id wins a tie.

    Whole planes against a running maximum: ten times faster than `scores.argmax(0)`, which walks
    across the planes pixel by pixel.

    Args:
        scores: (C, H, W) float32, C at most 255.

    Returns:
        ids (H, W) uint8, scores (H, W) float32.
    """
    best = scores[0].astype(np.float32)
    ids = np.zeros(best.shape, np.uint8)
    larger = np.empty(best.shape, bool)
    here = larger.view(np.uint8)
    for index, plane in enumerate(scores[1:], start=1):
        np.greater(plane, best, out=larger)
        np.maximum(plane, best, out=best)
        # Ids only rise as the planes are walked, so a maximum writes them without a masked copy.
        np.multiply(here, np.uint8(index), out=here)
        np.maximum(ids, here, out=ids)
    return ids, best


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores as probabilities over the classes: (C, H, W) float32, a new array."""
    result = scores - scores.max(axis=0)
    np.exp(result, out=result)
    result /= result.sum(axis=0)
    return result


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Scores as probabilities, each by itself: a new float32 array of any shape."""
    result = np.negative(scores, dtype=np.float32)
    with np.errstate(over="ignore"):  # of exp, where the probability is 0
        np.exp(result, out=result)
    result += 1
    return np.reciprocal(result, out=result)
