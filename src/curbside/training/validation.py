"""What a network predicts of a batch, as scoring wants it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from ..datasets import ValItem
from ..imaging import resize_depth, resize_ids
from ..models import best_class, upsample

__all__ = ["class_maps", "depth_maps"]


def class_maps(
    logits: Tensor, input_hw: tuple[int, int], batch: ValItem
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Class maps at the masks' own size, as the runtime makes them: the best class at the input's size,
    then the nearest pixel.

    Args:
        logits: (B, C, h, w), what the network says of the batch.
        input_hw: Height and width of its input.
        batch: The batch.

    Yields:
        Of each picture with a mask the prediction and the truth, (h, w) uint8 each, and which sample it
        is.
    """
    ids = best_class(upsample(logits.float(), input_hw)).cpu().numpy()
    for found, target, index in zip(ids, batch.targets, batch.indices, strict=True):
        if target is not None:
            yield resize_ids(found, target.shape), target, index


def depth_maps(
    depth: Tensor, batch: ValItem
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Depth at its truth's own size, as the runtime makes it.

    Args:
        depth: (B, 1, h, w) metres, what the network says of the batch.
        batch: The batch.

    Yields:
        Of each picture with depth the prediction and the truth, (h, w) float32 metres each, 0 = unknown, and
        what each pixel counts, (h, w) float32.
    """
    maps = depth.float().cpu().numpy()[:, 0]
    for found, true, weight in zip(maps, batch.depths, batch.depth_weights, strict=True):
        if true is not None:
            known = np.where(np.isfinite(found) & (found > 0), found, np.float32(0))
            yield resize_depth(known, true.shape), true, weight
