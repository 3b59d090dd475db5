"""Model files in turns: bare, in the pipeline as fast as it goes, and at the clip's own rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import mean, median

from ...errors import ConfigError
from ...hardware import Condition, board_name, core_count, cpu_model, read_condition, thread_count
from ...metrics.timing import Latencies, LatencySummary
from ...progress import track
from ..cores import plan_cores
from ..predictor import load_predictor
from .clip import first_frame
from .memory import MemoryUse, measure_memory
from .networks import Networks, open_networks, require_different
from .report import AtRate, BareNetwork, BenchmarkReport, ModelSpeed, Range, Round
from .timing import Block, PacedBlock, time_at_rate, time_networks, time_pipeline

__all__ = ["benchmark"]


def benchmark(
    paths: Sequence[Path],
    source: str | Path,
    *,
    beside: Sequence[Path] = (),
    frames: int = 200,
    threads: int | None = None,
    live: bool = False,
    rounds: int = 5,
) -> BenchmarkReport:
    """Measure model files on a clip, in turns, so that a busy neighbour slows all of them alike.

    Args:
        paths: Model files.
        source: A video file or a folder of pictures; it starts again where it is too short.
        beside: Networks of other tasks that look at every frame beside each of the model files, as
            in a scene: objects are followed and fused with its classes.
        frames: Frames per model, over all rounds.
        threads: Threads for the networks in all; all cores where None.
        live: As fast as it goes, arrange the cores as for a camera (one network on all threads), not
            as for a file.
        rounds: Turns that every model has.

    Raises:
        ConfigError: There is no model file, the source is live, a number is not positive, or two
            networks that look at a frame together have the same task.
        ModelFileError: A model file cannot be used.
        LabelError: No object of the one could ever be shown with the classes of the other.
        SourceError: The source cannot be read.
    """
    if not paths:
        raise ConfigError("no model file is named to be measured", fix="name one or more")
    if frames < 1 or rounds < 1:
        raise ConfigError(
            f"{frames} frames in {rounds} rounds measure nothing", fix="give one or more of each"
        )
    scenes = [(path, *beside) for path in paths]
    for scene in scenes:
        require_different(scene)
    plan = plan_cores(threads, live=live)
    bare_threads = thread_count(threads)
    frame, fps = first_frame(source)
    height, width = frame.bgr.shape[:2]
    for path in chain.from_iterable(scenes):
        if not path.is_file():
            load_predictor(
                path, threads=1
            ).close()  # says what is wrong before anything is measured
    block = -(-frames // rounds)
    conditions = [read_condition()]
    memory = [
        measure_memory(scene, source, threads=plan.threads, workers=plan.workers)
        for scene in track(scenes, total=len(scenes), description="memory", unit="models")
    ]
    with ExitStack() as stack:
        models = []
        for scene in scenes:
            flowing = stack.enter_context(open_networks(scene, threads=plan.threads))
            bare = flowing
            if plan.threads != bare_threads:
                bare = stack.enter_context(open_networks(scene, threads=bare_threads))
            models.append(_Turns(flowing, bare))
        turns = [model for _ in range(rounds) for model in models]
        for model in track(turns, total=len(turns), description="benchmark", unit="turns"):
            model.bare_ms.append(time_networks(model.bare.bare(), block))
            model.blocks.append(
                time_pipeline(source, model.flowing.predictor, workers=plan.workers, frames=block)
            )
            model.paced.append(time_at_rate(source, model.bare.predictor, frames=block))
            conditions.append(read_condition())
        names = _names(scenes)
        speeds = tuple(_speed(model, names, use) for model, use in zip(models, memory, strict=True))
    temperatures = [found.temperature for found in conditions if found.temperature]
    return BenchmarkReport(
        models=speeds,
        source=str(source),
        source_fps=fps,
        frame_size_hw=(height, width),
        frames=block * rounds,
        rounds=rounds,
        plan=plan,
        bare_threads=bare_threads,
        cpu=cpu_model(),
        cores=core_count(),
        board=board_name(),
        before=conditions[0],
        after=conditions[-1],
        hottest=max(temperatures, key=lambda place: place.celsius, default=None),
        throttled_by=_throttled_by(conditions),
    )


class _Turns:
    """A model, or several that look at a frame together, and what their turns gave."""

    def __init__(self, flowing: Networks, bare: Networks) -> None:
        self.flowing, self.bare = flowing, bare
        self.bare_ms: list[dict[Path, list[float]]] = []
        self.blocks: list[Block] = []
        self.paced: list[PacedBlock] = []


def _names(scenes: Sequence[Sequence[Path]]) -> dict[Path, str]:
    """The names of the files, whole paths where two files share one."""
    paths = set(chain.from_iterable(scenes))
    plain = [path.name for path in paths]
    return {path: path.name if plain.count(path.name) == 1 else str(path) for path in paths}


def _speed(model: _Turns, names: dict[Path, str], memory: MemoryUse | None) -> ModelSpeed:
    rounds = tuple(map(_round, model.bare_ms, model.blocks, model.paced))
    stages = model.blocks[0].stages
    busy = [block.busy_share for block in model.blocks if block.busy_share is not None]
    frame_ms = median(item.frame_ms for item in rounds)
    return ModelSpeed(
        model=" + ".join(names[path] for path in model.flowing.by_file),
        networks=tuple(
            BareNetwork(
                file=names[path],
                task=network.manifest.task,
                precision=network.precision,
                input_size_hw=network.manifest.input.size_hw,
                time=_summary(chain.from_iterable(times[path] for times in model.bare_ms)),
            )
            for path, network in model.flowing.by_file.items()
        ),
        precision=model.flowing.predictor.precision,
        fps=1e3 / frame_ms,
        fps_range=_range([1e3 / item.frame_ms for item in rounds]),
        frame_ms=frame_ms,
        bare=_summary(chain.from_iterable(map(_together, model.bare_ms))),
        ratio=median(item.ratio for item in rounds),
        ratio_range=_range([item.ratio for item in rounds]),
        cpu_share=median(block.cpu_share for block in model.blocks),
        busy_share=median(busy) if busy else None,
        stages={
            name: _median_of([block.stages[name] for block in model.blocks]) for name in stages
        },
        at_rate=_at_rate(model.paced),
        memory=memory,
        rounds=rounds,
    )


def _round(bare_ms: dict[Path, list[float]], block: Block, paced: PacedBlock) -> Round:
    together_ms = mean(_together(bare_ms))
    return Round(
        bare_ms=together_ms,
        frame_ms=block.frame_ms,
        ratio=block.frame_ms / together_ms,
        latency=block.stages["latency"],
        age=_summary(paced.ages_ms),
        shown_fps=paced.shown_fps,
        dropped_share=paced.dropped_share,
    )


def _at_rate(blocks: Sequence[PacedBlock]) -> AtRate:
    passed = sum(block.passed for block in blocks)
    shown_fps = [block.shown_fps for block in blocks]
    return AtRate(
        clip_fps=passed / sum(block.clip_s for block in blocks),
        shown_fps=median(shown_fps),
        shown_fps_range=_range(shown_fps),
        dropped_share=1 - sum(block.shown for block in blocks) / passed,
        age=_summary(chain.from_iterable(block.ages_ms for block in blocks)),
        cpu_share=median(block.cpu_share for block in blocks),
    )


def _together(bare_ms: dict[Path, list[float]]) -> list[float]:
    """What the networks took one after the other, run by run."""
    return [sum(times) for times in zip(*bare_ms.values(), strict=True)]


def _range(values: Sequence[float]) -> Range:
    return (min(values), max(values))


def _summary(times_ms: Iterable[float]) -> LatencySummary:
    latencies = Latencies()
    for time_ms in times_ms:
        latencies.add(time_ms)
    return latencies.summary()


def _median_of(summaries: Sequence[LatencySummary]) -> LatencySummary:
    return LatencySummary(
        count=sum(item.count for item in summaries),
        mean_ms=median(item.mean_ms for item in summaries),
        p50_ms=median(item.p50_ms for item in summaries),
        p95_ms=median(item.p95_ms for item in summaries),
        p99_ms=median(item.p99_ms for item in summaries),
    )


def _throttled_by(conditions: Sequence[Condition]) -> tuple[str, ...]:
    told = (found.throttling.now for found in conditions if found.throttling is not None)
    return tuple(dict.fromkeys(chain.from_iterable(told)))
