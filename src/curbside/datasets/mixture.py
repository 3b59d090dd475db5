"""One or several prepared folders, each with its own label space, as samples of one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, LabelError
from ..labels import LabelMap, LabelSpace, load_space, mapping, space_names
from ..prepared import PreparedFolder, Sample

__all__ = ["Mixture", "Part", "open_mixture"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A prepared folder of a mixture."""

    name: str
    """Its folder's name; the whole path where another one is called the same."""
    folder: PreparedFolder
    """The folder."""
    labels: LabelMap | None
    """From its label space to the mixture's; None where they are the same."""

    def samples(self, split: str, targets: Sequence[str] = ("semantic",)) -> list[Sample]:
        """Its samples of a split with one of the targets, in the mixture's label space; maybe none."""
        try:
            every = self.folder.samples(split)
        except DataError:
            return []
        found = [sample for sample in every if not set(targets).isdisjoint(sample.record.targets)]
        return found if self.labels is None else [sample.mapped(self.labels) for sample in found]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Prepared folders brought to one label space."""

    space: LabelSpace
    """The label space of all samples."""
    parts: tuple[Part, ...]
    """The folders."""

    @property
    def unfed(self) -> tuple[str, ...]:
        """Classes that no folder can have a pixel of."""
        if any(part.labels is None for part in self.parts):
            return ()
        unfed = [set(part.labels.unfed) for part in self.parts if part.labels is not None]
        return tuple(name for name in self.space.names if all(name in lacks for lacks in unfed))

    def samples(self, split: str, targets: Sequence[str] = ("semantic",)) -> list[list[Sample]]:
        """The samples of a split with at least one of the targets, folder by folder.

        Raises:
            DataError: No folder has one.
        """
        found = [part.samples(split, targets) for part in self.parts]
        if not any(found):
            self.parts[0].folder.samples(split, target=targets[0])  # says what it has instead
        return found

    def warnings(self, split: str, targets: Sequence[str] = ("semantic",)) -> list[str]:
        """What who trains on a split should know, a line each: folders and classes that bring
        nothing to it."""
        lines = []
        for part in self.parts:
            if not part.samples(split, targets):
                lacks = " or ".join("a mask" if name == "semantic" else name for name in targets)
                lines.append(f"{part.name} has no {split} sample with {lacks}")
            if part.labels is not None and part.labels.lost:
                lost = ", ".join(row.source for row in part.labels.lost)
                lines.append(
                    f"{part.name}: ignored, being no one class of {self.space.name}: {lost}"
                )
        if self.unfed:
            lines.append(
                f"no folder has any pixel of: {', '.join(self.unfed)} (of {self.space.name})"
            )
        return lines

    def describe(self) -> list[dict[str, Any]]:
        """What each folder is and which of its classes are ignored and why, as JSON values."""
        return [
            {
                "root": str(part.folder.root),
                "source": part.folder.info.get("source"),
                "label_space": part.folder.space.name,
                "quarantined": part.folder.quarantined,
                "lost": {} if part.labels is None else _lost(part.labels),
            }
            for part in self.parts
        ]


def open_mixture(roots: Sequence[Path], space: str | None = None) -> Mixture:
    """Open prepared folders and bring them to one label space.

    Args:
        roots: The folders, at least one.
        space: Name of the label space; may be left out where all folders have the same. A bare tree
            of images and masks is taken to be in it already.

    Raises:
        ConfigError: The folders differ and no space is named, or a folder is named twice.
        DataError: A folder is missing or not readable.
        LabelError: The space is unknown or has gaps, or a folder has no class in common with it.
    """
    if len({Path(root).resolve() for root in roots}) < len(roots):
        raise ConfigError(
            f"a folder stands twice in {', '.join(map(str, roots))}",
            fix="name each once; --data.shares draws one more often",
        )
    target = load_space(space) if space else None
    folders = [PreparedFolder(root, space=target) for root in roots]
    if target is None:
        target = folders[0].space
        if any(not _same(folder.space, target) for folder in folders):
            held = ", ".join(f"{folder.root} {folder.space.name}" for folder in folders)
            raise ConfigError(
                f"the folders have different label spaces: {held}",
                fix=f"name the one to train in with --data.space: {', '.join(_trainable())}",
            )
    _ = target.num_classes  # refuses spaces with gaps before anything is written
    names = [folder.root.resolve().name for folder in folders]
    parts = [
        Part(
            name=name if names.count(name) == 1 else str(folder.root),
            folder=folder,
            labels=None if _same(folder.space, target) else mapping(folder.space, target),
        )
        for name, folder in zip(names, folders, strict=True)
    ]
    for part in parts:
        if part.labels is not None and len(part.labels.lost) == len(part.labels.classes):
            raise LabelError(
                f"no class of {part.folder.root} ({part.folder.space.name}) is one of {target.name}",
                fix=f"see why with: curbside labels {part.folder.space.name} {target.name}",
            )
    return Mixture(space=target, parts=tuple(parts))


def _lost(labels: LabelMap) -> dict[str, str]:
    reasons = {}
    for row in labels.lost:
        could_be = f"could be {' or '.join(row.targets)}" if row.targets else ""
        reasons[row.source] = "; ".join(filter(None, (could_be, row.remark)))
    return reasons


def _same(one: LabelSpace, other: LabelSpace) -> bool:
    return one.names == other.names and one.ids == other.ids


def _trainable() -> list[str]:
    return [name for name in space_names() if load_space(name).contiguous]
