"""A session that does what it is told to and nothing else: for windows alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from curbside.runtime import Frame, Shown
from curbside.runtime.scene import SceneConfig
from curbside.runtime.session import Status
from curbside.runtime.views import ViewConfig

__all__ = ["FakeSession"]


class FakeSession:
    """Remembers calls, and shows the frames and the status that a test gives it."""

    def __init__(self, *, on_shown, on_change) -> None:
        self.on_shown, self.on_change = on_shown, on_change
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.state = Status()
        self.every_frame, self.looping = True, False
        self.latest: Shown[Any] | None = None
        self.view = ViewConfig()
        self.closed = False

    def tell(self, **facts: Any) -> None:
        """Stand differently from now on."""
        self.state = replace(self.state, **facts)
        self.on_change()

    def give(self, picture_bgr: np.ndarray, index: int = 0) -> None:
        """Show a picture."""
        frame = Frame(index, index / 25, picture_bgr)
        self.latest = Shown(
            frame=frame,
            result=None,
            picture_bgr=picture_bgr,
            captured_s=0.0,
            age_ms=40.0,
            stages_ms={},
            predictor=None,
        )
        self.on_shown(self.latest)

    def names(self) -> list[str]:
        """What was called, in order."""
        return [name for name, _ in self.calls]

    def status(self) -> Status:
        return self.state

    def show(self, view: ViewConfig) -> None:
        self.view = view
        self.calls.append(("show", (view,)))

    def use(self, scene: SceneConfig | None, beside: SceneConfig | None = None) -> None:
        self.calls.append(("use", (scene, beside)))
        self.tell(wanted=scene or SceneConfig(), wanted_beside=beside)

    def configure(self, **rules: Any) -> None:
        self.calls.append(("configure", (rules,)))

    def play(self, spec: str) -> None:
        self.calls.append(("play", (spec,)))
        self.tell(state="playing", source=spec)

    def pause(self) -> None:
        self.calls.append(("pause", ()))
        self.tell(state="paused")

    def resume(self) -> None:
        self.calls.append(("resume", ()))
        self.tell(state="playing")

    def step(self) -> None:
        self.calls.append(("step", ()))

    def seek(self, moment_s: float) -> None:
        self.calls.append(("seek", (moment_s,)))
        self.tell(position_s=moment_s)

    def record(self, path: Path) -> None:
        self.calls.append(("record", (path,)))
        self.tell(recording=path)

    def stop_recording(self) -> None:
        self.calls.append(("stop_recording", ()))
        self.tell(recording=None)

    def snapshot(self, path: Path) -> None:
        self.calls.append(("snapshot", (path,)))

    def close(self) -> None:
        self.closed = True
