"""Open the window: the road and what the networks make of it, live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..errors import ConfigError
from ..hardware import keep_one_heap
from ..results import View

__all__ = ["main"]

_Models = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODELS")]


def main(argv: list[str]) -> int | None:
    """Entry of `curbside app`."""
    keep_one_heap()
    return tyro.cli(_app, args=argv, prog="curbside app", description=__doc__)


def _app(
    files: _Models = (),
    /,
    *,
    source: str | None = None,
    instances: Path | None = None,
    models: Path | None = None,
    threads: int | None = None,
    view: View | None = None,
    alpha: float = 0.5,
    confidence: float | None = None,
    iou: float | None = None,
    every_frame: bool = True,
    loop: bool = False,
    fullscreen: bool = False,
    theme: Literal["system", "dark", "light"] | None = None,
    save: Path | None = None,
    benchmark: tuple[str, ...] | None = None,
) -> int | None:
    """Open the window.

    Args:
        files: Model files, as made by `curbside export`; the first of each task is used.
        source: A video file, a picture, a folder of pictures, a camera, a stream, or `synthetic`; see
            `curbside sources`.
        instances: The model file of a network that finds objects.
        models: A folder of model files to choose from.
        threads: Threads for the networks in all; all cores where not given.
        view: What is shown; what tells most where not given.
        alpha: 0 shows the frame alone, 1 the colours alone.
        confidence: Objects more probable than this are shown, 0..1; 0.5 where not given.
        iou: Of two objects of one class that overlap by more than this (intersection over union,
            0..1), the better one is shown; 0.5 where not given.
        every_frame: Of a file show every frame; otherwise keep its pace and drop frames.
        loop: Begin a file again at its end.
        fullscreen: Fill the screen.
        theme: The colours; those chosen last where not given.
        save: The folder where recordings and pictures go; asked for at the first one where not given.
        benchmark: Open no window: VIDEO and maybe a number of FRAMES, over which the models are
            measured as `curbside benchmark` does.
    """
    named = (*files, *(() if instances is None else (instances,)))
    if benchmark is not None:
        _benchmark(benchmark, named, models, threads)
        return None
    from ..app.start import AppConfig, open_window

    return open_window(
        AppConfig(
            models=named,
            folder=models,
            source=source,
            threads=threads,
            view=view,
            alpha=alpha,
            confidence=confidence,
            iou=iou,
            every_frame=every_frame,
            looping=loop,
            fullscreen=fullscreen,
            theme=theme,
            save=save,
        )
    )


def _benchmark(
    words: tuple[str, ...], named: tuple[Path, ...], folder: Path | None, threads: int | None
) -> None:
    """The same as `curbside benchmark MODELS --source VIDEO --frames FRAMES`."""
    from ..app.catalogue import find_models, read_entries
    from . import benchmark

    if not words:
        raise ConfigError(
            "--benchmark names no video", fix="give one: curbside app --benchmark VIDEO [FRAMES]"
        )
    video, *rest = words
    frames = []
    if rest and rest[0].isdigit():
        frames = ["--frames", rest.pop(0)]
    found = [] if folder is None else find_models(folder)
    usable = [entry.path for entry in read_entries(found) if entry.manifest is not None]
    files = [*named, *(Path(word) for word in rest), *(p for p in usable if p not in named)]
    if not files:
        raise ConfigError(
            "there is no model to measure",
            fix="name model files before --benchmark, or a folder of them with --models",
        )
    more = [] if threads is None else ["--threads", str(threads)]
    benchmark.main([*map(str, files), "--source", video, *frames, *more])
