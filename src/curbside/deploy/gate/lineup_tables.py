"""A lineup as a table, and as a report."""

from __future__ import annotations

from pathlib import Path

from ...evaluation import plots
from ...evaluation.page import Page
from ...evaluation.tables import Table, markdown, score
from ...files import write_json, write_text
from ...metrics.timing import LatencySummary
from .lineup_result import FileScore, Lineup

__all__ = ["agreed", "lineup_table", "write_lineup"]


def lineup_table(lineup: Lineup, *, brief: bool = False) -> Table:
    """One row per file: scores, agreement, speed and size.

    Args:
        lineup: The files.
        brief: Narrow enough for a terminal: medians alone, without what each file runs in.
    """

    def times(summary: LatencySummary) -> str:
        return f"{summary.p50_ms:.2f}" + ("" if brief else f" / {summary.p95_ms:.2f}")

    headers = (
        "file",
        "runs in",
        "mIoU",
        "ECE",
        "mask AP",
        "box AP",
        "AbsRel",
        "agrees",
        "depth off",
        "net ms",
        "all ms",
        "speed",
        "MB",
    )
    rows = [
        (
            lineup.names[place],
            "" if brief else file.precision,
            *_scores(file),
            score(file.abs_rel) if file.depth else "",
            agreed(file),
            "" if file.depth_difference is None else f"{file.depth_difference:.2%}",
            times(file.latency),
            times(file.whole),
            f"{lineup.speed_up(place):.2f} ×",
            f"{file.size_bytes / 1e6:.2f}",
        )
        for place, file in enumerate(lineup.files)
    ]
    kept = [
        place for place in range(len(headers)) if any(row[place] not in ("", "–") for row in rows)
    ]
    return Table(
        headers=tuple(headers[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
    )


def agreed(file: FileScore) -> str:
    """How far the classes or objects of a file agree with the first's; empty where it tells none."""
    return "" if file.agreement is None else f"{file.agreement:.2%}"


def _scores(file: FileScore) -> tuple[str, str, str, str]:
    if file.evaluation is not None:
        overall = file.evaluation.overall
        return score(overall.miou), score(overall.ece), "", ""
    if file.objects is not None:
        objects = file.objects.overall
        return "", "", score(objects.mask.average.ap), score(objects.box.average.ap)
    return "", "", "", ""


def write_lineup(lineup: Lineup, folder: Path) -> Path:
    """Write `lineup.json`, `lineup.md` and `lineup.html` into a folder, which is made if missing.

    Returns:
        The path of `lineup.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StorageError: The place cannot be written.
    """
    names = lineup.names
    title = f"{', '.join(names)} side by side"
    said = (
        f"Timed in turns on {lineup.pictures}; {lineup.hardware}, {lineup.threads} threads;"
        " median and 95th percentile, of the bare network (net) and from frame to result (all). Agreement and"
        " speed are held to the first file."
    )
    page = Page(title)
    page.text(said)
    table = lineup_table(lineup)
    page.put(table)
    slowest = max(file.whole.p50_ms for file in lineup.files)
    page.figure(
        plots.bars(
            names,
            [file.whole.p50_ms / slowest for file in lineup.files],
            label=f"time from frame to result, as a share of {slowest:.2f} ms",
        )
    )
    parts: list[str | Table] = [f"# {title}", said, table]
    classes = _class_table(lineup)
    if classes is not None:
        kind = "Mask AP" if lineup.files[0].objects else "IoU"
        page.heading(f"{kind} by class")
        page.put(classes)
        parts += [f"## {kind} by class", classes]
    write_json(folder / "lineup.json", lineup.to_dict())
    write_text(folder / "lineup.md", markdown(parts))
    page.write(folder / "lineup.html")
    return folder / "lineup.html"


def _class_table(lineup: Lineup) -> Table | None:
    """The IoU of every class in every file, or the AP of its masks; None where nothing was scored."""
    scored = [
        (name, file)
        for name, file in zip(lineup.names, lineup.files, strict=True)
        if file.scored is not None
    ]
    if not scored or scored[0][1].scored is None:
        return None
    columns = zip(*(_by_class(file) for _, file in scored), strict=True)
    names = scored[0][1].scored.space.names
    return Table(
        headers=("class", *(name for name, _ in scored)),
        rows=tuple((name, *map(score, row)) for name, row in zip(names, columns, strict=True)),
    )


def _by_class(file: FileScore) -> tuple[float | None, ...]:
    if file.evaluation is not None:
        return file.evaluation.overall.iou
    classes = () if file.objects is None else file.objects.overall.classes
    return tuple(item.mask.average.ap for item in classes)
