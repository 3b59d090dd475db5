"""Measure how fast model files run live, beside the bare network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from ..runtime.benchmark import BenchmarkReport, ModelSpeed, benchmark

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside benchmark`."""
    tyro.cli(_benchmark, args=argv, prog="curbside benchmark", description=__doc__)


def _benchmark(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    source: Path,
    frames: int = 200,
    threads: int | None = None,
    live: bool = False,
    rounds: int = 5,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure how fast model files run live, beside the bare network.

    Args:
        models: Model files, as made by `curbside export`; they are measured in turns.
        source: A video file or a folder of pictures; it starts again where it is too short.
        frames: Frames per model, over all rounds.
        threads: Threads for the networks in all; all cores where not given.
        live: Arrange the cores as for a camera (one network on all threads), not as for a file.
        rounds: Turns that every model has.
        as_json: Print JSON instead of tables.
    """
    report = benchmark(models, source, frames=frames, threads=threads, live=live, rounds=rounds)
    if as_json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)


def _show(report: BenchmarkReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    height, width = report.frame_size_hw
    before, after = report.load
    plan = report.plan
    console.print(
        f"{report.source} ({width} x {height}), {report.frames} frames per model,"
        f" {report.rounds} rounds\n"
        f"{report.cpu}, {report.cores} cores, load {before:.1f} before and {after:.1f} after\n"
        f"pipeline: networks at once {plan.workers}, threads each {plan.threads};"
        f" bare network: one, threads {report.bare_threads}",
        highlight=False,
    )
    rows: dict[str, Callable[[ModelSpeed], str]] = {
        "input": lambda speed: f"{speed.input_size_hw[1]} x {speed.input_size_hw[0]}",
        "runs in": lambda speed: speed.precision,
        "frames/s": lambda speed: f"{speed.fps:.1f}",
        "ms/frame": lambda speed: f"{speed.frame_ms:.2f}",
        "bare network, ms": lambda speed: f"{speed.bare.p50_ms:.2f} / {speed.bare.p95_ms:.2f}",
        "pipeline to bare": lambda speed: f"{speed.ratio:.2f}",
        "share of the CPU": lambda speed: f"{speed.cpu_share:.0%}",
    }
    table = Table("p50 / p95", *(speed.model for speed in report.models))
    for name, cell in rows.items():
        table.add_row(name, *(cell(speed) for speed in report.models))
    table.add_section()
    for stage in report.models[0].stages:
        found = (speed.stages[stage] for speed in report.models)
        table.add_row(f"{stage}, ms", *(f"{item.p50_ms:.2f} / {item.p95_ms:.2f}" for item in found))
    console.print(table)
