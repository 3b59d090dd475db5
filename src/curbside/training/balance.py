"""What classes count in the loss, from their shares of the training pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np

from ..errors import DataError, LabelError
from ..hardware import core_count
from ..prepared import Sample, class_weights
from ..progress import track
from .config import TrainConfig

__all__ = ["balanced"]


def balanced(config: TrainConfig, train: Iterable[Iterable[Sample]]) -> TrainConfig:
    """The run with the class weights that it asks to be counted; see `ClassWeights`.

    Args:
        config: The run.
        train: The samples that it learns from, of each of its folders; those that cannot be read do
            not count.

    Raises:
        DataError: No mask has a labelled pixel.
    """
    if config.class_balance == "none" or "semantic" not in config.targets:
        return config
    samples = [sample for sample in chain(*train) if "semantic" in sample.record.targets]
    if not samples:
        raise DataError("no sample has a mask to count", fix="train without class balance")
    with ThreadPoolExecutor(core_count()) as pool:
        counts = list(
            track(pool.map(_count, samples), total=len(samples), description="counting classes")
        )
    found = class_weights(counts, samples[0].space)
    if found is None:
        raise DataError(
            f"no mask of {samples[0].root} has a labelled pixel in {samples[0].record.split}",
            fix="convert the dataset again, or train without class balance",
        )
    return config.weighted(getattr(found, config.class_balance))


def _count(sample: Sample) -> Mapping[int, int]:
    try:
        ids, counts = np.unique(sample.read_semantic(), return_counts=True)
    except (DataError, LabelError):
        return {}
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))
