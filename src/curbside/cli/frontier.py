"""Draw accuracy against latency for trained networks, and say which are worth their milliseconds."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..evaluation.frontier import Frontier

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside frontier`."""
    tyro.cli(_frontier, args=argv, prog="curbside frontier", description=__doc__)


def _frontier(
    networks: tyro.conf.Positional[tuple[Path, ...]],
    /,
    *,
    data: Path,
    split: Literal["train", "val", "test"] = "val",
    common: bool = False,
    source: str | None = None,
    size_hw: tuple[int, int] | None = None,
    limit: int | None = None,
    runs: int = 50,
    threads: int | None = None,
    space: str | None = None,
    out: Path = Path("frontier"),
    results: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Draw accuracy against latency for trained networks, and say which are worth their milliseconds.

    Args:
        networks: Run folders and model files, all semantic or all finding objects. A run is exported
            to OUT/models in float first, so that what is measured is what ships.
        data: The prepared folder to score on.
        split: Which of its splits.
        common: Score at the finest classes that the label spaces of all networks and of the data have
            in common; without it, different spaces are refused. Objects are always compared so.
        source: A video or a folder of pictures to time on; pictures of the split where not given.
        size_hw: Height and width of the input of exported runs; each run's own where not given.
        limit: Score only so many pictures, spread evenly over the split.
        runs: How often each network is timed, all in turns.
        threads: Threads for each network; all cores where not given.
        space: Label space of a bare images/ + masks/ tree.
        out: Folder of the report, of exported runs and of scores: a network that joins later is
            scored alone, and all are timed again.
        results: Write the table into this Markdown file as well, between <!-- frontier NAME --> and
            <!-- /frontier NAME -->, by the name of OUT.
        as_json: Print JSON instead of the table.
    """
    from ..evaluation.frontier_report import KIND, write_frontier, write_frontier_section
    from ..evaluation.plots import require_matplotlib
    from ..evaluation.section import check_section

    _check(networks, limit=limit, runs=runs, size_hw=size_hw)
    require_matplotlib()
    name = out.absolute().name
    if results is not None:
        check_section(results, KIND, name)
    found = _measured(
        networks,
        data,
        split=split,
        common=common,
        source=source,
        size_hw=size_hw,
        limit=limit,
        runs=runs,
        threads=threads,
        space=space,
        out=out,
    )
    report = write_frontier(found, out)
    if results is not None:
        write_frontier_section(results, name, found)
    if as_json:
        print(json.dumps({**found.to_dict(), "report": str(report)}, indent=2))
    else:
        _show(found)
        print(f"report: {report}")


def _check(
    networks: tuple[Path, ...],
    *,
    limit: int | None,
    runs: int,
    size_hw: tuple[int, int] | None,
) -> None:
    """Refuse what cannot be meant."""
    if not networks:
        raise ConfigError("there is no network", fix="name run folders or model files")
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to score", fix="give 1 or more")
    if runs < 1:
        raise ConfigError(f"--runs {runs} times nothing", fix="give 1 or more")
    if size_hw is not None and not any(path.is_dir() for path in networks):
        raise ConfigError(
            "--size-hw is for run folders; a model file has its size", fix="leave it out"
        )
    if size_hw is not None and min(size_hw) < 1:
        raise ConfigError(f"an input of {size_hw[0]} x {size_hw[1]} is none", fix="give 1 or more")


def _measured(
    networks: tuple[Path, ...],
    data: Path,
    *,
    split: str,
    common: bool,
    source: str | None,
    size_hw: tuple[int, int] | None,
    limit: int | None,
    runs: int,
    threads: int | None,
    space: str | None,
    out: Path,
) -> Frontier:
    """Open everything, then export, score and time."""
    from ..deploy.gate.lineup import time_files
    from ..deploy.gate.turns import timing_frames
    from ..evaluation.frontier import Frontier, MeasuredNetwork
    from ..hardware import core_count, cpu_model, thread_count
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ._frontier import exported, make_task, open_entrants, scored

    threads = thread_count(threads)
    folder = PreparedFolder(data, space=load_space(space) if space else None)
    everything = folder.samples(split)
    entrants = open_entrants(networks, threads=threads)
    objects = entrants[0].manifest.task == "instances"
    if objects and common:
        raise ConfigError(
            "--common says nothing here: objects are always compared at common classes",
            fix="leave it out",
        )
    samples = everything if objects else folder.samples(split, target="semantic")
    task = make_task(entrants, samples, common=common, split=split)
    if limit is not None:
        task = replace(task, samples=tuple(evenly_spaced(task.samples, limit)))
    frames = timing_frames(task.samples, source)
    files = [
        exported(item, out / "models", size_hw, frames[:8], threads=threads) for item in entrants
    ]
    scores = [
        scored(item, path, task.samples, way, out / "scores", threads=threads)
        for item, path, way in zip(entrants, files, task.ways, strict=True)
    ]
    runs = max(runs, len(frames))
    print(f"curbside frontier: timing {len(files)} in turns, {runs} times each", file=sys.stderr)
    timed = time_files(files, frames, threads=threads, runs=runs, at_frame=True)
    return Frontier(
        networks=tuple(
            MeasuredNetwork(
                name=item.name,
                model=item.manifest.model,
                file=str(file.path),
                score=score.value or 0.0,
                interval=score.interval,
                network=file.latency,
                whole=file.whole,
                input_size_hw=file.input_size_hw,
                precision=file.precision,
                device=file.device,
                size_bytes=file.size_bytes,
                parameters=item.parameters,
            )
            for item, file, score in zip(entrants, timed, scores, strict=True)
        ),
        score_name=scores[0].name,
        dataset=data.resolve().name,
        split=split,
        images=min(score.images for score in scores),
        classes=task.classes,
        common=common,
        timed_on=f"{len(frames)} pictures"
        if source is None
        else f"{len(frames)} frames of {source}",
        runs=runs,
        threads=threads,
        hardware=f"{cpu_model()}, {core_count()} cores",
    )


def _show(found: Frontier) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ..evaluation.frontier_report import frontier_table, sentences
    from ._tables import print_table

    console = Console(highlight=False)
    for what, which in found.measured_on().items():
        console.print(f"[dim]{escape(what)}:[/] {escape(which)}")
    print_table(console, frontier_table(found, brief=True))
    for sentence in sentences(found):
        console.print(escape(sentence))
