"""Show the label spaces, or what the classes of one are in another and what is lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..errors import LabelError
from ..labels import (
    IGNORE_ID,
    CommonSpace,
    LabelMap,
    LabelSpace,
    common,
    load_space,
    mapping,
    space_names,
)

__all__ = ["main"]

_DATASETS = {
    "acdc": "cityscapes19",
    "bdd": "cityscapes19",
    "bdd100k": "cityscapes19",
    "camvid": "camvid11",
    "cityscapes": "cityscapes19",
    "idd": "idd-level3",
    "idd-lite": "idd-lite7",
    "safetrip": "safetrip24",
    "safetrip-q": "safetrip24",
    "sidewalk": "safetrip24",
}
"""The space that a dataset's published scores are given in, by the dataset's name."""


def main(argv: list[str]) -> None:
    """Entry of `curbside labels`."""
    tyro.cli(_labels, args=argv, prog="curbside labels", description=__doc__)


def _labels(
    space: Annotated[str | None, tyro.conf.Positional] = None,
    other: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show the label spaces, or what the classes of one are in another.

    Args:
        space: The label space to show; without it, all are listed. A name or how it begins, the name
            of a dataset (IDD, Cityscapes, CamVid, ...), or the path of a prepared folder, a run
            folder or a model file (./camvid for a folder that is called as a dataset).
        other: A second one, given in the same way: what the classes of the first are in it, what is
            lost, and the finest classes that the two have in common.
        as_json: Print JSON instead of tables.
    """
    if space is None:
        spaces = [load_space(name) for name in space_names()]
        _print([item.to_dict() for item in spaces]) if as_json else _list(spaces)
    elif other is None:
        found = _find(space)
        _print([found.to_dict()]) if as_json else _show(found)
    else:
        first, second = _find(space), _find(other)
        labels = mapping(first, second)
        try:
            both = common(first, second)
        except LabelError:  # nothing in common: the map says so class by class
            both = None
        if as_json:
            _print({"map": labels.to_dict(), "common": both.to_dict() if both else None})
        else:
            _compare(labels, both)


def _find(text: str) -> LabelSpace:
    """The label space that a name or a path stands for; says which where that is a choice."""
    name = text.lower().replace("_", "-")
    if name in space_names():
        return load_space(name)
    if name in _DATASETS:
        chosen = _DATASETS[name]
    elif text and Path(text).exists():
        return _space_of_path(Path(text))
    else:
        fitting = [known for known in space_names() if known.startswith(name)]
        if len(fitting) > 1:
            raise LabelError(
                f"{text!r} begins the names of several label spaces",
                fix=f"name one of {', '.join(fitting)}",
            )
        chosen = fitting[0] if fitting else text
    found = load_space(chosen)
    print(f"curbside labels: {text} is taken as {found.name}", file=sys.stderr)
    return found


def _space_of_path(path: Path) -> LabelSpace:
    from ..files import read_json
    from ..prepared import PreparedFolder

    if (path / "config.json").is_file():
        from ..errors import ModelFileError

        fix = "name a run folder, a prepared folder or a model file"
        about = read_json(path / "config.json", error=ModelFileError, fix=fix)
        return LabelSpace.from_dict(about.get("label_space", {}) if isinstance(about, dict) else {})
    if path.is_dir():
        return PreparedFolder(path).space
    from ..runtime.backends import open_backend

    backend = open_backend(path, threads=1)
    try:
        return backend.manifest.space
    finally:
        backend.close()


def _print(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _list(spaces: list[LabelSpace]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("space", "classes", "ids")
    for known in spaces:
        ids = f"{known.ids[0]}..{known.ids[-1]}{'' if known.contiguous else ', with gaps'}"
        table.add_row(known.name, str(len(known.classes)), ids)
    Console().print(table)


def _show(space: LabelSpace) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "name", "colour", "", "instances")
    for item in space.classes:
        code = "#" + bytes(item.color).hex()
        table.add_row(
            str(item.id),
            escape(item.name),
            code,
            f"[on {code}]      [/]",
            "yes" if item.has_instances else "",
        )
    table.add_row(str(IGNORE_ID), "ignore", "", "", "")
    Console().print(table)


def _compare(labels: LabelMap, both: CommonSpace | None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()

    def say(text: str) -> None:
        console.print(escape(text), highlight=False)

    if labels.by_name:
        say("A label space is not one that ships: classes are compared by their names alone.")
    table = Table(labels.source.name, labels.target.name, "kind", "remark")
    for row in labels.classes:
        goes = row.target or (f"ignored ({', '.join(row.targets)})" if row.targets else "ignored")
        table.add_row(*map(escape, (row.source, goes, row.kind, row.remark)))
    console.print(table)
    if labels.lost:
        say(f"Lost, ignored in {labels.target.name}: {', '.join(r.source for r in labels.lost)}.")
    if labels.unfed:
        say(
            f"In {labels.target.name}, never made from {labels.source.name}: {', '.join(labels.unfed)}."
        )
    if both is None:
        say("The two have no class in common.")
        return
    console.print()
    ways = (both.first, both.second)
    table = Table(f"common: {len(both.space.classes)} classes", *(way.source.name for way in ways))
    for name in both.space.names:
        held = (", ".join(r.source for r in way.classes if r.target == name) for way in ways)
        table.add_row(*map(escape, (name, *held)))
    console.print(table)
    for way in ways:
        if way.lost:
            say(f"Without partner in {way.source.name}: {', '.join(r.source for r in way.lost)}.")
