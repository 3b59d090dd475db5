"""How far two networks agree on a frame."""

from __future__ import annotations

import numpy as np

from ...results import InstanceResult, SemanticResult

__all__ = ["agreement"]

_SAME_OBJECT_IOU = 0.9


def agreement(
    one: SemanticResult | InstanceResult, other: SemanticResult | InstanceResult
) -> float:
    """How far two results of one frame agree, 0..1; see `FileScore.agreement`."""
    if isinstance(one, SemanticResult) and isinstance(other, SemanticResult):
        return float(np.mean(one.ids == other.ids))
    assert isinstance(one, InstanceResult) and isinstance(other, InstanceResult)
    total = len(one.scores) + len(other.scores)
    if not total:
        return 1.0
    same = (one.class_ids[:, None] == other.class_ids) & (
        _box_iou(one.boxes_xyxy, other.boxes_xyxy) >= _SAME_OBJECT_IOU
    )
    # At this overlap an object has one partner at the most.
    return float(2 * same.any(axis=1).sum() / total)


def _box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of every box with every other: (N, 4) and (M, 4) as x1, y1, x2, y2 to (N, M)."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, 2:], other[:, 2:])
    inside = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    return inside / np.maximum(areas[0][:, None] + areas[1] - inside, 1e-9)
