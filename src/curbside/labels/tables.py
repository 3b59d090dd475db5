"""The label spaces that ship, one CSV file each in `tables/`."""

from __future__ import annotations

import csv
from difflib import get_close_matches
from functools import cache
from importlib import resources

from ..errors import LabelError
from .space import LabelClass, LabelSpace

__all__ = ["load_space", "read_table", "space_names"]

_NOT_SPACES = ("camvid.csv", "cityscapes.csv", "idd.csv", "taxonomy.csv")
"""The labels that datasets annotate with, see `camvid.py`, `cityscapes.py`, `idd.py`, and what
relates the spaces, see `taxonomy.py`."""


def space_names() -> tuple[str, ...]:
    """The names that `load_space` knows."""
    files = resources.files(__package__).joinpath("tables").iterdir()
    return tuple(
        sorted(
            file.name.removesuffix(".csv").replace("_", "-")
            for file in files
            if file.name.endswith(".csv") and file.name not in _NOT_SPACES
        )
    )


@cache
def load_space(name: str) -> LabelSpace:
    """A label space that ships with curbside.

    Args:
        name: One of `space_names()`, such as `idd-level2` or `camvid11`.

    Raises:
        LabelError: There is no such space.
    """
    key = name.lower().replace("_", "-")
    if key not in space_names():
        close = get_close_matches(key, space_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else "see: curbside labels"
        raise LabelError(f"there is no label space {name!r}", fix=hint)
    classes = tuple(
        LabelClass(
            id=int(row["id"]),
            name=row["name"],
            color=(int(row["r"]), int(row["g"]), int(row["b"])),
            has_instances=row["has_instances"] == "1",
        )
        for row in read_table(key.replace("-", "_") + ".csv")
    )
    return LabelSpace(name=key, classes=classes)


def read_table(file_name: str) -> list[dict[str, str]]:
    """The rows of a table in `tables/`."""
    text = resources.files(__package__).joinpath("tables", file_name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
