"""Which of the listed networks look at the frame: at most one that tells the same, and one beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from ..manifest import Answer
from .catalogue import ModelEntry

__all__ = ["TASKS", "Choice"]

TASKS: tuple[Answer, ...] = get_args(Answer)
"""What a person turns on and off; one network may do two of them."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which networks are in use. A network that is off stays chosen: it comes back when its task does.

    A network of two tasks is chosen for both, and is on for both or for neither.
    """

    chosen: Mapping[Answer, Path] = field(default_factory=dict)
    """By task the network that is used when the task is on."""
    on: frozenset[Answer] = frozenset()
    """Tasks that are on."""
    beside: ModelEntry | None = None
    """The network that takes the place of those of its tasks in a second picture of the frame."""

    def uses(self, entry: ModelEntry) -> bool:
        """Whether the network looks at the frame."""
        return any(task in self.on and self.chosen[task] == entry.path for task in _tasks(entry))

    def with_model(self, entry: ModelEntry) -> Choice:
        """The network in use, in the place of those that do any of its tasks."""
        tasks = _tasks(entry)
        gone = {self.chosen[task] for task in tasks if task in self.chosen}
        kept = {task: path for task, path in self.chosen.items() if path not in gone}
        chosen = kept | dict.fromkeys(tasks, entry.path)
        return replace(self, chosen=chosen, on=self.on.intersection(kept).union(tasks))

    def toggled(self, entry: ModelEntry) -> Choice:
        """The network in use, or, where it was, its tasks off."""
        if self.uses(entry):
            return replace(self, on=self.on - set(_tasks(entry)))
        return self.with_model(entry)

    def with_task(self, task: Answer, on: bool, entries: Sequence[ModelEntry] = ()) -> Choice:
        """A task on or off, and what else its network does; with the first network for it where none was
        chosen, rather with one that puts none of those in use off.

        Args:
            task: The task.
            on: Whether it is to be on; it stays off where there is no network for it.
            entries: The networks that are listed.
        """
        path = self.chosen.get(task)
        if path is not None:
            together = {name for name, other in self.chosen.items() if other == path}
            return replace(self, on=self.on | together if on else self.on - together)
        able = [entry for entry in entries if on and task in _tasks(entry)]
        first = min(able, key=lambda entry: len(self.on.intersection(_tasks(entry))), default=None)
        return self if first is None else self.with_model(first)

    def with_beside(self, entry: ModelEntry | None) -> Choice:
        """Another network beside, or none."""
        return replace(self, beside=entry if entry is None or entry.manifest else self.beside)

    @property
    def models(self) -> tuple[Path, ...]:
        """The networks in use, in the order of the tasks."""
        return tuple(dict.fromkeys(self.chosen[task] for task in TASKS if task in self.on))

    @property
    def models_beside(self) -> tuple[Path, ...] | None:
        """The networks of the second picture: those in use, but the one beside in the place of those that
        do any of its tasks; None where there is none."""
        return None if self.beside is None else self.with_model(self.beside).models

    def following(self, models: Sequence[Path], entries: Sequence[ModelEntry]) -> Choice:
        """The choice that fits the networks that are really in use, where those differ.

        Args:
            models: Files in use.
            entries: The networks that are listed.
        """
        if set(models) == set(self.models):
            return self
        choice = replace(self, on=frozenset())
        for entry in entries:
            if entry.path in set(models):
                choice = choice.with_model(entry)
        return choice


def _tasks(entry: ModelEntry) -> tuple[Answer, ...]:
    return () if entry.manifest is None else entry.manifest.answers
