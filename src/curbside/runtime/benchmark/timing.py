"""Stretches of a running pipeline, and of bare networks, measured in full flow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...hardware import CoreTimes, core_count, read_core_times
from ...metrics.timing import LatencySummary
from ...results import SceneResult
from ..pipeline import Pipeline, Predictor, Shown
from ..sinks import Sink
from ..views import ViewConfig, draw_scene
from .clip import Endless, Paced, open_clip

__all__ = [
    "Block",
    "PacedBlock",
    "draw_overlay",
    "time_at_rate",
    "time_bare",
    "time_networks",
    "time_pipeline",
]

_WARM_UP_S = 0.5
_WARM_UP_SHOWN = 2

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One stretch of the pipeline in full flow."""

    frame_ms: float
    """Wall time per frame."""
    cpu_share: float
    """Share of all the device's cores that this process used, 0..1."""
    busy_share: float | None
    """Share of them that anybody used, 0..1; None where the device does not tell."""
    stages: dict[str, LatencySummary]
    """Latency of every stage."""


@dataclass(frozen=True, kw_only=True)
class PacedBlock:
    """One stretch of the pipeline on a clip that plays at its own rate."""

    passed: int
    """Frames of the clip that passed."""
    shown: int
    """Those of them that were shown."""
    wall_s: float
    """From one picture shown to the last, in seconds."""
    clip_s: float
    """From the moment when the first of them was taken to that of the last."""
    ages_ms: tuple[float, ...]
    """Age of every picture when it was shown, from the moment of its frame."""
    cpu_share: float
    """Share of all the device's cores that this process used, 0..1."""

    @property
    def shown_fps(self) -> float:
        """Frames shown per second."""
        return self.shown / self.wall_s

    @property
    def dropped_share(self) -> float:
        """Share of the frames that were not shown, 0..1."""
        return 1 - self.shown / self.passed


def time_bare(run: Callable[[], Any], runs: int) -> list[float]:
    """Call a network again and again: wall time of every run after a warm-up, in milliseconds."""
    return time_networks({None: run}, runs)[None]


def time_networks(runs: Mapping[Key, Callable[[], Any]], count: int) -> dict[Key, list[float]]:
    """Call networks one after the other, again and again.

    Args:
        runs: What runs each of them.
        count: How often.

    Returns:
        Wall time of every run after a warm-up, in milliseconds.
    """

    def once() -> list[float]:
        times_s = [time.perf_counter()]
        for run in runs.values():
            run()
            times_s.append(time.perf_counter())
        return [(end_s - start_s) * 1e3 for start_s, end_s in pairwise(times_s)]

    warm_s = time.perf_counter() + _WARM_UP_S
    once()
    while time.perf_counter() < warm_s:
        once()
    columns = zip(*(once() for _ in range(count)), strict=True)
    return dict(zip(runs, map(list, columns), strict=True))


def time_pipeline(
    source: str | Path,
    predictor: Predictor[Any],
    *,
    workers: int,
    frames: int,
    sink: Sink | None = None,
) -> Block:
    """Run the pipeline over a source and measure a stretch of it in full flow, drawing included.

    The source goes on behind the stretch, so that as many frames are on their way at its end as at
    its start.

    Args:
        source: A video file or a folder of pictures.
        predictor: The network; it stays open.
        workers: Frames that are in the network at the same time.
        frames: Frames to measure, after a warm-up.
        sink: Where pictures go; nowhere where None.

    Raises:
        ConfigError: The source is live.
        SourceError: The source cannot be read.
    """
    pipeline = Pipeline(
        Endless(open_clip(source)), predictor, draw=draw_overlay, sink=sink, workers=workers
    )
    warm = 2 * workers + 4
    start = end = _Moment()
    with closing(iter(pipeline)) as flow:
        for count, _ in enumerate(flow, 1):
            if count == warm:
                start = _Moment()
            elif count == warm + frames:
                end = _Moment()
                break
    return Block(
        frame_ms=(end.wall_s - start.wall_s) / frames * 1e3,
        cpu_share=end.cpu_share_since(start),
        busy_share=end.busy_share_since(start),
        stages=pipeline.stats().stages,
    )


def time_at_rate(source: str | Path, predictor: Predictor[Any], *, frames: int) -> PacedBlock:
    """Play a clip at its own rate, as a camera would give it, and see what is shown of it.

    Args:
        source: A video file or a folder of pictures.
        predictor: The network; it stays open.
        frames: Frames of the clip that pass, at least, after a warm-up.

    Raises:
        ConfigError: The source is live.
        SourceError: The source cannot be read.
    """
    pipeline = Pipeline(Paced(open_clip(source)), predictor, draw=draw_overlay)
    start = end = _Moment()
    first: Shown[Any] | None = None
    last: Shown[Any] | None = None
    passed = 0
    ages_ms: list[float] = []
    with closing(iter(pipeline)) as flow:
        for count, shown in enumerate(flow, 1):
            if count < _WARM_UP_SHOWN:
                continue
            if first is None:
                start, first = _Moment(), shown
                continue
            last = shown
            ages_ms.append(shown.age_ms)
            passed = last.frame.index - first.frame.index
            if passed >= frames:
                end = _Moment()
                break
    assert first is not None
    assert last is not None
    return PacedBlock(
        passed=passed,
        shown=len(ages_ms),
        wall_s=end.wall_s - start.wall_s,
        clip_s=last.captured_s - first.captured_s,
        ages_ms=tuple(ages_ms),
        cpu_share=end.cpu_share_since(start),
    )


def draw_overlay(frame_bgr: np.ndarray, result: Any) -> np.ndarray:
    """The result over the frame, as `curbside run` and the window show them."""
    return draw_scene(frame_bgr, SceneResult.of(result), ViewConfig())


class _Moment:
    """Clocks, read together."""

    def __init__(self) -> None:
        self.wall_s, self._cpu_s = time.perf_counter(), time.process_time()
        self._cores: CoreTimes | None = read_core_times()

    def cpu_share_since(self, start: _Moment) -> float:
        return (self._cpu_s - start._cpu_s) / (self.wall_s - start.wall_s) / core_count()

    def busy_share_since(self, start: _Moment) -> float | None:
        return None if self._cores is None else self._cores.busy_share_since(start._cores)
