"""Make a prepared folder from a dataset as it was downloaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

import tyro

from ..convert import Conversion, Source, convert, sources
from ..labels import load_space, space_names
from ._kinds import parse_kind

__all__ = ["main"]

AnySource = TypeVar("AnySource", bound=Source)


@dataclass(frozen=True, kw_only=True)
class _Run:
    out: Annotated[Path, tyro.conf.arg(metavar="OUT")]
    """Prepared folder to make."""
    workers: int | None = None
    """Processes; as many as there are cores where not given."""
    engine: Literal["processes", "ray"] = "processes"
    """Processes of this machine, or a Ray cluster whose machines see the same folders."""
    address: str | None = None
    """Address of the Ray cluster; one is started on this machine where not given."""
    verify: bool = True
    """Read every picture to its end, so that no damaged one enters."""
    allow_bad: bool = False
    """End with exit code 0 although samples were left out."""
    json: bool = False
    """Print the result as JSON instead of tables."""


@dataclass(frozen=True, kw_only=True)
class _Command(Generic[AnySource]):
    source: AnySource
    """What to convert."""
    run: _Run
    """How to convert it."""


def main(argv: list[str]) -> int:
    """Entry of `curbside convert`: 0, or 2 where samples were left out."""
    command = parse_kind(
        sources(),
        _Command,
        argv,
        prog="curbside convert",
        description=f"{__doc__} Usage: curbside convert SOURCE ROOT OUT [options].",
    )
    run: _Run = command.run
    result = convert(
        command.source,
        run.out,
        workers=run.workers,
        verify=run.verify,
        engine=run.engine,
        address=run.address,
    )
    for problem in result.problems:
        print(f"curbside convert: {problem.message}", file=sys.stderr)
    if run.json:
        import json

        print(json.dumps(result.to_dict(), indent=2))
    else:
        _show(result)
    return 2 if result.problems and not run.allow_bad else 0


def _doubts(result: Conversion) -> Iterator[str]:
    """What makes it look as if the data were another dataset's."""
    samples = sum(counts["samples"] for counts in result.counts.values())
    if 2 * result.mostly_unknown > samples:
        yield (
            f"on {result.mostly_unknown:,} of {samples:,} samples most objects have unknown labels: "
            "is it the right source?"
        )
    unknown = sum(result.unknown_labels.values())
    for name in space_names():
        names = load_space(name).names
        found = sum(
            count
            for label, count in result.unknown_labels.items()
            if label in names or label.removesuffix("group") in names
        )
        if 2 * found > unknown:
            yield f"{found:,} of {unknown:,} objects skipped have labels of {name}: is it that dataset?"
            return


def _show(result: Conversion) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    targets = sorted({name for counts in result.counts.values() for name in counts} - {"samples"})
    table = Table("split", "samples", *targets)
    for split, counts in result.counts.items():
        table.add_row(split, *(f"{counts.get(name, 0):,}" for name in ("samples", *targets)))
    console.print(table)
    for labels, heads in (
        (result.unknown_labels, ("unknown label", "objects skipped")),
        (result.dropped_labels, ("label left out on purpose", "objects")),
    ):
        if labels:
            table = Table(*heads)
            for label, count in labels.items():
                table.add_row(escape(repr(label)), f"{count:,}")
            console.print(table)
    for doubt in _doubts(result):
        print(doubt)
    if result.converted:
        rate = f"in {result.seconds:.1f} s, {result.converted / result.seconds:.1f} per second"
        print(f"{result.converted:,} samples converted {rate}: {result.out}")
    elif not result.completed:
        print(f"nothing new to convert: {result.out} was already made")
    if result.completed:
        print(
            f"{result.completed:,} samples that were already there got the files that were missing"
        )
    if result.problems:
        fix = "repair what is named above, then run the same command again"
        print(f"{len(result.problems):,} samples left out; {fix}")
