"""Run model files over a video, pictures, a camera or a stream: into a file, onto a page, or for the figures."""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import ConfigError, CurbsideError, SourceError
from ..hardware import keep_one_heap
from ..progress import track
from ..results import SceneResult, View
from ..runtime import (
    Fault,
    FusionConfig,
    InstanceConfig,
    Pipeline,
    PipelineStats,
    Supervision,
    TrackerConfig,
    open_sink,
    open_source,
    plan_cores,
)
from ..runtime.page import Board, LivePage, live_facts
from ..runtime.scene import Rate, SceneConfig, ScenePredictor, draw_found, load_scene
from ..runtime.views import ViewConfig
from ._live_report import Tally, print_faults, print_frame, print_summary, show_run

__all__ = ["main"]

_LATEST = 1000
_FUSED = ("panoptic", "disagreement")


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks beside the first, and by which rules their answers come together."""

    instances: Path | None = None
    """The model file of a network that finds objects, to be fused with a semantic one."""
    depth: Path | None = None
    """The model file of a network that tells how far away everything is."""
    instances_every: Rate = 1
    """The network that finds objects looks at every n-th frame or, with `own`, as often as it can beside
    the others; between its looks followed objects move on."""
    depth_every: Rate = 1
    """The same for the network that tells depth, where it is one of its own."""
    confidence: float | None = None
    """Of a network that finds objects: show those that are more probable than this, 0..1; 0.5 where not
    given."""
    iou: float | None = None
    """Of a network that finds objects: of two of one class that overlap by more than this (intersection
    over union, 0..1), the better alone is shown; 0.5 where not given."""
    following: bool = True
    """Of two fused: follow objects from frame to frame, so that each keeps its number and colour; off for
    pictures that have nothing to do with each other."""
    fusion: FusionConfig = FusionConfig()  # noqa: RUF009 - it is frozen
    """Of two fused: the rules."""

    def scene(self, model: Path) -> SceneConfig:
        """These networks and the first."""
        usual, fusion = InstanceConfig(), self.fusion
        if self.confidence is not None:
            if fusion.score not in (FusionConfig().score, self.confidence):
                raise ConfigError(
                    f"--confidence is {self.confidence:g} and --fusion.score {fusion.score:g}, which"
                    " are the same setting",
                    fix="give one of them",
                )
            fusion = replace(fusion, score=self.confidence)
        return SceneConfig(
            models=tuple(path for path in (model, self.instances, self.depth) if path is not None),
            instances=InstanceConfig(
                confidence=usual.confidence if self.confidence is None else self.confidence,
                iou=usual.iou if self.iou is None else self.iou,
            ),
            fusion=fusion,
            tracking=TrackerConfig() if self.following else None,
            rates={"instances": self.instances_every, "depth": self.depth_every},
        )

    def require_use(self, scene: ScenePredictor) -> None:
        """Refuse what was asked for and would do nothing.

        Raises:
            ConfigError: A rule is for networks that are not there.
        """
        told = scene.answers
        if "panoptic" not in scene.views and (not self.following or self.fusion != FusionConfig()):
            raise ConfigError(
                "one network is fused with nothing", fix="name another with --instances M.onnx"
            )
        if "instances" not in told and not (self.confidence is self.iou is None):
            raise ConfigError(
                f"{scene.title} gives a class for every pixel, so that there are no objects to choose"
                " from",
                fix="leave out confidence, iou and the like",
            )
        for answer, rate in (("instances", self.instances_every), ("depth", self.depth_every)):
            if answer not in told and rate != 1:
                raise ConfigError(
                    f"no network for {answer} is there to look at every {rate}",
                    fix=f"leave out --{answer}-every, or name a network",
                )
        if "semantic+depth" in scene.manifests and self.depth_every != 1:
            raise ConfigError(
                f"{scene.title} tells classes and depth in one look, so that depth has no rate of its own",
                fix="leave out --depth-every",
            )


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What is shown of a frame."""

    view: View | None = None
    """What is shown; where not given, what tells most of what there is."""
    alpha: float = 0.5
    """0 shows the frame alone, 1 the class colours alone."""
    hide: tuple[str, ...] = ()
    """Names of classes that are not shown."""
    legend: bool = False
    """Put the names of the classes beside the picture."""

    def config(self, scene: ScenePredictor) -> ViewConfig:
        """The view of a scene.

        Raises:
            ConfigError: The scene cannot show it, or has no such class.
        """
        if self.view is not None and self.view not in scene.views:
            needed = "two networks that are fused" if self.view in _FUSED else "another network"
            raise ConfigError(
                f"{scene.title} cannot show {self.view}, which takes {needed}",
                fix=f"choose {', '.join(scene.views)}",
            )
        names = {name for manifest in scene.manifests.values() for name in manifest.space.names}
        names |= set(scene.space.names) if scene.space else set()
        unknown = sorted(set(self.hide) - names)
        if unknown:
            raise ConfigError(
                f"there is no class {unknown[0]} to hide", fix=f"choose {', '.join(sorted(names))}"
            )
        hidden = frozenset(self.hide)
        return ViewConfig(view=self.view, alpha=self.alpha, hidden=hidden, legend=self.legend)


def main(argv: list[str]) -> None:
    """Entry of `curbside run`."""
    keep_one_heap()
    tyro.cli(_run, args=argv, prog="curbside run", description=__doc__)


def _run(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    source: str,
    networks: Annotated[Networks, tyro.conf.arg(name="")] = Networks(),
    looks: Annotated[Looks, tyro.conf.arg(name="")] = Looks(),
    save: Path | None = None,
    serve: str | None = None,
    token: str | None = None,
    shares: bool = False,
    frames: int | None = None,
    budget_ms: float | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Run model files over a video, pictures, a camera or a stream.

    Args:
        model: The model file, as made by `curbside export`.
        source: A video file, a picture, a folder of pictures, a camera, an address; see `curbside
            sources`.
        networks: Networks beside the first.
        looks: What is shown.
        save: Where the pictures go: a video file (.mp4, .mov, .mkv, .avi) or a folder.
        serve: Show the picture on a page at this HOST:PORT, or at this port for this machine alone.
        token: What a browser must know to see the page; made where not given and other machines can
            see it.
        shares: Also say which share of the pictures each class covers.
        frames: Stop after so many frames.
        budget_ms: From captured to shown a frame should take no longer than this: a camera's frame
            that is older already is left out before the network, what is shown later is counted.
        threads: Threads for the networks in all; all cores where not given.
        as_json: Print lines of JSON: one for every frame and fault, and a summary.
    """
    _refuse(source, save, serve=serve, token=token, frames=frames)
    faults: deque[Fault] = deque(maxlen=_LATEST)
    news: deque[Fault] = deque(maxlen=_LATEST)  # those that were not printed yet

    def note(fault: Fault) -> None:
        faults.append(fault)
        news.append(fault)

    tally = Tally(shares=shares)
    broken_off: CurbsideError | None = None
    with ExitStack() as stack:
        stack.enter_context(_ends_when_terminated())
        opened = stack.enter_context(closing(open_source(source)))
        plan = plan_cores(threads, live=opened.live)
        scene = stack.enter_context(load_scene(networks.scene(model), threads=plan.threads))
        networks.require_use(scene)
        view = looks.config(scene)
        scene.confidence = view.view == "confidence"
        sink = open_sink(save, fps=opened.fps)
        pipeline: Pipeline[SceneResult] = Pipeline(
            opened,
            scene,
            draw=lambda frame, result: draw_found(frame, result, view),
            sink=sink,
            limit=frames,
            workers=plan.workers,
            supervision=Supervision(),
            on_fault=note,
            budget_ms=budget_ms,
        )
        board = None if serve is None else Board()
        precision = "" if serve is None else scene.precision  # which takes a run of each network
        if serve is not None and board is not None:
            page = stack.enter_context(_page(serve, token, board))
            print(f"curbside run: the picture is at {page.link}", file=sys.stderr, flush=True)
        total = min((n for n in (opened.total, frames) if n is not None), default=None)
        flow = stack.enter_context(closing(iter(pipeline)))
        try:
            for shown in track(flow, total=total, description=model.name, unit="frames"):
                tally.add(shown.result)
                if board is not None:
                    facts_of = partial(
                        live_facts,
                        pipeline,
                        shown,
                        source=opened.title,
                        precision=precision,
                        faults=faults,
                    )
                    board.publish(shown.picture_bgr, facts_of)
                if as_json:
                    print_faults(news)
                    print_frame(shown, shares=shares)
        except SourceError as error:
            broken_off = error
        except KeyboardInterrupt:
            if not opened.live:  # the way to end a camera, a mishap with a file
                sink.discard()
                raise
        except BaseException:  # such as an output that nobody reads any more
            sink.discard()
            raise
        precision = scene.precision
    stats = pipeline.stats()
    facts = {
        "model": str(model),
        "instances": None if networks.instances is None else str(networks.instances),
        "depth": None if networks.depth is None else str(networks.depth),
        "source": opened.title,
        "saved": None if save is None else str(save),
        "frames": stats.frames,
        "fps": round(stats.fps, 2),
        "dropped": stats.dropped,
        "late": None if budget_ms is None else stats.late,
        "precision": precision,
        "networks": plan.workers,
        "threads_per_network": plan.threads,
        "objects_followed": tally.followed,
    }
    means = tally.means()
    if as_json:
        print_faults(news)
        print_summary(facts, stats, means)
    elif stats.frames or faults:
        show_run(facts, stats, means, faults)
    if broken_off is None and not opened.live:
        broken_off = _what_is_missing(stats, tally.failed, faults)
    if broken_off is not None:
        raise broken_off


def _what_is_missing(
    stats: PipelineStats, failed: int, faults: Iterable[Fault]
) -> CurbsideError | None:
    """What of a file was not done, as an error that names the last fault."""
    left_out = stats.faults.get("capture", 0)
    last = next((fault.message for fault in reversed(list(faults))), "")
    fix = "look at the faults; the others have been processed"
    if left_out:
        return SourceError(f"{left_out} pictures could not be read: {last}", fix=fix)
    if failed:
        return CurbsideError(f"{failed} of {stats.frames} frames have no result: {last}", fix=fix)
    if not stats.frames:
        return SourceError("the source gave no frame", fix="check that it plays")
    return None


def _refuse(
    source: str, save: Path | None, *, serve: str | None, token: str | None, frames: int | None
) -> None:
    """Refuse what would do nothing, or harm.

    Raises:
        ConfigError: The result would take the place of the source, or a setting is without effect.
    """
    if not source.strip():
        raise ConfigError("the source is an empty name", fix="name one: curbside sources")
    if frames is not None and frames < 1:
        raise ConfigError(f"{frames} frames show nothing", fix="give --frames 1 or more")
    if token is not None and serve is None:
        raise ConfigError("a token is for the page", fix="show one with --serve HOST:PORT")
    if save is None:
        return
    if save == Path():
        raise ConfigError("the result has no name", fix="name a video file or a folder with --save")
    if save.exists() and Path(source).exists() and save.samefile(source):
        raise ConfigError(
            f"{save} is the source itself", fix="name another place with --save: it would be lost"
        )


@contextmanager
def _ends_when_terminated() -> Iterator[None]:
    """What a service is sent to stop it ends the run as Ctrl-C does: a recording is finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _page(serve: str, token: str | None, board: Board) -> LivePage:
    """The page at HOST:PORT, or at a port of this machine alone."""
    host, _, port = serve.rpartition(":")
    if not (port.isascii() and port.isdecimal()):
        raise ConfigError(
            f"{serve} is no HOST:PORT", fix="give a port such as 8080, or 0.0.0.0:8080 for all"
        )
    return LivePage(board, host.strip("[]") or "127.0.0.1", int(port), token)
