"""Fitting the temperature of a run on pictures that it has not learned from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..evaluation import readable, require_same_space
from ..manifest import TemperatureScaling
from ..metrics.temperature import (
    SampledPixels,
    calibration_at,
    fit_temperature,
    negative_log_likelihood,
)
from ..prepared import Sample
from .predictors import load_semantic_run_predictor

__all__ = ["AskedRun", "calibrate", "halves"]

_DRIVE_TAGS = ("drive", "sequence", "city")


def calibrate(
    folder: Path,
    samples: Sequence[Sample],
    *,
    device: str | None = None,
    threads: int | None = None,
) -> tuple[TemperatureScaling, list[str]]:
    """Find what a run's scores are to be divided by, and how well that works.

    The probabilities are those of deployment: scores at the size of the network's input, then at
    the size of the masks. Bilinear resizing is linear, so the scores may as well be divided before
    it, inside the graph.

    Args:
        folder: The run folder; nothing is written, see `write_fitted`.
        samples: Of one split, each with a semantic target, in the run's label space.
        device: A torch device; a GPU where there is one.
        threads: Threads on the CPU.

    Returns:
        What was found, and what was wrong with each picture that was left out.

    Raises:
        ModelFileError: The run cannot be opened.
        LabelError: The run and the masks do not mean the same by their ids.
        DataError: No picture could be read, or fewer than two have labelled pixels.
    """
    asked = AskedRun(folder, samples, device=device, threads=threads)
    drawn = SampledPixels(samples[0].space.num_classes, pictures=len(samples))
    seen: list[Sample] = []
    for sample, probabilities, target in asked.answers(doing="calibrating"):
        drawn.update(probabilities, target)
        seen.append(sample)

    second, said = halves(seen)
    parts = [drawn.of(~second), drawn.of(second)]
    if not all(len(target) for _, target in parts):
        raise DataError(
            f"the labelled pixels of {len(seen)} of the pictures of {samples[0].root} are too few to"
            " fit a temperature and to say how well it works",
            fix="give at least two with labelled pixels, better a hundred",
        )
    one, other = (fit_temperature(*part) for part in parts)
    crossed = calibration_at(*parts[0], other)
    crossed += calibration_at(*parts[1], one)
    whole = drawn.of()
    temperature = fit_temperature(*whole)
    return TemperatureScaling(
        temperature=temperature,
        weights_sha256=asked.weights_sha256,
        dataset=samples[0].root.resolve().name,
        split=samples[0].record.split,
        images=len(seen),
        pixels=len(whole[1]),
        nll_before=negative_log_likelihood(*whole, 1.0),
        nll_after=negative_log_likelihood(*whole, temperature),
        ece_before=calibration_at(*whole, 1.0).ece(),
        ece_after=calibration_at(*whole, temperature).ece(),
        ece_cross_fitted=crossed.ece(),
        halves=said,
    ), asked.unreadable


class AskedRun:
    """What a run says of labelled pictures, without any temperature.

    Args:
        folder: The run folder.
        samples: Of one split, each with a semantic target, in the run's label space.
        device: A torch device; a GPU where there is one.
        threads: Threads on the CPU.

    Attributes:
        weights_sha256: Of its weights.
        unreadable: What was wrong with each picture that was left out.

    Raises:
        ModelFileError: The run cannot be opened.
        LabelError: The run and the masks do not mean the same by their ids.
    """

    def __init__(
        self,
        folder: Path,
        samples: Sequence[Sample],
        *,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._predictor = load_semantic_run_predictor(
            folder, device=device, threads=threads, calibrated=False
        )
        manifest = self._predictor.manifest
        require_same_space(manifest.space, samples[0].space)
        self._samples = samples
        self.weights_sha256 = str(manifest.source["weights_sha256"])
        self.unreadable: list[str] = []

    def answers(self, *, doing: str) -> Iterator[tuple[Sample, np.ndarray, np.ndarray]]:
        """The probabilities of every picture, (C, H, W) float32, and its truth, (H, W) uint8.

        Args:
            doing: What is done with them, for the progress bar.

        Raises:
            DataError: No picture could be read.
        """
        for sample, frame_bgr, target in readable(
            self._samples, self.unreadable, doing=doing, read=Sample.read_semantic
        ):
            result = self._predictor(frame_bgr, probabilities=True)
            assert result.probabilities is not None
            yield sample, result.probabilities, target


def halves(samples: Sequence[Sample]) -> tuple[np.ndarray, str]:
    """Two halves of pictures, those of one drive in the same one: neighbours are nearly the same
    picture, and what is fitted on one says too much about the other.

    A drive is the value of a tag (`drive`, `sequence` or `city`) that all have, else what the ids
    have in common before their last number.

    Args:
        samples: In the order of their ids.

    Returns:
        Which of them are in the second half, (N,) bool, and how they were halved, in words.
    """
    for tag in _DRIVE_TAGS:
        drives = [sample.record.tags.get(tag) for sample in samples]
        if all(drives) and len(set(drives)) > 1:
            return _second(drives), f"by {tag}"
    prefixes = [re.sub(r"[\W_]*\d*$", "", sample.id) for sample in samples]
    if len(set(prefixes)) > 1:
        return _second(prefixes), "by what the ids begin with"
    return np.arange(len(samples)) * 2 >= len(samples), "first and second in the order of their ids"


def _second(drives: Sequence[str | None]) -> np.ndarray:
    """Which pictures are in the second half: drive by drive, the longest first, to the shorter one."""
    places: dict[str | None, list[int]] = defaultdict(list)
    for place, drive in enumerate(drives):
        places[drive].append(place)
    second = np.zeros(len(drives), bool)
    sizes = [0, 0]
    for drive in sorted(places, key=lambda drive: (-len(places[drive]), str(drive))):
        half = int(sizes[1] < sizes[0])
        sizes[half] += len(places[drive])
        second[places[drive]] = half == 1
    return second
