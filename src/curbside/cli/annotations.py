"""Write a prepared folder's annotations for other tools: YOLO, COCO, CVAT."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

import tyro

from ..convert.outward import Annotations, Format, formats, write_annotations
from ..labels import load_space
from ..prepared import PreparedFolder
from ._kinds import parse_kind

__all__ = ["main"]

AnyFormat = TypeVar("AnyFormat", bound=Format)


@dataclass(frozen=True, kw_only=True)
class _Run:
    data: Annotated[Path, tyro.conf.arg(metavar="DATA")]
    """A prepared folder."""
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")]
    """Folder to make."""
    split: tuple[Literal["train", "val", "test"], ...] = ()
    """Which of its splits; all that have samples where not given."""
    space: str | None = None
    """Label space of a bare images/ + masks/ tree."""
    workers: int | None = None
    """Processes; as many as there are cores where not given."""
    allow_bad: bool = False
    """End with exit code 0 although samples were left out."""
    json: bool = False
    """Print the result as JSON instead of tables."""


@dataclass(frozen=True, kw_only=True)
class _Command(Generic[AnyFormat]):
    run: _Run
    """What to write, and where."""
    form: AnyFormat
    """How to write it."""


def main(argv: list[str]) -> int:
    """Entry of `curbside annotations`: 0, or 2 where samples were left out."""
    command = parse_kind(
        formats(),
        _Command,
        argv,
        prog="curbside annotations",
        description=f"{__doc__} Usage: curbside annotations FORMAT DATA OUT [options].",
    )
    run: _Run = command.run
    data = PreparedFolder(run.data, space=load_space(run.space) if run.space else None)
    result = write_annotations(
        command.form, data, run.out, splits=run.split or None, workers=run.workers
    )
    for problem in result.problems:
        print(f"curbside annotations: {problem.message}", file=sys.stderr)
    if run.json:
        import json

        print(json.dumps(result.to_dict(), indent=2))
    else:
        _show(result)
    return 2 if result.problems and not run.allow_bad else 0


def _show(result: Annotations) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    columns = ("images", "without objects", "objects")
    table = Table("split", *columns)
    for split, counts in result.counts.items():
        table.add_row(split, *(f"{counts[name]:,}" for name in columns))
    console.print(table)
    table = Table("class", "objects")
    for name, count in result.objects.items():
        table.add_row(escape(name), f"{count:,}")
    console.print(table)
    for what, counts in (("samples skipped", result.skipped), ("left out", result.left_out)):
        for reason, count in counts.items():
            print(f"{what}: {count:,} {reason}")
    images = sum(counts["images"] for counts in result.counts.values())
    print(f"{images:,} images written in {result.seconds:.1f} s: {result.out}")
    if result.problems:
        fix = "repair what is named above, then run the same command again"
        print(f"{len(result.problems):,} samples left out; {fix}")
