"""What a source of annotated data is: a folder, its options, and the samples found in it."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from ..labels import LabelSpace
from ..prepared import SampleData

__all__ = ["Item", "Source", "files_by_stem", "held_out", "subfolders", "unique"]

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Item(ABC):
    """One sample of a source, not yet read: paths and words, since it travels between processes."""

    id: str
    """Unique within its split."""
    split: str
    """`train`, `val` or `test`."""

    @property
    def group(self) -> str:
        """What it was filmed with, such as a drive: groups are never divided between splits."""
        return self.id

    @abstractmethod
    def load(self) -> SampleData:
        """Read and rasterise the sample.

        Raises:
            DataError: A file of it is missing, damaged or says something impossible.
            LabelError: It holds an id outside the label space.
        """

    def complete(self) -> bool:
        """Whether all is there that `load` makes beside the prepared folder, if it makes anything."""
        return True


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A dataset as it is downloaded. One file of `inward/` per source, which gives its name."""

    root: Path
    """Folder of the dataset, as downloaded."""
    hold_out: float = 0.0
    """About this share of the train samples becomes the val split, by whole drives or sequences, for
    datasets that come without one."""

    @property
    def name(self) -> str:
        """The source in a word, as the command line spells it."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    @abstractmethod
    def space(self) -> LabelSpace:
        """What the ids of its masks will mean."""

    def options(self) -> dict[str, Any]:
        """What shapes the result, as JSON values; recorded in `dataset.json`."""
        return {}

    @abstractmethod
    def plan(self) -> list[Item]:
        """Every sample, found by listing folders alone, in an order that is always the same.

        Raises:
            DataError: The root does not have the layout of this source.
        """

    def finish(self, items: Sequence[Item]) -> None:  # noqa: B027 - most sources have nothing to add
        """Called once with the items of `plan`, when all have been converted."""


def held_out(
    items: Sequence[Item], share: float, *, done: Callable[[str, str], bool] = lambda *_: False
) -> list[Item]:
    """The items with about a share of the train samples moved to val, whole groups at a time.

    Which groups go depends on their names and sizes alone, so that it is the same on every machine;
    but a group that has samples in the folder already stays in their split, whatever was added or
    repaired since. At least one goes and one stays.

    Args:
        items: The samples of a source.
        share: 0..1, exclusive of 1; 0 changes nothing.
        done: Whether a sample, by split and id, is in the folder already.

    Raises:
        ConfigError: The share is impossible, the source has a val split of its own, or its train
            samples are all one group.
    """
    if share == 0:
        return list(items)
    fix = "give 0 <= hold-out < 1, and only to a dataset without a val split"
    if not 0 < share < 1:
        raise ConfigError(f"hold-out is {share}, which is no share", fix=fix)
    if any(item.split == "val" for item in items):
        raise ConfigError("hold-out was asked, but the dataset has its own val split", fix=fix)
    sizes = Counter(item.group for item in items if item.split == "train")
    if len(sizes) < 2:
        raise ConfigError("hold-out needs two or more drives or sequences in train", fix=fix)
    order = sorted(sizes, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    train = {item.group for item in items if item.split == "train" and done("train", item.id)}
    val = {item.group for item in items if item.split == "train" and done("val", item.id)}
    chosen: set[str] = set()
    missing = share * sizes.total()
    for name in order:
        # One that would miss the share by more than it mends stays in train.
        mends = len(chosen) < len(sizes) - 1 and abs(missing - sizes[name]) < missing
        if name in val or (mends and name not in train):
            chosen.add(name)
            missing -= sizes[name]
    chosen = chosen or {min(set(sizes) - train or sizes, key=lambda name: (sizes[name], name))}
    return [
        replace(item, split="val") if item.split == "train" and item.group in chosen else item
        for item in items
    ]


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, hidden ones left out; none where it does not exist.

    Raises:
        DataError: It may not be listed.
    """
    return [path for path in _listed(folder) if path.is_dir() and not path.name.startswith(".")]


def files_by_stem(
    folder: Path, *, ending: str = "", suffixes: Iterable[str] = PICTURES
) -> dict[str, list[Path]]:
    """The files of a folder whose names are `<stem><ending><suffix>`, by stem, sorted.

    Args:
        folder: May be missing; then nothing is found.
        ending: What stands between the stem and the suffix, such as `_leftImg8bit`.
        suffixes: With their dot; case does not matter.

    Raises:
        DataError: The folder may not be listed.
    """
    wanted = tuple(suffixes)
    found: dict[str, list[Path]] = {}
    for path in _listed(folder):
        if (
            path.suffix.lower() in wanted
            and path.stem.endswith(ending)
            and not path.name.startswith(".")
        ):
            found.setdefault(path.stem.removesuffix(ending), []).append(path)
    return found


def unique(name: str, taken: set[str]) -> str:
    """`name`, or `name-2`, `name-3`, ... where it is taken; the result is added to `taken`."""
    used, free = 0, 1  # numbers; found by halving, as a file may name one picture 100,000 times
    while _numbered(name, free) in taken:
        used, free = free, 2 * free
    while free - used > 1:
        middle = (used + free) // 2
        used, free = (middle, free) if _numbered(name, middle) in taken else (used, middle)
    taken.add(_numbered(name, free))
    return _numbered(name, free)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed ({error.strerror})",
            fix="give yourself the right to read it",
        ) from error
