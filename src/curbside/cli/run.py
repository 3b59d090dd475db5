"""Run a model file, or two fused, over a video, pictures or a camera."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..errors import ConfigError, SourceError
from ..imaging import draw_legend
from ..labels import LabelSpace
from ..progress import track
from ..results import DepthResult, InstanceResult, PanopticResult, SemanticResult
from ..runtime import (
    DepthPredictor,
    FusedPredictor,
    FusionConfig,
    InstanceConfig,
    InstancePredictor,
    Pipeline,
    PipelineStats,
    SemanticPredictor,
    TrackerConfig,
    load_fused_predictor,
    load_predictor,
    open_sink,
    open_source,
    plan_cores,
)

__all__ = ["main"]

Result = SemanticResult | InstanceResult | PanopticResult | DepthResult
View = Literal["panoptic", "disagreement"]


def main(argv: list[str]) -> None:
    """Entry of `curbside run`."""
    tyro.cli(_run, args=argv, prog="curbside run", description=__doc__)


def _run(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    source: str,
    instances: Path | None = None,
    save: Path | None = None,
    alpha: float = 0.5,
    confidence: float | None = None,
    iou: float | None = None,
    view: View | None = None,
    following: bool = True,
    fusion: FusionConfig = FusionConfig(),  # noqa: B008 - it is frozen
    legend: bool = False,
    shares: bool = False,
    frames: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Run a model file, or two fused, over a video, pictures or a camera.

    Args:
        model: The model file, as made by `curbside export`.
        source: A video file, a picture, a folder of pictures, or a camera's number.
        instances: The model file of a network that finds objects, to be fused with a semantic one.
        save: Where the pictures go: a video file (.mp4, .mov, .mkv, .avi) or a folder.
        alpha: 0 shows the frame alone, 1 the class colours alone.
        confidence: Of a network that finds objects: show those that are more probable than this,
            0..1; 0.5 where not given.
        iou: Of a network that finds objects: of two of one class that overlap by more than this
            (intersection over union, 0..1), the better alone is shown; 0.5 where not given.
        view: Of two fused: the panoptic picture, or where the two disagree; panoptic where not given.
        following: Of two fused: follow objects from frame to frame, so that each keeps its number
            and colour; off for pictures that have nothing to do with each other.
        fusion: Of two fused: the rules.
        legend: Put the names of the classes beside the picture.
        shares: Also say which share of the pictures each class covers.
        frames: Stop after so many frames.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    opened = open_source(source)
    plan = plan_cores(threads, live=opened.live)
    if instances is None:
        if view is not None or not following or fusion != FusionConfig():
            raise ConfigError(
                "one network is fused with nothing", fix="name another with --instances M.onnx"
            )
        predictor: Live = load_predictor(
            model, threads=plan.threads, instances=_chosen(confidence, iou)
        )
    else:
        chosen = _chosen(confidence, iou) or InstanceConfig()
        if confidence is not None:
            fusion = replace(fusion, score=confidence)
        predictor = load_fused_predictor(
            model,
            instances,
            config=fusion,
            tracking=TrackerConfig() if following else None,
            iou=chosen.iou,
            threads=plan.threads,
        )
    pipeline: Pipeline[Result] = Pipeline(
        opened,
        predictor,
        draw=_drawing(predictor.space, alpha=alpha, view=view, legend=legend),
        sink=open_sink(save, fps=opened.fps),
        limit=frames,
        workers=plan.workers,
    )
    total = min((n for n in (opened.total, frames) if n is not None), default=None)
    tally = _Tally(shares=shares)
    broken_off: SourceError | None = None
    with predictor, closing(iter(pipeline)) as flow:
        try:
            for shown in track(flow, total=total, description=model.name, unit="frames"):
                tally.add(shown.result)
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
            "instances": None if instances is None else str(instances),
            "source": source,
            "saved": None if save is None else str(save),
            "frames": stats.frames,
            "fps": round(stats.fps, 2),
            "dropped": stats.dropped,
            "precision": precision,
            "networks": plan.workers,
            "threads_per_network": plan.threads,
            "objects_followed": tally.followed,
        }
        _show(facts, stats, tally.means(stats.frames), as_json=as_json)
    if broken_off is not None:
        raise broken_off


Live = SemanticPredictor | InstancePredictor | DepthPredictor | FusedPredictor


def _chosen(confidence: float | None, iou: float | None) -> InstanceConfig | None:
    if confidence is None and iou is None:
        return None
    usual = InstanceConfig()
    return InstanceConfig(
        confidence=usual.confidence if confidence is None else confidence,
        iou=usual.iou if iou is None else iou,
    )


def _drawing(
    space: LabelSpace, *, alpha: float, view: View | None, legend: bool
) -> Callable[[np.ndarray, Result], np.ndarray]:
    """What makes the picture of a frame and its result."""
    import cv2

    colors = [item.color for item in space.classes]

    @cache
    def panel(height: int) -> np.ndarray:
        return draw_legend(height, space.names, colors)

    def draw(frame_bgr: np.ndarray, result: Result) -> np.ndarray:
        if view == "disagreement" and isinstance(result, PanopticResult):
            picture = result.draw_disagreement(frame_bgr)
        else:
            picture = result.draw(frame_bgr, alpha=alpha)
        return cv2.hconcat([picture, panel(len(picture))]) if legend else picture

    return draw


class _Tally:
    """What was seen, over all frames.

    Args:
        shares: Count the pixels of the classes.
    """

    def __init__(self, *, shares: bool) -> None:
        self._shares = shares
        self._sums: dict[str, Counter[str]] = {
            name: Counter() for name in ("shares", "objects", "disagreement")
        }
        self._numbers: set[int] = set()

    @property
    def followed(self) -> int | None:
        """How many objects were told apart; None where none was followed."""
        return len(self._numbers) or None

    def add(self, result: Result) -> None:
        """Count what a frame shows."""
        if isinstance(result, DepthResult):
            return
        if self._shares:
            self._sums["shares"].update(result.shares())
        if not isinstance(result, SemanticResult):
            self._sums["objects"].update(result.counts())
        if isinstance(result, PanopticResult):
            self._sums["disagreement"].update(result.disagreement_shares())
            self._numbers.update(result.track_ids[result.track_ids > 0].tolist())

    def means(self, frames: int) -> dict[str, dict[str, float]]:
        """Means over the frames: share of the picture by class, objects by class, and so on."""
        return {
            kind: {name: total / frames for name, total in sums.most_common()}
            for kind, sums in self._sums.items()
        }


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
    for first, title, kind, form in (
        ("class", "share", "shares", ".1%"),
        ("class", "objects per frame", "objects", ".2f"),
        ("disagreement", "share", "disagreement", ".1%"),
    ):
        if means[kind]:
            table = Table(first, title)
            for name, mean in means[kind].items():
                table.add_row(name, format(mean, form))
            console.print(table)
