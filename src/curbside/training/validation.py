"""What a semantic network predicts of a batch, as scoring wants it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from ..datasets import ValItem
from ..imaging import resize_ids
from ..models import SegmentationModel, best_class, upsample

__all__ = ["predicted"]


def predicted(
    model: SegmentationModel, image: Tensor, batch: ValItem
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Class maps at the masks' own size, as the runtime makes them: the best class at the input's size,
    then the nearest pixel.

    Args:
        model: The network.
        image: (B, 3, H, W) float, the batch's pictures, normalised.
        batch: The batch.

    Yields:
        Of each picture the prediction and the truth, (h, w) uint8 each, and which sample it is.
    """
    logits = model(image).logits
    ids = best_class(upsample(logits.float(), image.shape[-2:])).cpu().numpy()
    for found, target, index in zip(ids, batch.targets, batch.indices, strict=True):
        yield resize_ids(found, target.shape), target, index
