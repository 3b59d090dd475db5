"""Devices and what their compilers take: one file each, found by listing this folder."""

from __future__ import annotations

from typing import Any

from ...discovery import classes_in
from ...errors import ConfigError
from ..target import Target

__all__ = ["target_kind", "target_named", "targets"]


def targets() -> dict[str, type[Target]]:
    """Every target by its name on the command line."""
    assert __package__
    return dict(classes_in(__package__, Target))  # type: ignore[type-abstract]


def target_kind(name: str) -> type[Target]:
    """The class of a target.

    Raises:
        ConfigError: There is none of that name.
    """
    known = targets()
    if name not in known:
        raise ConfigError(f"there is no target {name!r}", fix=f"choose one of {', '.join(known)}")
    return known[name]


def target_named(name: str, **settings: Any) -> Target:
    """The target of a name, with settings where they are not the usual ones.

    Raises:
        ConfigError: There is none of that name.
    """
    return target_kind(name)(**settings)
