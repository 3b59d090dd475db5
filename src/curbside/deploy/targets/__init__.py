"""Devices and what their compilers take: one file each, found by listing this folder."""

from __future__ import annotations

from ...discovery import classes_in
from ...errors import ConfigError
from ..target import Target

__all__ = ["target_named", "targets"]


def targets() -> dict[str, type[Target]]:
    """Every target by its name on the command line."""
    assert __package__
    return dict(classes_in(__package__, Target))  # type: ignore[type-abstract]


def target_named(name: str) -> Target:
    """The target of a name.

    Raises:
        ConfigError: There is none.
    """
    known = targets()
    if name not in known:
        raise ConfigError(f"there is no target {name!r}", fix=f"choose one of {', '.join(known)}")
    return known[name]()
