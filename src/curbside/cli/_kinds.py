"""Verbs whose first word chooses one of several classes: `curbside convert SOURCE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

import tyro

__all__ = ["parse_kind"]


def parse_kind(
    kinds: Mapping[str, type], command: Any, argv: list[str], *, prog: str, description: str
) -> Any:
    """The command line as a `command[kind]`, a generic dataclass; options come from the fields.

    Args:
        kinds: The classes by their names on the command line; the first lines of their docstrings
            are their help.
        command: What holds one of them, and the options that all share.
        argv: The arguments.
        prog: How the verb is called.
        description: What it does.
    """
    commands = tuple(
        Annotated[
            command[kind],
            tyro.conf.subcommand(name, description=(kind.__doc__ or "").strip().splitlines()[0]),
        ]
        for name, kind in kinds.items()
    )
    anything: Any = Union[commands]  # noqa: UP007 - the members are found at run time
    return tyro.cli(
        anything,
        args=argv,
        prog=prog,
        description=description,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs),
    )
