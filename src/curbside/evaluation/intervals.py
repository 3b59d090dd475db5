"""How sure a score is, and a change of it: 95 % intervals over pictures, where these are enough."""

from __future__ import annotations

import numpy as np

from ..metrics import (
    bootstrap_difference,
    bootstrap_iou,
    bootstrap_iou_difference,
    bootstrap_miou,
)

__all__ = ["FEWEST_PICTURES", "Interval", "iou_intervals", "miou_interval"]

FEWEST_PICTURES = 6
"""Of fewer pictures nothing is said: that all of five change the same way, a fair coin does in more
than 5 of 100 cases."""

Interval = tuple[float, float]
"""The ends of a 95 % interval."""


def miou_interval(per_image: np.ndarray, reference: np.ndarray | None = None) -> Interval | None:
    """The interval of the mIoU, or of how much it is above a reference's on the same pictures.

    Args:
        per_image: Pixels of each picture, (N, C, C + 1) int64; see `Evaluation.per_image`.
        reference: The reference's.

    Returns:
        None where fewer than `FEWEST_PICTURES` have pixels that count.
    """
    pictures = _holding(per_image, reference).any(axis=1)
    if np.count_nonzero(pictures) < FEWEST_PICTURES:
        return None
    if reference is None:
        return _known(bootstrap_miou(per_image))
    return _known(bootstrap_difference(reference, per_image))


def iou_intervals(
    per_image: np.ndarray, reference: np.ndarray | None = None
) -> tuple[Interval | None, ...]:
    """The same for the IoU of each class; None where fewer than `FEWEST_PICTURES` hold it."""
    if reference is None:
        ends = bootstrap_iou(per_image)
    else:
        ends = bootstrap_iou_difference(reference, per_image)
    pictures = _holding(per_image, reference).sum(axis=0)
    return tuple(
        _known((float(low), float(high))) if count >= FEWEST_PICTURES else None
        for low, high, count in zip(*ends, pictures, strict=True)
    )


def _holding(per_image: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """Which pictures hold which classes, in the truth or a prediction, (N, C) bool."""
    classes = per_image.shape[1]
    both = per_image if reference is None else per_image + reference
    return (both.sum(axis=2) + both[:, :, :classes].sum(axis=1)) > 0


def _known(interval: Interval) -> Interval | None:
    return None if np.isnan(interval).any() else interval
