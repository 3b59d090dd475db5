"""What the window asks of the session: everything a person can do, without a widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from ..errors import CurbsideError
from ..manifest import Answer
from ..results import View
from ..runtime.scene import SceneConfig
from ..runtime.session import Session, Status
from ..runtime.views import ViewConfig
from .catalogue import ModelEntry
from .choice import Choice
from .rules import Rules
from .words import VIEW_WORDS

__all__ = ["Steering"]

_END_S = 0.25
"""So long before its end a file surely has a frame: half the time of one at 2 frames per second."""
_WITHOUT = {
    "semantic": "there is no model that gives classes: add one on the page Models",
    "instances": "there is no model that finds objects: add one on the page Models",
    "depth": "there is no model that gives depth: add one on the page Models",
}


class Steering(QObject):
    """Holds what was chosen, and tells the session of every change.

    Args:
        session: What plays.
        rules: Thresholds and rates to begin with.
        view: What is shown to begin with.
    """

    said = Signal(str)
    """A line for the person."""
    choice_changed = Signal()
    view_changed = Signal()

    def __init__(self, session: Session, *, rules: Rules, view: ViewConfig) -> None:
        super().__init__()
        self.session = session
        self.rules, self.view, self.choice = rules, view, Choice()
        self.entries: tuple[ModelEntry, ...] = ()
        self.record_folder: Path | None = None
        self._spec: str | None = None
        session.show(view)

    # -- sources -------------------------------------------------------------------------------

    def play(self, spec: str) -> None:
        """Play another source."""
        self._spec = spec
        self.session.play(spec)

    def toggle_play(self) -> None:
        """Play or pause; open again what failed."""
        state = self.session.status().state
        if state == "playing":
            self.session.pause()
        elif state in ("paused", "ended"):
            self.session.resume()
        elif self._spec is not None and state != "opening":
            self.session.play(self._spec)
        elif self._spec is None:
            self.said.emit("there is nothing to play yet: open a file or pick a camera")

    def step(self) -> None:
        """Pause, and go one frame on."""
        self.session.step()

    def seek_by(self, seconds: float) -> None:
        """Jump on or back in a file."""
        status = self.session.status()
        if status.seekable:
            self.seek(status.position_s + seconds)

    def seek(self, moment_s: float) -> None:
        """Jump to a moment of a file; to one of its last frames where it would be past the end."""
        status = self.session.status()
        if status.seekable:
            end_s = float("inf") if status.duration_s is None else status.duration_s - _END_S
            self.session.seek(max(0.0, min(moment_s, end_s)))

    def set_every_frame(self, on: bool) -> None:
        """Show every frame of a file, or keep its pace."""
        self.session.every_frame = on
        self.said.emit("every frame of a file is shown" if on else "a file keeps its pace")

    def set_looping(self, on: bool) -> None:
        """Begin a file again at its end, or not."""
        self.session.looping = on
        self.said.emit("a file begins again at its end" if on else "a file plays once")

    # -- networks ------------------------------------------------------------------------------

    def list_entries(self, entries: Sequence[ModelEntry]) -> None:
        """The models that can be chosen."""
        self.entries = tuple(entries)
        self.choice_changed.emit()

    def choose(self, choice: Choice) -> None:
        """Other networks."""
        if choice != self.choice:
            self.choice = choice
            self._use()
            self.choice_changed.emit()

    def toggle_model(self, entry: ModelEntry) -> None:
        """Use a network, or end that."""
        if entry.manifest is None:
            self.said.emit(entry.problem or f"{entry.name} cannot be used")
        else:
            self.choose(self.choice.toggled(entry))

    def toggle_number(self, number: int) -> None:
        """Use the network of a number in the list, from 1 on, or end that."""
        entry = self._numbered(number)
        if entry is not None:
            self.toggle_model(entry)

    def toggle_beside(self, number: int) -> None:
        """Show the network of a number beside, or no longer."""
        entry = self._numbered(number)
        if entry is not None:
            self.set_beside(None if self.choice.beside == entry else entry)

    def set_beside(self, entry: ModelEntry | None) -> None:
        """Show another network beside; None for none."""
        self.choose(self.choice.with_beside(entry))

    def set_task(self, task: Answer, on: bool) -> None:
        """A task on or off, and with it what else its network does."""
        choice = self.choice.with_task(task, on, self.entries)
        if on and task not in choice.on:
            self.said.emit(_WITHOUT[task])
        self.choose(choice)

    def toggle_task(self, task: Answer) -> None:
        """A task on or off, the other way than it is."""
        self.set_task(task, task not in self.choice.on)

    def set_rules(self, rules: Rules) -> None:
        """Other thresholds and rates."""
        self.rules = rules
        self._asked(self.session.configure, **rules.for_scene())

    def follow(self, status: Status) -> None:
        """Show the networks that are used where those asked for could not be loaded."""
        choice = self.choice.following(status.wanted.models, self.entries)
        if status.wanted_beside is None:
            choice = choice.with_beside(None)
        if choice != self.choice:
            self.choice = choice
            self.choice_changed.emit()

    def _use(self) -> None:
        rules: dict[str, Any] = self.rules.for_scene()
        scene = SceneConfig(models=self.choice.models, **rules)
        other = self.choice.models_beside
        beside = None if other is None else SceneConfig(models=other, **rules)
        self._asked(self.session.use, scene, beside)

    def _numbered(self, number: int) -> ModelEntry | None:
        if number <= len(self.entries):
            return self.entries[number - 1]
        self.said.emit(f"there is no model {number} in the list")
        return None

    # -- what is shown -------------------------------------------------------------------------

    def show(self, **settings: Any) -> None:
        """Another view, strength, legend or other hidden classes."""
        view = replace(self.view, **settings)
        if view != self.view:
            self.view = view
            self.session.show(view)
            self.view_changed.emit()

    def show_view(self, view: View | None) -> None:
        """Another view; None for that which tells most."""
        there = self.session.status().views
        if view is not None and view not in there:
            words = VIEW_WORDS[view].lower()
            self.said.emit(f"{words} cannot be shown by the models in use")
            self.view_changed.emit()  # whoever asked goes back to what is shown
        else:
            self.show(view=view)

    def next_view(self, by: int) -> None:
        """The view after this one, or before, of those there are."""
        there = self.session.status().views
        ring: tuple[View | None, ...] = (None, *(v for v in VIEW_WORDS if v in there))
        place = ring.index(self.view.view) if self.view.view in ring else 0
        self.show_view(ring[(place + by) % len(ring)])

    def stronger(self, by: float) -> None:
        """More or less overlay."""
        self.show(alpha=min(1.0, max(0.0, round(self.view.alpha + by, 2))))

    # -- files ---------------------------------------------------------------------------------

    def record(self, folder: Path) -> None:
        """Record into a folder."""
        self._asked(self.session.record, _free(folder, ".mp4"))

    def stop_recording(self) -> None:
        """Finish the recording."""
        self._asked(self.session.stop_recording)

    def snapshot(self, folder: Path) -> None:
        """Write the picture on show into a folder."""
        self._asked(self.session.snapshot, _free(folder, ".png"))

    def _asked(self, act: Any, *arguments: Any, **settings: Any) -> None:
        try:
            act(*arguments, **settings)
        except CurbsideError as error:
            self.said.emit(str(error))


def _free(folder: Path, suffix: str) -> Path:
    """A name of this moment that no file has."""
    stem, number = datetime.now().strftime("curbside-%Y%m%d-%H%M%S"), 1
    path = folder / f"{stem}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
