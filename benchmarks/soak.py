"""A long day in a few minutes: a session under random faults, and windows closed while busy.

    python benchmarks/soak.py semantic.onnx other.onnx objects.onnx

Plays sources that end, break off, give damaged frames and change their size in mid-stream, through
networks that throw, are loaded again and sometimes cannot be, while another one is chosen all the
time, the view changes, it is paused, jumped and recorded. Small networks make more frames; nothing
here is a measure of speed.

It fails, names in its last line what failed, and ends with 1 where
- fewer frames were shown than were asked for, or nothing moved for a minute;
- of the faults that were made, by stage, more than 3 % and 5 were not reported; faults of a source
  that is being left, which is nobody's any more, are counted apart and may be lost;
- a fault was reported twice, one was reported that nobody made, or the session's own counts are not
  what it reported one by one;
- afterwards there are more Python threads than before, or more than a few more threads of the system
  or open files, which libraries keep;
- memory grew by 1 MB or more in 10,000 frames; fewer than 20,000 frames do not tell, for them it is
  none;
- an exception was caught by nobody.
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
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from soak_faults import Faults, FaultySource, faulty_networks

from curbside.hardware import keep_one_heap, read_memory
from curbside.progress import track
from curbside.runtime import FusionConfig, InstanceConfig, Supervision
from curbside.runtime.scene import SceneConfig
from curbside.runtime.session import Session
from curbside.runtime.views import ViewConfig

__all__ = ["main"]

_STUCK_S = 60.0
_VIEWS = (None, "frame", "semantic", "instances", "panoptic", "confidence", "disagreement")
_WARM = 0.2
"""Share of the run after which memory is looked at."""
_LOST_SHARE, _LOST = 0.03, 5
"""Faults that need not be reported: one may be raised just before its source is told to end."""
_MEMORY_FRAMES = 20_000
_KEPT = {"python_threads": 0, "threads": 4, "files": 4}
"""What libraries may keep more than they had after their first use."""


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
        self, session: Session, models: tuple[Path, ...], faults: Faults, folder: Path
    ) -> None:
        self.session, self.models, self.folder = session, models, folder
        self.faults, self.dice = faults, faults.dice
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
        self.faults.leaving = True
        self.session.play(FaultySource(self.faults))

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
    keep_one_heap()  # as `curbside run` and `curbside app` do
    faults = Faults(seed)
    with _unhandled() as unhandled, tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        with faulty_networks(faults):
            _short(models, faults, Path(folder))  # loads the libraries, which keep what they keep
            _windows(models, min(windows, 1))
            before = _held()
            faults.forget()
            start_s = time.monotonic()
            told = _long(models, faults, Path(folder), frames=frames, switches=switches)
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


def _short(models: tuple[Path, ...], faults: Faults, folder: Path) -> None:
    session = Session(threads=2, supervision=_rules())
    person = _Person(session, models, faults, folder)
    for act in ("play", "switch", "record", "view", "snapshot", "rules", "record", "switch"):
        person.do(act)
        time.sleep(0.3)
    session.close()


def _rules() -> Supervision:
    return Supervision(retry_s=0.001, longest_retry_s=0.05, give_up_after=1000)


def _long(
    models: tuple[Path, ...], faults: Faults, folder: Path, *, frames: int, switches: int
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

    def see() -> None:
        faults.see(session.status().faults)

    session = Session(threads=2, on_shown=count, on_change=see, supervision=_rules())
    person = _Person(session, models, faults, folder)
    acts = person.plan(switches)
    every = frames / len(acts)
    for done, act in enumerate(track(acts, total=len(acts), description="soak", unit="acts")):
        person.do(act)
        _wait(session, person, lambda due=every * done: shown["frames"] >= due)
    _wait(session, person, lambda: shown["frames"] >= frames)
    start_s = time.monotonic()
    faults.leaving = True
    session.close()
    see()
    return {
        "frames": shown["frames"],
        "frames_without_a_result": shown["without_result"],
        "acts": dict(person.acts),
        **faults.told(),
        "faults_counted_by_the_session": session.status().fault_counts,
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
    """What memory grows by in 10,000 frames, by least squares over all but the beginning; None where
    there are too few to tell: what is used for the first time takes memory once."""
    if not memory or memory[-1][0] < _MEMORY_FRAMES:
        return None
    late = memory[int(len(memory) * _WARM) :]
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
    while time.monotonic() < end_s and _left_over(before, _held()):
        time.sleep(0.05)


def _left_over(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """What there is more of than before, and than libraries keep."""
    return [name for name, kept in _KEPT.items() if after[name] > before[name] + kept]


def _failures(told: Mapping[str, Any], *, frames: int) -> list[str]:
    """What is not as it must be."""
    failed = []
    if told["frames"] < frames:
        failed.append("frames")
    for stage, made in told["faults_made"].items():
        reported = told["faults_made_that_were_reported"].get(stage, 0)
        if abs(made - reported) > _LOST_SHARE * made + _LOST:
            failed.append(f"faults: {stage}")
    if told["faults_reported_twice"]:
        failed.append("faults reported twice")
    if told["faults_that_nobody_made"]:
        failed.append("faults that nobody made")
    if told["faults_seen"] != told["faults_counted_by_the_session"]:
        failed.append("the session's counts of faults")
    if (told["growth_mb_per_10000_frames"] or 0) >= 1.0:
        failed.append("memory")
    failed += _left_over(told["held_before"], told["held_after"])
    if told["unhandled"]:
        failed.append("unhandled exceptions")
    return failed


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
