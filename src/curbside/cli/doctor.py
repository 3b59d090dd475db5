"""Say what is wrong with a prepared folder and what is in it, with a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from ..evaluation.tables import Table
    from ..prepared import Diagnosis

__all__ = ["main"]

_EXAMPLES = 12


def main(argv: list[str]) -> int:
    """Entry of `curbside doctor`: 0, or 2 where samples in use have errors."""
    return tyro.cli(_doctor, args=argv, prog="curbside doctor", description=__doc__)


def _doctor(
    data: tyro.conf.Positional[Path],
    /,
    *,
    out: Path | None = None,
    quarantine: bool = False,
    quarantine_leaks: bool = False,
    release: bool = False,
    space: str | None = None,
    workers: int | None = None,
    allow_bad: bool = False,
    report: bool = True,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Examine a prepared folder.

    Args:
        data: A prepared folder.
        out: Folder of the report; DATA.doctor beside the data where not given.
        quarantine: Set samples with errors aside: a line each in DATA/quarantine.jsonl, which
            training, evaluation and calibration leave out. Files stay where they are.
        quarantine_leaks: Set samples of val and test aside whose picture an earlier split holds, too.
        release: First put back all that was set aside before.
        space: Label space of a bare images/ + masks/ tree.
        workers: Processes; as many as there are cores where not given.
        allow_bad: End with exit code 0 although samples have errors.
        report: Write the report: report.html, report.json and class_weights.json.
        as_json: Print JSON instead of tables.
    """
    from ..labels import load_space
    from ..prepared import examine, read_quarantine, write_quarantine

    if report:
        from ..evaluation.plots import require_matplotlib

        require_matplotlib()
    diagnosis = examine(
        data,
        space=load_space(space) if space else None,
        workers=workers,
        quarantine=quarantine,
        quarantine_leaks=quarantine_leaks,
        release=release,
    )
    if not as_json:
        _show(diagnosis)
    written = None
    if report:
        from ..evaluation.health import write_health_report

        beside = data.resolve()
        written = write_health_report(
            diagnosis, data, out or beside.with_name(f"{beside.name}.doctor")
        )
    # Last, so that a run that was killed before finds the folder as it was.
    if diagnosis.quarantine != read_quarantine(data):
        write_quarantine(data, diagnosis.quarantine)
    if as_json:
        print(json.dumps({**diagnosis.to_dict(), "report": written and str(written)}, indent=2))
    else:
        _conclude(diagnosis, written)
    return 2 if diagnosis.open_errors and not allow_bad else 0


def _show(diagnosis: Diagnosis) -> None:
    from rich.console import Console

    from ..evaluation.health import (
        class_share_table,
        depth_table,
        finding_table,
        printable,
        split_table,
        tag_tables,
        weight_table,
    )
    from ._tables import print_table

    console = Console(highlight=False)
    tables = [split_table(diagnosis), depth_table(diagnosis), class_share_table(diagnosis)]
    tables += [weight_table(diagnosis), *tag_tables(diagnosis), _brief(finding_table(diagnosis))]
    for table in tables:
        if table.rows:
            print_table(console, table)
    for tag, count in diagnosis.many_valued.items():
        print(printable(f"{tag}: {count:,} values, too many to list"))
    for code in dict.fromkeys(found.code for found in diagnosis.findings):
        found = [str(item) for item in diagnosis.findings if item.code == code]
        for text in found[:_EXAMPLES]:
            print(printable(f"{code.replace('_', ' ')}: {text}"))
        if len(found) > _EXAMPLES:
            print(f"{code.replace('_', ' ')}: and {len(found) - _EXAMPLES:,} more")


def _brief(table: Table) -> Table:
    """Without what each finding means: the terminal is narrow, and the report says it."""
    rows = tuple((*row[:4], row[5]) for row in table.rows)
    return replace(table, headers=(*table.headers[:4], table.headers[5]), rows=rows)


def _conclude(diagnosis: Diagnosis, written: Path | None) -> None:
    samples = sum(diagnosis.samples.values())
    errors = len({found.key for found in diagnosis.open_errors})
    rate = f"in {diagnosis.seconds:.1f} s, {samples / diagnosis.seconds:,.0f} per second"
    said = f"{errors:,} have errors: repair them, or set them aside with --quarantine"
    print(f"{samples:,} samples examined {rate}: {said if errors else 'none in use has an error'}")
    if diagnosis.quarantine or diagnosis.released:
        before = len(diagnosis.quarantine) - diagnosis.added
        back = f", {diagnosis.released:,} put back" if diagnosis.released else ""
        print(f"in quarantine: {before:,} from before, {diagnosis.added:,} added now{back}")
    if diagnosis.recovered:
        count = len(diagnosis.recovered)
        print(
            f"{count:,} samples in quarantine have nothing wrong any more: --release puts back all"
        )
    if written is not None:
        print(f"report: {written}")
