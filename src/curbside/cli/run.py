"""Run a model file over a video, pictures or a camera."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import SourceError
from ..imaging import draw_legend
from ..progress import track
from ..results import InstanceResult, SemanticResult
from ..runtime import (
    InstanceConfig,
    Pipeline,
    PipelineStats,
    load_predictor,
    open_sink,
    open_source,
    plan_cores,
)

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside run`."""
    tyro.cli(_run, args=argv, prog="curbside run", description=__doc__)


def _run(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    source: str,
    save: Path | None = None,
    alpha: float = 0.5,
    confidence: float | None = None,
    iou: float | None = None,
    legend: bool = False,
    shares: bool = False,
    frames: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Run a model file over a video, pictures or a camera.

    Args:
        model: The model file, as made by `curbside export`.
        source: A video file, a picture, a folder of pictures, or a camera's number.
        save: Where the pictures go: a video file (.mp4, .mov, .mkv, .avi) or a folder.
        alpha: 0 shows the frame alone, 1 the class colours alone.
        confidence: Of a network that finds objects: show those that are more probable than this,
            0..1; 0.5 where not given.
        iou: Of a network that finds objects: of two of one class that overlap by more than this
            (intersection over union, 0..1), the better alone is shown; 0.5 where not given.
        legend: Put the names of the classes beside the picture.
        shares: Also say which share of the pictures each class covers.
        frames: Stop after so many frames.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    import cv2
    import numpy as np

    opened = open_source(source)
    plan = plan_cores(threads, live=opened.live)
    chosen = _chosen(confidence, iou)
    predictor = load_predictor(model, threads=plan.threads, instances=chosen)
    sink = open_sink(save, fps=opened.fps)
    space = predictor.manifest.space
    colors = [item.color for item in space.classes]

    @cache
    def panel(height: int) -> np.ndarray:
        return draw_legend(height, space.names, colors)

    def draw(frame_bgr: np.ndarray, result: SemanticResult | InstanceResult) -> np.ndarray:
        picture = result.draw(frame_bgr, alpha=alpha)
        if not legend:
            return picture
        return cv2.hconcat([picture, panel(len(picture))])

    pipeline: Pipeline[SemanticResult | InstanceResult]
    pipeline = Pipeline(opened, predictor, draw=draw, sink=sink, limit=frames, workers=plan.workers)
    total = min((n for n in (opened.total, frames) if n is not None), default=None)
    covered: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    broken_off: SourceError | None = None
    with predictor, closing(iter(pipeline)) as flow:
        try:
            for shown in track(flow, total=total, description=model.name, unit="frames"):
                if isinstance(shown.result, InstanceResult):
                    objects.update(shown.result.counts())
                if shares:
                    covered.update(shown.result.shares())
        except SourceError as error:
            broken_off = error
        except KeyboardInterrupt:
            if not opened.live:  # the way to end a camera, a mishap with a file
                raise
        precision = predictor.precision
    stats = pipeline.stats()
    if stats.frames:
        facts = {
            "model": str(model),
            "source": source,
            "saved": None if save is None else str(save),
            "frames": stats.frames,
            "fps": round(stats.fps, 2),
            "dropped": stats.dropped,
            "precision": precision,
            "networks": plan.workers,
            "threads_per_network": plan.threads,
        }
        means = {
            name: {key: count / stats.frames for key, count in counter.most_common()}
            for name, counter in (("shares", covered), ("objects", objects))
        }
        _show(facts, stats, means, as_json=as_json)
    if broken_off is not None:
        raise broken_off


def _chosen(confidence: float | None, iou: float | None) -> InstanceConfig | None:
    if confidence is None and iou is None:
        return None
    usual = InstanceConfig()
    return InstanceConfig(
        confidence=usual.confidence if confidence is None else confidence,
        iou=usual.iou if iou is None else iou,
    )


def _show(
    facts: Mapping[str, object],
    stats: PipelineStats,
    means: Mapping[str, Mapping[str, float]],
    *,
    as_json: bool,
) -> None:
    from rich.console import Console
    from rich.table import Table

    if as_json:
        stages = {name: asdict(summary) for name, summary in stats.stages.items()}
        print(json.dumps({**facts, "stages": stages, **means}, indent=2))
        return
    console = Console()
    about = Table(show_header=False)
    for name, value in facts.items():
        if value is not None:
            about.add_row(name.replace("_", " "), str(value))
    console.print(about)
    table = Table("stage", "p50 ms", "p95 ms")
    for name, summary in stats.stages.items():
        table.add_row(name, f"{summary.p50_ms:.2f}", f"{summary.p95_ms:.2f}")
    console.print(table)
    for title, kind, form in (("share", "shares", ".1%"), ("objects per frame", "objects", ".2f")):
        if means[kind]:
            table = Table("class", title)
            for name, mean in means[kind].items():
                table.add_row(name, format(mean, form))
            console.print(table)
