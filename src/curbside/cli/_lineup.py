"""Several model files side by side, with a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from ..prepared import Sample

__all__ = ["compare_files"]


def compare_files(
    models: Sequence[Path],
    samples: Sequence[Sample],
    source: str | None,
    *,
    out: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Score and time model files in turns, print the table and write the report.

    Args:
        models: The files; all are held to the first.
        samples: What to score on; nothing is scored where empty.
        source: A clip to measure agreement and speed on; the samples where None.
        out: Folder of the report; beside the first file where None.
        threads: Threads for each network; all cores where None.
        as_json: Print JSON instead of the table.

    Raises:
        CurbsideError: Anything is wrong with them.
    """
    from ..deploy import line_up, write_lineup
    from ..deploy.gate.lineup_tables import lineup_table
    from ..deploy.gate.objects import told_objects
    from ..evaluation import require_same_space
    from ..runtime import load_predictor

    if not samples and source is None:
        raise ConfigError("there is nothing to compare on", fix="give --data or --source")
    masked = [sample for sample in samples if "semantic" in sample.record.targets]
    for path in models:
        if path.is_dir():
            raise ModelFileError(
                f"{path} is a folder, and only files can be timed side by side",
                fix="export the run first: curbside export RUN --out M.onnx",
            )
        with load_predictor(path, threads=threads) as predictor:
            manifest = predictor.manifest
            if masked and "semantic" in manifest.answers:
                require_same_space(manifest.space, samples[0].space)
    labelled: Sequence[Sample] = samples  # each counts for what it has
    if manifest.task == "instances":
        labelled = told_objects(manifest, samples)
    lineup = line_up(models, samples=labelled, pictures=samples, source=source, threads=threads)
    page = write_lineup(lineup, out or models[0].with_name(f"{models[0].name}.compare"))
    if as_json:
        print(json.dumps({**lineup.to_dict(), "report": str(page)}, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape

    from ._tables import print_table

    console = Console(highlight=False)
    console.print(
        f"[dim]timed on:[/] {escape(lineup.hardware)}, {lineup.threads} threads, in turns,"
    )
    console.print(f"[dim]from:[/] {escape(lineup.pictures)}")
    for name, file in zip(lineup.names, lineup.files, strict=True):
        console.print(escape(f"{name} runs in {file.precision}"))
    print_table(console, lineup_table(lineup, brief=True))
    print(f"report: {page}")
