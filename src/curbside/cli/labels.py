"""Show the label spaces: names, ids and colours."""

from __future__ import annotations

import json
from typing import Annotated

import tyro

from ..labels import IGNORE_ID, load_space, space_names

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside labels`."""
    tyro.cli(_labels, args=argv, prog="curbside labels", description=__doc__)


def _labels(
    space: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show the label spaces.

    Args:
        space: The label space to show; without it, all are listed.
        as_json: Print JSON instead of a table.
    """
    from rich.console import Console
    from rich.table import Table

    if as_json:
        names = space_names() if space is None else (space,)
        print(json.dumps([load_space(name).to_dict() for name in names], indent=2))
        return
    if space is None:
        table = Table("space", "classes", "ids")
        for known in map(load_space, space_names()):
            ids = f"{known.ids[0]}..{known.ids[-1]}{'' if known.contiguous else ', with gaps'}"
            table.add_row(known.name, str(len(known.classes)), ids)
        Console().print(table)
        return
    table = Table("id", "name", "colour", "", "instances")
    for item in load_space(space).classes:
        code = "#" + bytes(item.color).hex()
        table.add_row(
            str(item.id),
            item.name,
            code,
            f"[on {code}]      [/]",
            "yes" if item.has_instances else "",
        )
    table.add_row(str(IGNORE_ID), "ignore", "", "", "")
    Console().print(table)
