"""How fast model files run live: the threaded pipeline beside the bare network, in turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..hardware import core_count, cpu_model, thread_count
from ..metrics.timing import Latencies, LatencySummary
from ..progress import track
from ..results import InstanceResult, SemanticResult
from .cores import CorePlan, plan_cores
from .pipeline import Pipeline
from .predictor import NetworkPredictor, load_predictor
from .sinks import Sink
from .sources import Frame, Source, open_source

__all__ = [
    "BenchmarkReport",
    "Block",
    "ModelSpeed",
    "benchmark",
    "draw_overlay",
    "fixed_input",
    "time_bare",
    "time_pipeline",
]

_WARM_UP_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Block:
    """One stretch of the pipeline in full flow."""

    frame_ms: float
    """Wall time per frame."""
    cpu_share: float
    """Share of all the device's cores that this process used, 0..1."""
    stages: dict[str, LatencySummary]
    """Latency of every stage."""


@dataclass(frozen=True, kw_only=True)
class ModelSpeed:
    """What one model file took."""

    model: str
    """The file's name."""
    precision: str
    """What the arithmetic really ran in."""
    input_size_hw: tuple[int, int]
    """The network's input, in pixels."""
    fps: float
    """Frames per second of the pipeline, from `frame_ms`."""
    frame_ms: float
    """Wall time of the pipeline per frame: median over the rounds."""
    bare: LatencySummary
    """The network alone on all threads, with one picture that does not change."""
    ratio: float
    """Wall time per frame over the bare network's mean, both of one round: median over them."""
    cpu_share: float
    """Share of all cores that this process used in the pipeline: median over the rounds."""
    stages: dict[str, LatencySummary]
    """Latency of every stage inside the running pipeline: medians over the rounds."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """Speeds, and what they were measured on."""

    models: tuple[ModelSpeed, ...]
    """One per model file, in the order given."""
    source: str
    """The clip."""
    frame_size_hw: tuple[int, int]
    """Its size in pixels."""
    frames: int
    """Frames per model, over all rounds."""
    rounds: int
    """Turns that every model had."""
    plan: CorePlan
    """Networks at once, and threads of each."""
    bare_threads: int
    """Threads of the bare network."""
    cpu: str
    """The processor."""
    cores: int
    """Cores this process may use."""
    load: tuple[float, float]
    """The device's load average over a minute, before and after."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


def benchmark(
    paths: Sequence[Path],
    source: str | Path,
    *,
    frames: int = 200,
    threads: int | None = None,
    live: bool = False,
    rounds: int = 5,
) -> BenchmarkReport:
    """Measure model files on a clip, in turns, so that a busy neighbour slows all of them alike.

    Args:
        paths: Model files.
        source: A video file or a folder of pictures; it starts again where it is too short.
        frames: Frames per model, over all rounds.
        threads: Threads for the networks in all; all cores where None.
        live: Arrange the cores as for a camera (one network on all threads), not as for a file.
        rounds: Turns that every model has.

    Raises:
        ConfigError: The source is live, or a number is not positive.
        ModelFileError: A model file cannot be used.
        SourceError: The source cannot be read.
    """
    if frames < 1 or rounds < 1:
        raise ConfigError(
            f"{frames} frames in {rounds} rounds measure nothing", fix="give one or more of each"
        )
    plan = plan_cores(threads, live=live)
    bare_threads = thread_count(threads)
    height, width = _first_frame(source).bgr.shape[:2]
    block = -(-frames // rounds)
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        models = []
        for path in paths:
            flowing = stack.enter_context(load_predictor(path, threads=plan.threads))
            bare = flowing
            if plan.threads != bare_threads:
                bare = stack.enter_context(load_predictor(path, threads=bare_threads))
            models.append(_Turns(flowing, bare))
        turns = [model for _ in range(rounds) for model in models]
        for model in track(turns, total=len(turns), description="benchmark", unit="turns"):
            run = partial(model.bare.infer, fixed_input(model.bare))
            model.bare_ms.append(time_bare(run, block))
            model.blocks.append(
                time_pipeline(source, model.flowing, workers=plan.workers, frames=block)
            )
        speeds = tuple(_speed(path, model) for path, model in zip(paths, models, strict=True))
    return BenchmarkReport(
        models=speeds,
        source=str(source),
        frame_size_hw=(height, width),
        frames=block * rounds,
        rounds=rounds,
        plan=plan,
        bare_threads=bare_threads,
        cpu=cpu_model(),
        cores=core_count(),
        load=(load_before, os.getloadavg()[0]),
    )


def time_bare(run: Callable[[], Any], runs: int) -> list[float]:
    """Call a network again and again: wall time of every run after a warm-up, in milliseconds."""
    warm_s = time.perf_counter() + _WARM_UP_S
    run()
    while time.perf_counter() < warm_s:
        run()
    times_s = [time.perf_counter()]
    for _ in range(runs):
        run()
        times_s.append(time.perf_counter())
    return [(end_s - start_s) * 1e3 for start_s, end_s in pairwise(times_s)]


def fixed_input(predictor: NetworkPredictor[Any]) -> np.ndarray:
    """A picture of noise as the tensor that the network takes, the same every time."""
    height, width = predictor.manifest.input.size_hw
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return predictor.prepare(noise)


def time_pipeline(
    source: str | Path,
    predictor: NetworkPredictor[Any],
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
        _Endless(_open(source)), predictor, draw=draw_overlay, sink=sink, workers=workers
    )
    warm = 2 * workers + 4
    start_s = end_s = start_cpu_s = end_cpu_s = 0.0
    with closing(iter(pipeline)) as shown:
        for count, _ in enumerate(shown, 1):
            if count == warm:
                start_s, start_cpu_s = time.perf_counter(), time.process_time()
            elif count == warm + frames:
                end_s, end_cpu_s = time.perf_counter(), time.process_time()
                break
    wall_s = end_s - start_s
    return Block(
        frame_ms=wall_s / frames * 1e3,
        cpu_share=(end_cpu_s - start_cpu_s) / wall_s / core_count(),
        stages=pipeline.stats().stages,
    )


def draw_overlay(frame_bgr: np.ndarray, result: SemanticResult | InstanceResult) -> np.ndarray:
    """The result over the frame, as `curbside run` shows them."""
    return result.draw(frame_bgr)


class _Endless:
    """A source that starts again at its end."""

    live = False
    total: int | None = None

    def __init__(self, source: Source) -> None:
        self._source = source
        self.fps = source.fps

    def frames(self) -> Iterator[Frame]:
        while True:
            yield from self._source.frames()

    def close(self) -> None:
        self._source.close()


def _open(source: str | Path) -> Source:
    opened = open_source(source)
    if opened.live:
        opened.close()
        raise ConfigError(
            f"{source} is a camera: its own rate would be measured", fix="give a video file"
        )
    return opened


def _first_frame(source: str | Path) -> Frame:
    with closing(_open(source)) as opened:
        return next(opened.frames())


class _Turns:
    """A model and what its turns gave."""

    def __init__(self, flowing: NetworkPredictor[Any], bare: NetworkPredictor[Any]) -> None:
        self.flowing, self.bare = flowing, bare
        self.bare_ms: list[list[float]] = []
        self.blocks: list[Block] = []


def _speed(path: Path, model: _Turns) -> ModelSpeed:
    blocks = model.blocks
    bare = Latencies()
    for latency_ms in chain.from_iterable(model.bare_ms):
        bare.add(latency_ms)
    frame_ms = median(block.frame_ms for block in blocks)
    ratios = (
        block.frame_ms / mean(times) for block, times in zip(blocks, model.bare_ms, strict=True)
    )
    stages = blocks[0].stages
    return ModelSpeed(
        model=path.name,
        precision=model.flowing.precision,
        input_size_hw=model.flowing.manifest.input.size_hw,
        fps=1e3 / frame_ms,
        frame_ms=frame_ms,
        bare=bare.summary(),
        ratio=median(ratios),
        cpu_share=median(block.cpu_share for block in blocks),
        stages={name: _median_of([block.stages[name] for block in blocks]) for name in stages},
    )


def _median_of(summaries: Sequence[LatencySummary]) -> LatencySummary:
    return LatencySummary(
        count=sum(item.count for item in summaries),
        mean_ms=median(item.mean_ms for item in summaries),
        p50_ms=median(item.p50_ms for item in summaries),
        p95_ms=median(item.p95_ms for item in summaries),
        p99_ms=median(item.p99_ms for item in summaries),
    )
