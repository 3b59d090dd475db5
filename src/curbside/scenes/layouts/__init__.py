"""The raw layouts that scenes can be written in: datasets as they are downloaded.

One file per layout, found by listing this folder. A layout is a function `files(shot)`: the paths of
one street's files and what makes the bytes of each. It may have `CONDITIONS`, where the dataset does
not know all of them, and `lists(shots)`, the files about the whole set, made after the others.

The same street is the same truth in every layout, in that dataset's classes: what `labels.taxonomy`
makes of IDD's. What has no class there is painted as that dataset paints such things.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...errors import ConfigError
from ..config import CONDITIONS
from ..shot import Files, Shot

__all__ = ["Layout", "find_layout", "layout_names"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a dataset is laid out."""

    files: Callable[[Shot], Files]
    """The files of one street."""
    conditions: tuple[str, ...]
    """The conditions that the dataset knows."""
    lists: Callable[[Sequence[Shot]], Mapping[str, bytes]]
    """The files about the whole set."""


def layout_names() -> tuple[str, ...]:
    """The names of the layouts, which are those of their files."""
    return tuple(info.name.replace("_", "-") for info in pkgutil.iter_modules(__path__))


def find_layout(name: str) -> Layout:
    """A layout by its name.

    Raises:
        ConfigError: There is no such layout.
    """
    if name not in layout_names():
        raise ConfigError(
            f"scenes have no layout {name!r}", fix=f"choose one of {', '.join(layout_names())}"
        )
    module: Any = import_module(f"{__name__}.{name.replace('-', '_')}")
    return Layout(
        files=module.files,
        conditions=getattr(module, "CONDITIONS", CONDITIONS),
        lists=getattr(module, "lists", _no_lists),
    )


def _no_lists(shots: Sequence[Shot]) -> Mapping[str, bytes]:
    return {}
