"""`report.json`, `report.md`, `report.html` and the plot of a frontier, and its section of a document."""

from __future__ import annotations

from pathlib import Path

from ..files import write_text
from ..metrics.timing import LatencySummary
from .frontier import Frontier, MeasuredNetwork
from .frontier_plot import frontier_plot
from .page import Page, write_files
from .section import put_section
from .tables import Table, markdown

__all__ = ["KIND", "frontier_table", "sentences", "write_frontier", "write_frontier_section"]

KIND = "frontier"
"""What its section of a document is marked with."""
_PLOT = "frontier.svg"


def write_frontier(frontier: Frontier, folder: Path) -> Path:
    """Write the reports and `frontier.svg` into a folder, which is made if missing.

    Returns:
        The path of `report.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StorageError: The place cannot be written.
    """
    title, drawn, table = _title(frontier), frontier_plot(frontier), frontier_table(frontier)
    page = Page(title)
    found, *more = sentences(frontier)
    page.text(found)
    page.figure(drawn, _caption(frontier))
    page.put(table)
    for sentence in more:
        page.text(sentence)
    page.heading("Measured on")
    page.table(("what", "which"), frontier.measured_on().items())
    write_text(folder / _PLOT, drawn)
    text = markdown([f"# {title}", f"![{title}]({_PLOT})", _caption(frontier), *_parts(frontier)])
    return write_files(folder, data=frontier.to_dict(), text=text, page=page)


def write_frontier_section(path: Path, name: str, frontier: Frontier) -> None:
    """Write the table and what it says into a document, between `<!-- frontier NAME -->` and
    `<!-- /frontier NAME -->`; at its end where these are not there.

    Args:
        path: A Markdown file; made if missing.
        name: What this one is called.
        frontier: What was found.

    Raises:
        DataError: One of the marks stands there without the other.
        StorageError: The file cannot be written.
    """
    put_section(path, KIND, name, markdown([f"## {_title(frontier)}", *_parts(frontier)]))


def frontier_table(frontier: Frontier, *, brief: bool = False) -> Table:
    """One row per network, quickest first.

    Args:
        frontier: The networks.
        brief: Narrow enough for a terminal: medians alone, without the files' facts.
    """
    rows = sorted(
        zip(frontier.networks, frontier.dominated_by, strict=True),
        key=lambda pair: pair[0].whole.p50_ms,
    )
    headers = [
        "network", f"{frontier.score_name}, %", "95 % interval", "net ms", "all ms", "frames/s",
        "input", "runs in", "parameters, M", "MB", "dominated by",
    ]  # fmt: skip
    cells = [
        (*_cells(item, brief=brief), by or ("–" if brief else "none: on the front"))
        for item, by in rows
    ]
    dropped = {5, 6, 7, 8, 9} if brief else set[int]()
    empty = {i for i in range(len(headers)) if all(row[i] == "–" for row in cells)}
    kept = [i for i in range(len(headers)) if i not in dropped | empty]
    return Table(
        headers=tuple(headers[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in cells),
    )


def _cells(item: MeasuredNetwork, *, brief: bool) -> tuple[str, ...]:
    def times(summary: LatencySummary) -> str:
        return f"{summary.p50_ms:.2f}" + ("" if brief else f" / {summary.p95_ms:.2f}")

    ends = item.interval
    height, width = item.input_size_hw
    return (
        item.name,
        f"{100 * item.score:.2f}",
        "–" if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}",
        times(item.network),
        times(item.whole),
        f"{item.frames_per_second:.1f}",
        f"{width} x {height}",
        item.runs_in_short,
        "–" if item.parameters is None else f"{item.parameters / 1e6:.2f}",
        f"{item.size_bytes / 1e6:.2f}",
    )


def sentences(frontier: Frontier) -> list[str]:
    """What was found, in words, and what it does not say."""
    front = [
        f"{item.name} ({100 * item.score:.1f} % in {item.whole.p50_ms:.2f} ms)"
        for item in frontier.front
    ]
    said = [f"On the front, quickest first: {', '.join(front)}."]
    by_name = {item.name: item for item in frontier.networks}
    for item, by in zip(frontier.networks, frontier.dominated_by, strict=True):
        if by is not None:
            said.append(f"{item.name} is dominated by {by}, {_better(by_name[by], item)}.")
    said.append(
        "The front is that of the medians and scores measured here. Networks whose whiskers overlap may"
        " change places on another day or on other pictures; trained again with another seed, each"
        " would score somewhat differently."
    )
    if any(item.interval for item in frontier.networks):
        said.append(
            "The intervals are from 1,000 draws of the pictures. Frames of one drive resemble each"
            " other; with such pictures the true intervals are wider."
        )
    return said


def _better(one: MeasuredNetwork, other: MeasuredNetwork) -> str:
    """By how much a network on the front is quicker and better than one that it dominates."""
    points, times = 100 * (one.score - other.score), other.whole.p50_ms / one.whole.p50_ms
    quicker = f"{times:.2f} times as quick" if times > 1 else "just as quick"
    return f"which is {quicker} and {f'{points:.2f} points better' if points else 'as good'}"


def _title(frontier: Frontier) -> str:
    return f"What is worth its milliseconds: {frontier.dataset}, {frontier.split}"


def _caption(frontier: Frontier) -> str:
    """What each network was, on what, and what the whiskers are."""
    kinds: dict[str, list[str]] = {}
    for item in frontier.networks:
        height, width = item.input_size_hw
        kinds.setdefault(f"{width} x {height} pixels, {item.runs_in_short}", []).append(item.name)
    shared = len(kinds) == 1
    inputs = "; ".join(kind if shared else f"{kind}: {', '.join(n)}" for kind, n in kinds.items())
    threads = "1 thread" if frontier.threads == 1 else f"{frontier.threads} threads"
    upright = "upright the 95 % interval over pictures, " if _has_intervals(frontier) else ""
    return (
        f"Upwards is better, to the left is quicker. Whiskers: {upright}across from the median to the 95th"
        f" percentile of {frontier.runs} runs in turns. Input: {inputs}. {frontier.hardware},"
        f" {threads} each."
    )


def _has_intervals(frontier: Frontier) -> bool:
    return any(item.interval for item in frontier.networks)


def _parts(frontier: Frontier) -> list[str | Table]:
    measured = Table(headers=("measured on", ""), rows=tuple(frontier.measured_on().items()))
    return [frontier_table(frontier), *sentences(frontier), measured]
