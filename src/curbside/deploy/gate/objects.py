"""Scores of networks that find objects, for the gate and for files side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError, LabelError
from ...evaluation.instances import InstanceEvaluation, evaluate_instances, shared_things
from ...labels import IGNORE_ID
from ...manifest import Manifest
from ...prepared import Sample, find_objects, lacks_objects
from ...runtime import InstanceConfig, InstancePredictor, load_predictor
from ...runtime.cores import opencv_on_one_core
from ..calibration import CalibrationPicture

__all__ = ["score_objects", "told_objects"]

_RANKED = InstanceConfig(confidence=0.001, iou=0.7, max_detections=300)
"""What average precision ranks: nearly everything."""


def told_objects(manifest: Manifest, pictures: Sequence[CalibrationPicture]) -> list[Sample]:
    """The samples that a network's average precision can be taken on: all objects of the classes that
    it shares with the data are known. Nothing where there is no such object at all.

    Args:
        manifest: The network's, one that finds objects.
        pictures: Samples of one prepared folder, or any pictures.
    """
    samples = [item for item in pictures if isinstance(item, Sample)]
    if not samples:
        return []
    try:
        classes = shared_things(manifest, samples[0].space)
    except LabelError:
        return []
    told = [sample for sample in samples if lacks_objects(sample, classes.data) is None]
    table = classes.table("data", samples[0].space)
    return told if any(_holds_one(sample, table) for sample in told) else []


def _holds_one(sample: Sample, table: np.ndarray) -> bool:
    """Whether an object of a class that counts is there."""
    try:
        found = find_objects(sample, sample.read_instances())
    except DataError:
        return False
    return any(not item.group and table[item.label.id] != IGNORE_ID for item in found)


def score_objects(
    path: Path, samples: Sequence[Sample], *, threads: int | None = None
) -> InstanceEvaluation | None:
    """What the model file of a network that finds objects scores.

    Args:
        path: The file.
        samples: What to score on; see `told_objects`.
        threads: Threads for the network; all cores where None.

    Returns:
        None where there is nothing to score on, or the network finds no objects.

    Raises:
        MissingDependencyError: faster-coco-eval is not installed.
    """
    with load_predictor(path, threads=threads) as predictor, opencv_on_one_core():
        if not samples or not isinstance(predictor, InstancePredictor):
            return None
        shown = predictor.config.confidence
        opened = InstancePredictor(predictor.backend, _RANKED)
        return evaluate_instances(opened, samples, threshold=shown)
