"""Networks timed in turns on the same frames, so that a busy neighbour slows all alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...metrics.timing import Latencies
from ...prepared import evenly_spaced
from ...runtime import TaskPredictor, open_source
from ..calibration import CalibrationPicture
from .agreement import Result, agreement, depth_apart

__all__ = ["Times", "in_turns", "pictures_of", "timing_frames"]

_PICTURES = 16
_WARM_UP = 3


def pictures_of(pictures: Sequence[CalibrationPicture], count: int = _PICTURES) -> list[np.ndarray]:
    """A few pictures, (H, W, 3) uint8 BGR, spread evenly over all; those that cannot be read are left
    out.

    Raises:
        DataError: Not one can be read.
    """
    frames = []
    for picture in evenly_spaced(pictures, count):
        with suppress(DataError):
            frames.append(picture.read_bgr())
    if not frames:
        raise DataError(
            "there is not one picture to measure with that can be read",
            fix="restore the dataset, or give a clip with --source",
        )
    return frames


def timing_frames(
    pictures: Sequence[CalibrationPicture], source: str | Path | None = None
) -> list[np.ndarray]:
    """What to measure speed on: frames of a clip where one is named, else a few of some pictures.

    Raises:
        DataError: Not one picture, or frame, could be read.
        SourceError: The clip cannot be opened.
    """
    if source is None:
        return pictures_of(pictures)
    frames = _frames_of(source)
    if not frames:
        raise DataError(f"{source} has no frame", fix="name a clip that plays")
    return frames


def _frames_of(source: str | Path) -> list[np.ndarray]:
    """Frames from the start of a clip, (H, W, 3) uint8 BGR."""
    with closing(open_source(source)) as opened:
        frames: Iterator[np.ndarray] = (frame.bgr for frame in opened.frames())
        every = max(1, (opened.total or 0) // _PICTURES)
        return list(islice(frames, 0, _PICTURES * every, every))


class Times:
    """What the turns of one network gave."""

    def __init__(self) -> None:
        self.network, self.whole = Latencies(), Latencies()
        self.agreements: list[float] = []
        self.depths: list[float] = []


def in_turns(
    predictors: Sequence[TaskPredictor],
    frames: Sequence[np.ndarray],
    runs: int,
    size_hw: tuple[int, int] | None,
) -> list[Times]:
    """A run of each network in turn, again and again, so that a busy neighbour slows all alike.

    Args:
        predictors: The networks.
        frames: (H, W, 3) uint8 BGR each.
        runs: How often.
        size_hw: Size of the results; the frame's own where None.
    """
    found = [Times() for _ in predictors]
    for run in range(-_WARM_UP, runs):
        frame = frames[run % len(frames)]
        result_hw = size_hw or (frame.shape[0], frame.shape[1])
        results: list[Result] = []
        for predictor, times in zip(predictors, found, strict=True):
            network, whole = (times.network, times.whole) if run >= 0 else (Latencies(),) * 2
            with whole.measure():
                tensor = predictor.prepare(frame)
                with network.measure():
                    outputs = predictor.infer(tensor)
                results.append(predictor.decode(outputs, result_hw))
        if 0 <= run < len(frames):
            for times, result in zip(found, results, strict=True):
                same, apart = agreement(results[0], result), depth_apart(results[0], result)
                times.agreements += [] if same is None else [same]
                times.depths += [] if apart is None else [apart]
    return found
