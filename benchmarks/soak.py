"""A long day in a few minutes: a session under random faults, and windows closed while busy.

    python benchmarks/soak.py semantic.onnx other.onnx objects.onnx

Plays sources that end, break off, give damaged frames and change their size in mid-stream, through
networks that throw, are loaded again and sometimes cannot be, while another one is chosen all the
time, the view changes, it is paused, jumped and recorded. What goes wrong is counted where it is made
to, and compared with what the session reported. At the end threads and open files must be as before,
and memory must not have grown. Small networks make more frames; nothing here is a measure of speed.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from curbside.errors import ModelFileError, SourceError
from curbside.hardware import read_memory
from curbside.progress import track
from curbside.runtime import FusionConfig, InstanceConfig, Supervision
from curbside.runtime.backends import Backend
from curbside.runtime.scene import SceneConfig, shelf
from curbside.runtime.session import Session
from curbside.runtime.sources import Frame, Synthetic, SyntheticFaults
from curbside.runtime.views import ViewConfig

__all__ = ["main"]

_STUCK_S = 60.0
_SIZES_HW = ((120, 208), (144, 256), (180, 320))
_VIEWS = (None, "frame", "semantic", "instances", "panoptic", "confidence", "disagreement")
_WARM = 0.2
"""Share of the run after which memory is looked at."""


@dataclass
class _Chances:
    """What is made to go wrong, and how often it was."""

    dice: random.Random
    made: Counter[str]

    def happens(self, name: str, probability: float) -> bool:
        if self.dice.random() >= probability:
            return False
        self.made[name] += 1
        return True


class _Source(Synthetic):
    """A drawn source that counts its own faults."""

    def __init__(self, chances: _Chances) -> None:
        dice = chances.dice
        super().__init__(
            size_hw=dice.choice(_SIZES_HW),
            fps=1000.0,
            live=dice.random() < 0.5,
            count=dice.randint(50, 1500),
            faults=SyntheticFaults(
                seed=dice.randrange(2**32), broken=0.005, break_off=0.001, resize=0.005
            ),
        )
        self._made = chances.made
        self._told: Callable[[SourceError], None] | None = None

    @property
    def report(self) -> Callable[[SourceError], None] | None:  # type: ignore[override]
        return None if self._told is None else self._counted

    @report.setter
    def report(self, told: Callable[[SourceError], None] | None) -> None:
        self._told = told

    def _counted(self, error: SourceError) -> None:
        self._made["capture"] += 1
        assert self._told is not None
        self._told(error)

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        try:
            yield from super().frames(start_s)
        except SourceError:
            self._made["capture"] += 1
            raise
        self._made["capture"] += self.live  # that a camera ends is a fault


class _Network:
    """A network that throws now and then, once or several times in a row."""

    def __init__(self, inner: Backend, chances: _Chances) -> None:
        self._inner, self._chances = inner, chances
        self._row = 0

    @property
    def manifest(self) -> Any:
        return self._inner.manifest

    @property
    def precision(self) -> str:
        return self._inner.manifest.precision  # not measured: that would open more sessions

    @property
    def device(self) -> str:
        return self._inner.device

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if threading.current_thread().name.startswith("curbside-infer"):  # not while it is loaded
            if self._row == 0 and self._chances.dice.random() < 0.002:
                self._row = self._chances.dice.choice((1, 1, 1, 4, 8))
            if self._row:
                self._row -= 1
                self._chances.made["network"] += 1
                raise RuntimeError("the backend threw")
        return self._inner.run(inputs)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def _faulty_networks(chances: _Chances) -> Iterator[None]:
    """Networks on the shelf throw; opening one fails at times."""
    real = shelf.open_backend

    def open_backend(path: Path, *, threads: int | None = None) -> Any:
        if chances.happens("opening", 0.02):
            raise ModelFileError(f"{path} cannot be opened now", fix="try again")
        return _Network(real(path, threads=threads), chances)

    shelf.open_backend = open_backend
    try:
        yield
    finally:
        shelf.open_backend = real


@contextmanager
def _unhandled() -> Iterator[list[str]]:
    """What nobody caught, in any thread."""
    seen: list[str] = []
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda given: seen.append(
        f"{given.exc_type.__name__}: {given.exc_value}"
    )
    sys.unraisablehook = lambda given: seen.append(f"{given.exc_type.__name__}: {given.exc_value}")
    try:
        yield seen
    finally:
        threading.excepthook, sys.unraisablehook = hooks


def _held() -> dict[str, int]:
    """Threads and open files of this process."""
    gc.collect()
    return {
        "python_threads": len(threading.enumerate()),
        "threads": len(os.listdir("/proc/self/task")),
        "files": len(os.listdir("/proc/self/fd")),
    }


class _Person:
    """Somebody who does everything that a session lets them do."""

    def __init__(
        self, session: Session, models: tuple[Path, ...], chances: _Chances, folder: Path
    ) -> None:
        self.session, self.models, self.folder = session, models, folder
        self.chances, self.dice = chances, chances.dice
        self.acts: Counter[str] = Counter()
        self._recording = False

    def plan(self, switches: int) -> list[str]:
        """What is done, in order."""
        few = max(1, switches // 5)
        acts = ["switch"] * switches
        for act in ("play", "view", "rules", "pause", "jump", "record", "snapshot", "pace"):
            acts += [act] * few
        self.dice.shuffle(acts)
        return ["switch", "play", *acts]

    def do(self, act: str) -> None:
        """One thing."""
        self.acts[act] += 1
        getattr(self, f"_{act}")()

    def _scene(self) -> SceneConfig:
        chosen = self.dice.sample(self.models, self.dice.randint(0, min(2, len(self.models))))
        return SceneConfig(models=tuple(chosen), rates=self._rates())

    def _rates(self) -> Mapping[Any, Any]:
        return {"instances": self.dice.choice((1, 1, 2, 3, "own"))}

    def _switch(self) -> None:
        beside = self._scene() if self.dice.random() < 0.1 else None
        self.session.use(self._scene(), beside)

    def _play(self) -> None:
        self.session.play(_Source(self.chances))

    def _view(self) -> None:
        self.session.show(ViewConfig(view=self.dice.choice(_VIEWS), alpha=self.dice.random()))

    def _rules(self) -> None:
        score = self.dice.uniform(0.1, 0.9)
        self.session.configure(
            instances=InstanceConfig(confidence=score), fusion=FusionConfig(score=score)
        )

    def _pause(self) -> None:
        self.session.pause()
        for _ in range(self.dice.randrange(3)):
            self.session.step()
        self.session.resume()

    def _jump(self) -> None:
        self.session.seek(self.dice.uniform(0, 1.5))
        self.session.resume()

    def _record(self) -> None:
        if self._recording:
            self.session.stop_recording()
        else:
            self.session.record(self.folder / f"out{self.dice.choice(('.mp4', '.avi', '.txt'))}")
        self._recording = not self._recording

    def _snapshot(self) -> None:
        self.session.snapshot(self.folder / self.dice.choice(("a.png", "a.jpg", "a.xyz")))

    def _pace(self) -> None:
        self.session.every_frame = self.dice.random() < 0.7
        self.session.looping = self.dice.random() < 0.5


def main(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    frames: int = 100_000,
    switches: int = 1000,
    windows: int = 20,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """A session under random faults, and windows closed while busy.

    Args:
        models: Model files of any tasks; two of each task give something to switch.
        frames: Frames that are shown in all.
        switches: How often other networks are chosen.
        windows: How many windows are opened and closed while busy; 0 where there is no PySide6.
        seed: Of the faults and of what is done; threads still come in turns that nobody knows.
        as_json: Print JSON instead of a list.
    """
    chances = _Chances(random.Random(seed), Counter())
    with _unhandled() as unhandled, tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        with _faulty_networks(chances):
            _short(models, chances, Path(folder))  # loads the libraries, which keep what they keep
            _windows(models, min(windows, 1))
            before = _held()
            chances.made.clear()
            start_s = time.monotonic()
            told = _long(models, chances, Path(folder), frames=frames, switches=switches)
            told["wall_s"] = round(time.monotonic() - start_s)
        told["windows_closed_while_busy"] = _windows(models, windows)
        _settle(before)
        told["held_before"], told["held_after"] = before, _held()
    told["unhandled"] = unhandled
    failed = _failures(told, frames=frames)
    told["failed"] = failed
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for name, value in told.items():
            print(f"{name.replace('_', ' ')}: {value}")
    return 1 if failed else 0


def _short(models: tuple[Path, ...], chances: _Chances, folder: Path) -> None:
    session = Session(threads=2, supervision=_rules())
    person = _Person(session, models, chances, folder)
    for act in ("play", "switch", "record", "view", "snapshot", "rules", "record", "switch"):
        person.do(act)
        time.sleep(0.3)
    session.close()


def _rules() -> Supervision:
    return Supervision(retry_s=0.001, longest_retry_s=0.05, give_up_after=1000)


def _long(
    models: tuple[Path, ...], chances: _Chances, folder: Path, *, frames: int, switches: int
) -> dict[str, Any]:
    shown = Counter[str]()
    memory: list[tuple[int, float]] = []

    def count(item: Any) -> None:
        shown["frames"] += 1
        shown["without_result"] += item.result is None
        if shown["frames"] % 500 == 0:
            now = read_memory()
            if now is not None:
                memory.append((shown["frames"], now.resident_mb))

    session = Session(threads=2, on_shown=count, supervision=_rules())
    person = _Person(session, models, chances, folder)
    acts = person.plan(switches)
    every = frames / len(acts)
    for done, act in enumerate(track(acts, total=len(acts), description="soak", unit="acts")):
        person.do(act)
        _wait(session, person, lambda due=every * done: shown["frames"] >= due)
    _wait(session, person, lambda: shown["frames"] >= frames)
    start_s = time.monotonic()
    status = session.status()
    session.close()
    return {
        "frames": shown["frames"],
        "frames_without_a_result": shown["without_result"],
        "acts": dict(person.acts),
        "faults_made": dict(chances.made),
        "faults_reported": status.fault_counts,
        "closing_s": round(time.monotonic() - start_s, 2),
        "resident_mb": [round(memory[0][1], 1), round(memory[-1][1], 1)] if memory else None,
        "growth_mb_per_10000_frames": _slope(memory),
    }


def _wait(session: Session, person: _Person, done: Callable[[], bool]) -> None:
    """Wait for frames; where the source has ended for good, play another."""
    moved_s, seen = time.monotonic(), -1
    while not done():
        status = session.status()
        if status.state in ("ended", "failed"):
            person.do("play")
        elif status.state == "paused":
            session.resume()
        if status.frames != seen:
            moved_s, seen = time.monotonic(), status.frames
        if time.monotonic() - moved_s > _STUCK_S:
            faulthandler.dump_traceback()
            raise SystemExit(f"nothing moved for {_STUCK_S:.0f} s: {status}")
        time.sleep(0.002)


def _slope(memory: list[tuple[int, float]]) -> float | None:
    """What memory grows by in 10,000 frames, by least squares over all but the beginning."""
    late = memory[int(len(memory) * _WARM) :]
    if len(late) < 3:
        return None
    counts, sizes = zip(*late, strict=True)
    return round(float(np.polyfit(counts, sizes, 1)[0]) * 10_000, 3)


def _windows(models: tuple[Path, ...], count: int) -> int:
    """Open windows that play, and close each while it is busy."""
    if not count:
        return 0
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from curbside.app.catalogue import ModelEntry, read_manifest
    from curbside.app.start import AppConfig, begin, make_window

    application = QApplication.instance() or QApplication([])
    entries = [ModelEntry(path=path, manifest=read_manifest(path)) for path in models]
    dice = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            config = AppConfig(
                models=models,
                source="synthetic:320x240@200",
                settings=Path(folder) / "settings.ini",
            )
            window = make_window(application, config)
            begin(window, config, entries)
            end_s = time.monotonic() + dice.uniform(0, 1.0) * (number > 0)
            while time.monotonic() < end_s:
                application.processEvents()
            window.close()
            window.deleteLater()
            application.processEvents()
    return count


def _settle(before: Mapping[str, int]) -> None:
    """Give threads that were told to end the time to do so."""
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s and _held()["python_threads"] > before["python_threads"]:
        time.sleep(0.05)


def _failures(told: Mapping[str, Any], *, frames: int) -> list[str]:
    """What is not as it must be."""
    made, reported = told["faults_made"], told["faults_reported"]
    # One that is raised while its source or its network is being left is nobody's any more.
    leaving = told["acts"]["play"] + told["acts"]["switch"]
    failed = []
    if told["frames"] < frames:
        failed.append("frames")
    for stage in ("capture", "network"):
        if (
            not made.get(stage, 0) - leaving
            <= reported.get(stage, 0)
            <= made.get(stage, 0) + leaving
        ):
            failed.append(f"faults of the stage {stage}")
    if (told["growth_mb_per_10000_frames"] or 0) >= 1.0:
        failed.append("memory")
    if told["held_after"]["python_threads"] > told["held_before"]["python_threads"]:
        failed.append("threads")
    if told["unhandled"]:
        failed.append("unhandled exceptions")
    return failed


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
