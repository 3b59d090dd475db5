"""Of proposals for one object, only the most probable stays."""

from __future__ import annotations

import numpy as np

__all__ = ["suppress"]


def suppress(boxes_xyxy: np.ndarray, classes: np.ndarray, *, iou: float, most: int) -> np.ndarray:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes_xyxy: (N, 4) float64, best first, with sides above 0.
        classes: (N,) int.
        iou: Drop what overlaps a better one of its class by more than this, 0..1.
        most: Stop when so many are kept, so that N * `most` bounds the work.

    Returns:
        Places of those kept, (M,) int64, rising.
    """
    areas = (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])
    left = np.arange(len(boxes_xyxy))
    kept: list[int] = []
    while left.size and len(kept) < most:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        others = boxes_xyxy[left]
        low = np.maximum(others[:, :2], boxes_xyxy[best, :2])
        high = np.minimum(others[:, 2:], boxes_xyxy[best, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        union = areas[left] + areas[best] - shared
        left = left[(shared <= iou * union) | (classes[left] != classes[best])]
    return np.array(kept, np.int64)
