"""The speeds of model files as tables: for the terminal, and as a page with plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..metrics.timing import LatencySummary
from ..runtime.benchmark import BenchmarkReport, ModelSpeed

if TYPE_CHECKING:
    from ..evaluation.tables import Table

__all__ = ["STAGES", "ms", "show_speeds", "speed_tables", "told", "write_speeds"]

STAGES = {
    "capture": "capture",
    "prepare": "prepare",
    "network": "network",
    "decode": "decode",
    "draw": "draw",
    "write": "write",
    "latency": "captured to drawn",
}
"""What the stages are called for people; others keep their names."""

_Row = tuple[str, ...]
_NONE = "–"
_LEAST_MS = 0.005


def show_speeds(report: BenchmarkReport) -> None:
    """Print a report: what was measured on, and the speeds in one table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    for line in told(report):
        console.print(escape(line))
    table = RichTable("p50 / p95 / p99", *(escape(speed.model) for speed in report.models))
    for title, part in speed_tables(report).items():
        table.add_section()
        table.add_row(f"[bold]{escape(title)}[/]")
        for row in part.rows:
            table.add_row(*map(escape, row))
    console.print(table)


def write_speeds(report: BenchmarkReport, folder: Path) -> Path:
    """Write `report.json`, `report.md` and `report.html` into a folder, which is made if missing.

    Returns:
        The path of `report.html`.

    Raises:
        StorageError: The place cannot be written.
    """
    from ..evaluation.page import Page, write_files
    from ..evaluation.tables import markdown
    from ._speed_plots import latencies_plot, stages_plot

    title = f"Speed of {', '.join(speed.model for speed in report.models)}"
    page = Page(title)
    parts: list[str | Table] = [f"# {title}"]
    for line in told(report):
        page.text(line)
        parts.append(line)
    page.text("Percentiles are written p50 / p95 / p99; ranges are those of the rounds.")
    page.heading("Where a frame's time goes")
    page.figure(
        stages_plot(report),
        "Mean of every stage while the pipeline runs as fast as it goes; below it the bare networks, each"
        " on all threads. Stages work side by side, on different frames: the time per frame is less than"
        " their sum. Networks that run at once, on fewer threads each, take longer than the bare ones.",
    )
    for name, table in speed_tables(report).items():
        page.heading(name)
        page.put(table)
        parts += [f"## {name}", table]
    page.heading("Round by round")
    page.figure(
        latencies_plot(report, "age"),
        "Age of the pictures at the clip's own rate, one line per round: median (dot), 95th (bar) and"
        " 99th percentile (end of the line).",
    )
    page.figure(
        latencies_plot(report, "latency"),
        "From captured to drawn as fast as it goes, likewise; frames of a file wait for each other.",
    )
    return write_files(folder, data=report.to_dict(), text=markdown(parts), page=page)


def told(report: BenchmarkReport) -> tuple[str, ...]:
    """What was measured on what, line by line."""
    height, width = report.frame_size_hw
    board = "" if report.board is None else f"{report.board}, "
    plan = report.plan
    return (
        f"{report.source} ({width} x {height}, {report.source_fps:g} frames/s),"
        f" {report.frames} frames per model, {report.rounds} rounds",
        f"{board}{report.cpu}, {report.cores} cores{_load(report)}",
        f"temperature: {_heat(report)}; throttling: {_throttling(report)}",
        f"as fast as it goes: networks at once {plan.workers}, threads each {plan.threads};"
        f" at the clip's own rate and bare: one, threads {report.bare_threads}",
    )


def speed_tables(report: BenchmarkReport) -> dict[str, Table]:
    """The speeds by what they are about; a column per model, rows that nobody can fill left out."""
    from ..evaluation.tables import Table

    bare = "Bare network" if len(report.models[0].networks) == 1 else "Bare networks"
    tables = {
        "As fast as it goes": _fast(report),
        bare: _bare(report),
        "Stages, as fast as it goes": _stages(report),
        "At the clip's own rate": _at_rate(report),
        "Memory": _memory(report),
    }
    headers = ("", *(speed.model for speed in report.models))
    filled = {
        title: tuple(row for row in rows if set(row[1:]) != {_NONE})
        for title, rows in tables.items()
    }
    return {title: Table(headers=headers, rows=rows) for title, rows in filled.items() if rows}


def ms(value_ms: float) -> str:
    """Milliseconds with three digits."""
    return f"{value_ms:.{2 if value_ms < 10 else 1 if value_ms < 100 else 0}f}"


def _fast(report: BenchmarkReport) -> Iterable[_Row]:
    yield _row(report, "input", _inputs)
    yield _row(report, "runs in", lambda speed: speed.precision)
    yield _row(report, "frames/s", lambda speed: _ranged(speed.fps, speed.fps_range, ".1f"))
    yield _row(report, "ms/frame", lambda speed: ms(speed.frame_ms))
    yield _row(
        report, "pipeline to bare", lambda speed: _ranged(speed.ratio, speed.ratio_range, ".2f")
    )
    yield _row(report, "share of the CPU", lambda speed: f"{speed.cpu_share:.0%}")
    yield _row(report, "device busy", lambda speed: _or_none(speed.busy_share, ".0%"))


def _bare(report: BenchmarkReport) -> Iterable[_Row]:
    networks = [speed.networks for speed in report.models]
    if len(networks[0]) == 1:
        yield _row(report, "bare network, ms", lambda speed: _percentiles(speed.bare))
        return
    for at_place in zip(*networks, strict=True):
        tasks = " or ".join(dict.fromkeys(network.task for network in at_place))
        yield (f"{tasks}, ms", *(_percentiles(network.time) for network in at_place))
    yield _row(report, "one after the other, ms", lambda speed: _percentiles(speed.bare))


def _stages(report: BenchmarkReport) -> Iterable[_Row]:
    for stage in report.models[0].stages:
        found = [speed.stages[stage] for speed in report.models]
        if any(summary.p50_ms >= _LEAST_MS for summary in found):  # nothing is written anywhere
            yield (f"{STAGES.get(stage, stage)}, ms", *map(_percentiles, found))


def _at_rate(report: BenchmarkReport) -> Iterable[_Row]:
    rates = [speed.at_rate for speed in report.models]
    yield ("frames/s that came", *(f"{rate.clip_fps:.1f}" for rate in rates))
    shown = (_ranged(rate.shown_fps, rate.shown_fps_range, ".1f") for rate in rates)
    yield ("frames/s shown", *shown)
    yield ("dropped", *(f"{rate.dropped_share:.1%}" for rate in rates))
    yield ("age when shown, ms", *(_percentiles(rate.age) for rate in rates))
    yield ("share of the CPU", *(f"{rate.cpu_share:.0%}" for rate in rates))


def _memory(report: BenchmarkReport) -> Iterable[_Row]:
    uses = [speed.memory for speed in report.models]
    loading = (None if use is None else use.loading_mb for use in uses)
    peaks = (None if use is None else use.peak_mb for use in uses)
    yield ("taken by loading, MB", *(_or_none(size, ".0f") for size in loading))
    yield ("most of the process, MB", *(_or_none(size, ".0f") for size in peaks))


def _row(report: BenchmarkReport, name: str, cell: Callable[[ModelSpeed], str]) -> _Row:
    return (name, *(cell(speed) for speed in report.models))


def _inputs(speed: ModelSpeed) -> str:
    sizes = (network.input_size_hw for network in speed.networks)
    return " + ".join(dict.fromkeys(f"{width} x {height}" for height, width in sizes))


def _percentiles(summary: LatencySummary) -> str:
    return " / ".join(map(ms, (summary.p50_ms, summary.p95_ms, summary.p99_ms)))


def _ranged(value: float, ends: tuple[float, float], form: str) -> str:
    low, high = (format(end, form) for end in ends)
    return f"{value:{form}} ({low}..{high})"


def _or_none(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)


def _load(report: BenchmarkReport) -> str:
    before, after = report.before.load, report.after.load
    if before is None or after is None:
        return ""
    return f", load {before:.1f} before and {after:.1f} after"


def _heat(report: BenchmarkReport) -> str:
    before, after, hottest = report.before.temperature, report.after.temperature, report.hottest
    if before is None or after is None or hottest is None:
        return "the device does not tell"
    return (
        f"{before.celsius:.0f} °C before, {after.celsius:.0f} after, {hottest.celsius:.0f} at the"
        f" hottest ({hottest.sensor})"
    )


def _throttling(report: BenchmarkReport) -> str:
    before, after = report.before.throttling, report.after.throttling
    if after is None:
        return "the device does not tell"
    said = ", ".join(report.throttled_by) or "none"
    new = [] if before is None else [word for word in after.earlier if word not in before.earlier]
    if new:
        said += f"; meanwhile: {', '.join(new)}"
    if before is not None and before.earlier:
        said += f"; before that: {', '.join(before.earlier)}"
    return said
