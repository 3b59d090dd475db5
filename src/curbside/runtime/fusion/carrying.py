"""Objects between two looks of their network: where they are expected."""

from __future__ import annotations

import numpy as np

from ...results import InstanceResult, MaskCrop

__all__ = ["carried"]


def carried(objects: InstanceResult, speeds: np.ndarray, frames: int) -> InstanceResult:
    """Objects some frames later, each moved as a whole by its speed.

    Args:
        objects: Where they were.
        speeds: What each side of their boxes moves, (N, 4) pixels per frame; a box keeps its size.
        frames: How many frames later.

    Returns:
        All of them, what leaves the frame cut off.
    """
    moves = np.rint(speeds.reshape(-1, 2, 2).mean(axis=1) * frames).astype(int)  # (N, 2) x, y
    height, width = objects.size_hw
    boxes = objects.boxes_xyxy + np.tile(moves, 2)
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
    masks = [
        _moved(mask, move, objects.size_hw)
        for mask, move in zip(objects.masks, moves.tolist(), strict=True)
    ]
    return InstanceResult(
        boxes_xyxy=boxes.astype(np.float32),
        scores=objects.scores,
        class_ids=objects.class_ids,
        masks=tuple(masks),
        space=objects.space,
        size_hw=objects.size_hw,
    )


def _moved(mask: MaskCrop, move_xy: tuple[int, int], size_hw: tuple[int, int]) -> MaskCrop:
    left, top = mask.left + move_xy[0], mask.top + move_xy[1]
    rows = slice(max(0, -top), max(0, size_hw[0] - top))
    columns = slice(max(0, -left), max(0, size_hw[1] - left))
    inside = mask.inside[rows, columns]
    if not inside.size:  # it left the frame
        return MaskCrop(top=0, left=0, inside=np.zeros((0, 0), bool))
    return MaskCrop(top=max(0, top), left=max(0, left), inside=inside)
