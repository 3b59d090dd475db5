"""The window beside the bare networks, and how soon another network shows.

    python benchmarks/window.py semantic.onnx objects.onnx --other other.onnx --source clip.mp4

The window plays the clip as a file, every frame, through both networks, fused, and paints it; it takes
turns with the bare ONNX Runtime sessions of the same files, one after the other on all threads (the
faster of spinning and not spinning). The clip is given without its pace, so that the networks and not
the clip's rate are measured. Then networks are exchanged while frames run, both being loaded: the time
from the order, which comes at any moment of a frame, until the first picture of the new one is shown,
and whether a frame was lost.

On a machine without a screen: `QT_QPA_PLATFORM=offscreen`, or under Xvfb.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from threading import Timer
from typing import Annotated, Any

import numpy as np
import tyro
from live import bare_sessions

from curbside.hardware import core_count, cpu_model, thread_count
from curbside.progress import track
from curbside.runtime import Pipeline, plan_cores
from curbside.runtime.benchmark import time_bare
from curbside.runtime.scene import NetworkShelf, SceneConfig, ScenePredictor
from curbside.runtime.sources import Frame, Source, open_source
from curbside.runtime.views import ViewConfig, draw_scene

__all__ = ["main"]

_WARM_FRAMES = 10
_POLL_MS = 20


class _Unpaced(Source):
    """A clip for ever, each frame as soon as it is asked for; numbers go on."""

    title, fps = "a clip without its pace", 1000.0

    def __init__(self, path: Path) -> None:
        self._source = open_source(path)

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        index = 0
        while True:
            for frame in self._source.frames():
                yield replace(frame, index=index, timestamp_s=index / self.fps)
                index += 1

    def close(self) -> None:
        self._source.close()


def main(
    models: Annotated[tuple[Path, Path], tyro.conf.Positional],
    /,
    *,
    other: Path,
    source: Path,
    threads: int | None = None,
    turns: int = 7,
    frames: int = 40,
    switches: int = 40,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """The window beside the bare networks, and how soon another network shows.

    Args:
        models: ONNX files with a Manifest: a semantic network, and one that finds objects.
        other: Another network of either task, to be exchanged with the one of its task.
        source: A video file.
        threads: Threads for the networks in all; all cores where not given.
        turns: Turns that the window and the bare networks take.
        frames: Frames per turn.
        switches: How often networks are exchanged.
        as_json: Print JSON instead of lines.
    """
    total = thread_count(threads)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        pairs, about = _window(models, source, Path(folder), total, turns=turns, frames=frames)
    told: dict[str, Any] = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": total,
        "load": [load, os.getloadavg()[0]],
        "source": source.name,
        "models": [path.name for path in models],
        **about,
        "bare_ms": round(median(bare for bare, _ in pairs), 2),
        "frame_ms": round(median(frame for _, frame in pairs), 2),
        "ratio": round(median(frame / bare for bare, frame in pairs), 3),
        "ratios": sorted(round(frame / bare, 3) for bare, frame in pairs),
    }
    told["switch"] = _switches(models, other, source, total, count=switches)
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for key, value in told.items():
            print(f"{key.replace('_', ' ')}: {value}")


class _Order:
    """Orders the other scene, and knows when."""

    def __init__(self, pipeline: Pipeline[Any], scenes: list[ScenePredictor]) -> None:
        self._pipeline, self._scenes = pipeline, scenes
        self.wanted, self.at_s = scenes[0], 0.0

    def exchange(self) -> None:
        """Order the one that is not in use."""
        self.wanted = self._scenes[self.wanted is self._scenes[0]]
        self.at_s = time.perf_counter()
        self._pipeline.switch(self.wanted)


def _window(
    models: tuple[Path, Path], source: Path, folder: Path, threads: int, *, turns: int, frames: int
) -> tuple[list[tuple[float, float]], dict[str, Any]]:
    """Wall time per frame of the bare networks and with the window, by turn."""
    from PySide6.QtCore import QEventLoop, QTimer
    from PySide6.QtWidgets import QApplication

    from curbside.app.catalogue import ModelEntry, read_manifest
    from curbside.app.start import AppConfig, begin, make_window

    bare = [bare_sessions(models, threads, spinning=spinning) for spinning in (True, False)]
    application = QApplication.instance() or QApplication(["curbside"])
    assert isinstance(application, QApplication)
    config = AppConfig(models=models, threads=threads, settings=folder / "settings.ini")
    window = make_window(application, config)
    begin(window, config, [ModelEntry(path=path, manifest=read_manifest(path)) for path in models])
    session = window.steering.session
    session.play(_Unpaced(source))

    def run(count: int) -> float:
        """Seconds until so many more frames are shown, while the window does what it does."""
        first, loop, timer = session.status().frames, QEventLoop(), QTimer()
        timer.timeout.connect(
            lambda: loop.quit() if session.status().frames - first >= count else None
        )
        timer.start(_POLL_MS)
        start_s = time.perf_counter()
        loop.exec()
        return time.perf_counter() - start_s

    pairs = []
    run(3 * _WARM_FRAMES)
    painted, shown = window.picture.painted, session.status().frames
    for _ in track(range(turns), total=turns, description="window", unit="turns"):
        session.pause()
        bare_ms = min(mean(time_bare(each, frames)) for each in bare)
        session.resume()
        run(_WARM_FRAMES)
        pairs.append((bare_ms, run(frames) / frames * 1e3))
    status = session.status()
    about = {
        "platform": application.platformName(),
        "window": [window.width(), window.height()],
        "frame_size_hw": status.frame_size_hw,
        "precision": status.precision,
        "painted_share": round((window.picture.painted - painted) / (status.frames - shown), 3),
        "dropped": status.dropped,
    }
    window.close()
    return pairs, about


def _switches(
    models: tuple[Path, Path], other: Path, source: Path, threads: int, *, count: int
) -> dict[str, Any]:
    """How soon the new network shows, in milliseconds."""
    from curbside.app.catalogue import read_manifest

    plan = plan_cores(threads, live=True)  # as a session does
    shelf = NetworkShelf()
    took_ms: list[float] = []
    with ExitStack() as stack:
        stack.callback(shelf.close)
        stays = models[1] if read_manifest(other).task == "semantic" else models[0]
        leaves = models[0] if stays is models[1] else models[1]
        scenes = [
            shelf.open(SceneConfig(models=(one, stays)), threads=plan.threads)
            for one in (leaves, other)
        ]
        for scene in scenes:
            stack.callback(scene.close)
        pipeline: Pipeline[Any] = Pipeline(
            _Unpaced(source),
            scenes[0],
            draw=lambda frame, result: draw_scene(frame, result, ViewConfig()),
            workers=plan.workers,
        )
        dice, numbers, ordered = random.Random(0), [], _Order(pipeline, scenes)
        for shown in pipeline:
            numbers.append(shown.frame.index)
            if ordered.at_s and shown.predictor is ordered.wanted:
                took_ms.append((time.perf_counter() - ordered.at_s) * 1e3)
                ordered.at_s = 0.0
                if len(took_ms) == count:
                    break
            if len(numbers) % 10 == 0:  # at any time between two frames
                Timer(dice.uniform(0, shown.stages_ms["network"] / 1e3), ordered.exchange).start()
    return {
        "p50_ms": round(median(took_ms), 1),
        "p95_ms": round(float(np.percentile(took_ms, 95)), 1),
        "most_ms": round(max(took_ms), 1),
        "switches": len(took_ms),
        "frames": len(numbers),
        "frames_lost": numbers[-1] + 1 - len(numbers),
    }


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
