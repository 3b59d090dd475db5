"""What a source of annotated data is: a folder, its options, and the samples found in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..labels import LabelSpace
from ..prepared import SampleData

__all__ = ["Item", "Source", "files_by_stem", "subfolders", "unique"]

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Item(ABC):
    """One sample of a source, not yet read: paths and words, since it travels between processes."""

    id: str
    """Unique within its split."""
    split: str
    """`train`, `val` or `test`."""

    @abstractmethod
    def load(self) -> SampleData:
        """Read and rasterise the sample.

        Raises:
            DataError: A file of it is missing, damaged or says something impossible.
            LabelError: It holds an id outside the label space.
        """


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A dataset as it is downloaded. One file of this folder per source, which gives its name."""

    root: Path
    """Folder of the dataset, as downloaded."""

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


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none where it does not exist.

    Raises:
        DataError: It may not be listed.
    """
    return [path for path in _listed(folder) if path.is_dir()]


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
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate)
    return candidate


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
