"""Measure how fast model files run live, beside the bare network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import ConfigError
from ..runtime.benchmark import benchmark
from ._speeds import show_speeds, write_speeds

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside benchmark`."""
    tyro.cli(_benchmark, args=argv, prog="curbside benchmark", description=__doc__)


def _benchmark(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    source: Path,
    instances: Path | None = None,
    depth: Path | None = None,
    frames: int = 200,
    threads: int | None = None,
    live: bool = False,
    rounds: int = 5,
    out: Annotated[str | None, tyro.conf.arg(metavar="{None}|PATH")] = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure how fast model files run live, beside the bare network.

    Every model is run as fast as it goes, and then on the clip at its own rate, as a camera would give
    it: what is shown of it, how old the pictures are.

    Args:
        models: Model files, as made by `curbside export`; they are measured in turns.
        source: A video file or a folder of pictures; it starts again where it is too short.
        instances: The model file of a network that finds objects, to be fused with each of the models.
        depth: The model file of a network that tells how far away things are, to run beside each.
        frames: Frames per model, over all rounds.
        threads: Threads for the networks in all; all cores where not given.
        live: As fast as it goes, arrange the cores as for a camera (one network on all threads), not
            as for a file.
        rounds: Turns that every model has.
        out: A folder for a report with plots: report.html, report.md and report.json.
        as_json: Print JSON instead of tables.
    """
    if out == "":  # which would be the current folder
        raise ConfigError("--out has an empty name", fix="name a folder, or leave --out away")
    report = benchmark(
        models,
        source,
        beside=[path for path in (instances, depth) if path is not None],
        frames=frames,
        threads=threads,
        live=live,
        rounds=rounds,
    )
    page = None if out is None else write_speeds(report, Path(out))
    if as_json:
        print(json.dumps(report.to_dict(), indent=2))
        return
    show_speeds(report)
    if page is not None:
        print(f"report: {page}")
