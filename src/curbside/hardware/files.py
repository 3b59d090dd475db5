"""The small files in which Linux tells of the device; what cannot be read is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["children", "number_in", "text_in"]


def text_in(path: Path) -> str | None:
    """The text of a file without the white space and zero bytes around it; None where there is none."""
    try:
        return path.read_text(errors="replace").strip("\0 \t\r\n") or None
    except (OSError, ValueError):
        return None


def number_in(path: Path) -> int | None:
    """The whole number in a file; None where there is none."""
    text = text_in(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def children(folder: Path, pattern: str) -> Iterator[Path]:
    """What matches a pattern in a folder, by number: 2 before 10."""
    try:
        found = list(folder.glob(pattern))
    except OSError:
        found = []
    yield from sorted(found, key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))
    ]
