"""The root that a dataset is said to have: refused without its layout, with a word about where that is."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from ..errors import DataError

__all__ = ["did_you_mean", "require_folder", "require_root"]

_MAX_LISTED = 1_000
"""Entries of a folder that are looked at for a hint."""
_MAX_CHILDREN = 100
"""Folders of the root whose own folders are."""


def require_root(root: Path, *, layout: str) -> None:
    """Refuse a root that is no folder.

    Args:
        root: Folder of the dataset.
        layout: What to tell a reader who gave another one.

    Raises:
        DataError: It is none.
    """
    if not root.is_dir():
        raise DataError(f"the folder {root} does not exist", fix=layout)


def require_folder(root: Path, inner: str, *, beside: str, layout: str) -> None:
    """Refuse a root without one half of its dataset.

    Args:
        root: Folder of the dataset.
        inner: The folder that must be in it.
        beside: The folder of the other half, which belongs beside that one.
        layout: What to tell a reader who gave another root.

    Raises:
        DataError: It is missing; the message names a folder near the root that has it, or both
            halves where they lie apart, as archives unpacked into folders of their own do.
    """
    require_root(root, layout=layout)
    if _holds(root, inner):
        return
    hint = did_you_mean(root, lambda folder: _holds(folder, inner) and _holds(folder, beside))
    if not hint:
        near = [root, *_near(root), *_folders(root.absolute().parent)]
        halves = [
            next((folder / half for folder in near if _holds(folder, half)), None)
            for half in (inner, beside)
        ]
        if all(halves):
            hint = f": move {halves[0]} and {halves[1]} into one folder"
        else:
            hint = did_you_mean(root, lambda folder: _holds(folder, inner))
    raise DataError(f"{root} has no {inner} folder{hint}", fix=layout)


def did_you_mean(root: Path, has_layout: Callable[[Path], bool]) -> str:
    """What to add to the message that a root lacks its layout; nothing where no folder near has it.

    Args:
        root: The folder that was given.
        has_layout: Whether a folder has the layout.
    """
    meant = next((folder for folder in _near(root) if has_layout(folder)), None)
    return f": did you mean {meant}?" if meant else ""


def _holds(folder: Path, inner: str) -> bool:
    return os.path.isdir(folder / inner)  # False, too, where it may not be looked into


def _near(root: Path) -> list[Path]:
    """The folders in a folder, those in them, and the one above it."""
    children = _folders(root)
    inner = (folder for child in children[:_MAX_CHILDREN] for folder in _folders(child))
    return [*children, *inner, root.absolute().parent]


def _folders(folder: Path) -> list[Path]:
    """The first folders of a folder, hidden ones left out; none where it may not be listed."""
    try:
        with os.scandir(folder) as entries:
            some = [entry for entry in islice(entries, _MAX_LISTED) if entry.is_dir()]
    except OSError:
        return []
    return sorted(folder / entry.name for entry in some if not entry.name.startswith("."))
