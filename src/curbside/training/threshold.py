"""Choosing the threshold of a run that answers yes or no, on pictures that it has not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..manifest import DecisionThreshold
from ..metrics import PrecisionRecall
from ..prepared import Sample
from .calibration import AskedRun, halves
from .run_folder import drop_fitted, write_fitted

__all__ = ["choose_threshold", "renew_threshold"]

_YES = 1
_NEAREST = 1e-6
"""A threshold keeps this far from 0 and from 1: beyond, no score has it."""


def choose_threshold(
    folder: Path,
    samples: Sequence[Sample],
    *,
    device: str | None = None,
    threads: int | None = None,
) -> tuple[DecisionThreshold, list[str]]:
    """Find the probability from which on a pixel is best called what is looked for.

    The probabilities are those of deployment, without a temperature: dividing scores by one moves no
    pixel across a threshold that is moved with it.

    Args:
        folder: The run folder; nothing is written, see `write_fitted`.
        samples: Of one split, each with a semantic target, in the run's binary label space.
        device: A torch device; a GPU where there is one.
        threads: Threads on the CPU.

    Returns:
        What was found, and what was wrong with each picture that was left out.

    Raises:
        ModelFileError: The run cannot be opened.
        LabelError: The run and the masks do not mean the same by their ids.
        DataError: No picture could be read, or none shows what is looked for.
    """
    asked = AskedRun(folder, samples, device=device, threads=threads)
    space = samples[0].space
    second, said = halves(samples)
    half_of = {id(sample): int(half) for sample, half in zip(samples, second, strict=True)}
    parts = [PrecisionRecall(space.num_classes) for _ in range(2)]
    seen = 0
    for sample, probabilities, target in asked.answers(doing="choosing a threshold"):
        parts[half_of[id(sample)]].update(probabilities, target)
        seen += 1
    whole = PrecisionRecall(space.num_classes)
    for part in parts:
        whole += part
    best = whole.best_threshold(_YES)
    if best is None:
        raise DataError(
            f"none of {seen} pictures of {samples[0].root} shows any {space.names[_YES]}",
            fix="choose a threshold on pictures that do",
        )
    own = [part.best_threshold(_YES) for part in parts]
    if all(own):
        crossed = _joined_iou(parts, [found.threshold for found in own[::-1] if found])
    else:
        crossed, said = best.iou, f"{said}: one half shows none"
    return DecisionThreshold(
        threshold=float(np.clip(best.threshold, _NEAREST, 1 - _NEAREST)),
        weights_sha256=asked.weights_sha256,
        dataset=samples[0].root.resolve().name,
        split=samples[0].record.split,
        images=seen,
        precision=best.precision,
        recall=best.recall,
        f1=best.f1,
        iou=best.iou,
        iou_at_half=_joined_iou([whole], [0.5]),
        iou_cross_fitted=crossed,
        halves=said,
    ), asked.unreadable


def renew_threshold(folder: Path, samples: Sequence[Sample], *, threads: int | None = None) -> str:
    """Put the threshold of the weights that a run has now in the place of any other, or none where none
    can be chosen, as on samples without a mask, so that 0.5 counts; see `choose_threshold`.

    Returns:
        What came of it, in words.
    """
    samples = [sample for sample in samples if "semantic" in sample.record.targets]
    if not samples:
        drop_fitted(folder, DecisionThreshold)
        return "no threshold was chosen: no picture has a mask"
    name = samples[0].space.names[_YES]
    try:
        found, _ = choose_threshold(folder, samples, threads=threads)
    except DataError as error:
        drop_fitted(folder, DecisionThreshold)
        return f"no threshold was chosen: {error.what}"
    write_fitted(folder, found)
    return (
        f"{name} from a probability of {found.threshold:.4f} on: IoU {100 * found.iou:.2f} %, F1"
        f" {100 * found.f1:.2f} %; at 0.5 IoU {100 * found.iou_at_half:.2f} %"
    )


def _joined_iou(parts: Sequence[PrecisionRecall], thresholds: Sequence[float]) -> float:
    """IoU over several sets of pixels, each at its own threshold."""
    counts = [part.counts_at(_YES, one) for part, one in zip(parts, thresholds, strict=True)]
    hits, taken, every = (sum(values) for values in zip(*counts, strict=True))
    return hits / max(1, taken + every - hits)
