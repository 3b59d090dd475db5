"""Which of the listed networks look at the frame: at most one of each task, and one beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from ..manifest import Task
from .catalogue import ModelEntry

__all__ = ["TASKS", "Choice"]

TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which networks are in use. A network that is off stays chosen: it comes back when its task does."""

    chosen: Mapping[Task, Path] = field(default_factory=dict)
    """By task the network that is used when the task is on."""
    on: frozenset[Task] = frozenset()
    """Tasks that are on."""
    beside: ModelEntry | None = None
    """The network that takes the place of the one of its task in a second picture of the frame."""

    def uses(self, entry: ModelEntry) -> bool:
        """Whether the network looks at the frame."""
        task = _task(entry)
        return task in self.on and self.chosen.get(task) == entry.path

    def with_model(self, entry: ModelEntry) -> Choice:
        """The network in use, in the place of the one of its task."""
        task = _task(entry)
        if task is None:
            return self
        return replace(self, chosen={**self.chosen, task: entry.path}, on=self.on | {task})

    def toggled(self, entry: ModelEntry) -> Choice:
        """The network in use, or, where it was, its task off."""
        task = _task(entry)
        if task is not None and self.uses(entry):
            return replace(self, on=self.on - {task})
        return self.with_model(entry)

    def with_task(self, task: Task, on: bool, entries: Sequence[ModelEntry] = ()) -> Choice:
        """A task on or off; with the first network for it where none was chosen.

        Args:
            task: The task.
            on: Whether it is to be on; it stays off where there is no network for it.
            entries: The networks that are listed.
        """
        if not on:
            return replace(self, on=self.on - {task})
        if task in self.chosen:
            return replace(self, on=self.on | {task})
        first = next((entry for entry in entries if _task(entry) == task), None)
        return self if first is None else self.with_model(first)

    def with_beside(self, entry: ModelEntry | None) -> Choice:
        """Another network beside, or none."""
        return replace(self, beside=entry if entry is None or entry.manifest else self.beside)

    @property
    def models(self) -> tuple[Path, ...]:
        """The networks in use, in the order of the tasks."""
        return tuple(self.chosen[task] for task in TASKS if task in self.on)

    @property
    def models_beside(self) -> tuple[Path, ...] | None:
        """The networks of the second picture: those in use, but one exchanged; None where there is none."""
        if self.beside is None:
            return None
        task = _task(self.beside)
        other = {name: self.chosen[name] for name in TASKS if name in self.on and name != task}
        other[task] = self.beside.path  # type: ignore[index]
        return tuple(other[name] for name in TASKS if name in other)

    def following(self, models: Sequence[Path], entries: Sequence[ModelEntry]) -> Choice:
        """The choice that fits the networks that are really in use, where those differ.

        Args:
            models: Files in use.
            entries: The networks that are listed.
        """
        if set(models) == set(self.models):
            return self
        used = {_task(entry): entry.path for entry in entries if entry.path in set(models)}
        there = {task: path for task, path in used.items() if task is not None}
        return replace(self, chosen={**self.chosen, **there}, on=frozenset(there))


def _task(entry: ModelEntry) -> Task | None:
    return None if entry.manifest is None else entry.manifest.task
