"""How far two networks agree on a frame."""

from __future__ import annotations

import numpy as np

from ...results import DepthResult, InstanceResult, SceneResult, SemanticResult

__all__ = ["Result", "agreement", "depth_apart", "relative_difference"]

Result = SemanticResult | InstanceResult | DepthResult | SceneResult
"""What a network of any task tells of a frame."""

_SAME_OBJECT_IOU = 0.9


def agreement(one: Result, other: Result) -> float | None:
    """How far the classes or objects of two results of one frame agree, 0..1; see
    `FileScore.agreement`. None where they tell depth alone."""
    if isinstance(one, SceneResult) and isinstance(other, SceneResult):
        assert one.semantic is not None and other.semantic is not None
        one, other = one.semantic, other.semantic
    if isinstance(one, SemanticResult) and isinstance(other, SemanticResult):
        return float(np.mean(one.ids == other.ids))
    if isinstance(one, DepthResult):
        return None
    assert isinstance(one, InstanceResult) and isinstance(other, InstanceResult)
    total = len(one.scores) + len(other.scores)
    if not total:
        return 1.0
    same = (one.class_ids[:, None] == other.class_ids) & (
        _box_iou(one.boxes_xyxy, other.boxes_xyxy) >= _SAME_OBJECT_IOU
    )
    # At this overlap an object has one partner at the most.
    return float(2 * same.any(axis=1).sum() / total)


def depth_apart(one: Result, other: Result) -> float | None:
    """How far the depth of the other result of a frame is from the one's; see `relative_difference`.
    None where they tell none."""
    if isinstance(one, SceneResult) and isinstance(other, SceneResult):
        if one.depth is None or other.depth is None:
            return None
        one, other = one.depth, other.depth
    if isinstance(one, DepthResult) and isinstance(other, DepthResult):
        return relative_difference(one.depth_m, other.depth_m)
    return None


def relative_difference(expected_m: np.ndarray, found_m: np.ndarray) -> float:
    """Mean difference of a depth, as a share of the expected one; a pixel whose depth only one of them
    knows counts as a difference of 1.

    Args:
        expected_m: (H, W) float metres, 0 = unknown.
        found_m: The same.
    """
    expected, found = (depth.astype(np.float64) for depth in (expected_m, found_m))
    known = (expected > 0) | (found > 0)
    if not known.any():
        return 0.0
    expected, found = expected[known], found[known]
    both = (expected > 0) & (found > 0)
    apart = np.ones(len(expected))
    apart[both] = np.abs(found[both] - expected[both]) / expected[both]
    return float(apart.mean())


def _box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of every box with every other: (N, 4) and (M, 4) as x1, y1, x2, y2 to (N, M)."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, 2:], other[:, 2:])
    inside = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    return inside / np.maximum(areas[0][:, None] + areas[1] - inside, 1e-9)
