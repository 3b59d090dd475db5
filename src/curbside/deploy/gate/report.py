"""`report.json`, `report.md` and `report.html` of a file that went through the gate, or did not."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...evaluation import plots
from ...evaluation.page import Page
from ...evaluation.tables import Table, markdown
from ...evaluation.tables import score as _score
from ...files import write_json, write_text
from .fastest import FastestReport
from .lineup_result import FileScore
from .lineup_tables import agreed
from .outcome import GateReport

__all__ = [
    "attempt_table",
    "class_table",
    "layer_table",
    "score_table",
    "way_table",
    "write_gate_report",
]

_WORST = 24
_DEPTH_SCORES = {"AbsRel": "abs_rel", "RMSE, m": "rmse", "delta < 1.25": "delta1"}


def write_gate_report(
    report: GateReport, folder: Path, fastest: FastestReport | None = None
) -> Path:
    """Write `report.json`, `report.md` and `report.html` into a folder, which is made if missing.

    Args:
        report: What was found.
        folder: Where to write.
        fastest: The ways that were measured before this one was chosen, where several were.

    Returns:
        The path of `report.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StorageError: The place cannot be written.
    """
    page = Page(f"{report.model.name} for {report.target}")
    parts: list[str | Table] = [f"# {report.model.name} for {report.target}"]
    for sentence in (report.verdict + ".", *report.notes):
        page.text(sentence)
        parts.append(sentence)
    for title, table in _sections(report, fastest).items():
        page.heading(title)
        if title == "What each layer costs":
            _plot_layers(page, report)
        page.put(table)
        parts += [f"## {title}", table]
    ways = {} if fastest is None else {"ways": fastest.to_dict()}
    write_json(folder / "report.json", {**report.to_dict(), **ways})
    write_text(folder / "report.md", markdown(parts))
    page.write(folder / "report.html")
    return folder / "report.html"


def _sections(report: GateReport, fastest: FastestReport | None) -> dict[str, Table]:
    found = {"Before and after": score_table(report)}
    if fastest is not None:
        found["Every way on this processor"] = way_table(fastest)
    classes = class_table(report)
    if classes is not None:
        found["Classes"] = classes
    found["What was tried"] = attempt_table(report)
    if report.layers:
        found["What each layer costs"] = layer_table(report)
    if report.calibration:
        found["Calibrated on"] = _calibration_table(report)
    return found


def score_table(report: GateReport) -> Table:
    """The scores of the float file and of the other, and what changed."""
    before, after = report.lineup.files[0], report.lineup.files[-1]
    rows: list[tuple[str, ...]] = []
    pairs = zip(_main_scores(before).items(), _main_scores(after).values(), strict=True)
    for (name, a), b in pairs:
        change = "–" if a is None or b is None else f"{100 * (b - a):+.2f} points"
        rows.append((name, _score(a), _score(b), change))
    rows += _depth_rows(before, after)
    if after.agreement is not None:
        objects = before.task == "instances"
        what = "objects found by both" if objects else "pixels of the same class"
        rows.append((what, "", f"{after.agreement:.2%}", ""))
    if after.depth_difference is not None:
        rows.append(("depth differs by", "", f"{after.depth_difference:.2%}", ""))
    if report.predicted:
        rows.append(("emulated in", "", after.precision, ""))
    else:
        rows += _cost(before, after)
    name = "predicted" if report.predicted else after.path.name
    return Table(headers=("", before.path.name, name, "difference"), rows=tuple(rows))


def _main_scores(file: FileScore) -> dict[str, float | None]:
    """The scores that people ask for, by their names; none where nothing was scored."""
    if file.evaluation is not None:
        overall = file.evaluation.overall
        return {
            "mIoU": overall.miou,
            "boundary IoU": overall.mean_boundary_iou,
            "pixel accuracy": overall.pixel_accuracy,
            "ECE, 15 bins": overall.ece,
            "AUPRC": overall.mean_auprc,
        }
    if file.objects is None:
        return {}
    mask, box = file.objects.overall.mask, file.objects.overall.box
    above = f"above {file.objects.threshold:g}"
    return {
        "mask AP": mask.average.ap,
        "mask AP50": mask.average.ap50,
        "box AP": box.average.ap,
        "box AP50": box.average.ap50,
        f"precision {above}": mask.shown.precision,
        f"recall {above}": mask.shown.recall,
    }


def _depth_rows(before: FileScore, after: FileScore) -> list[tuple[str, ...]]:
    """The scores of depth; none where it was not scored."""
    if before.depth is None:
        return []
    one, two = before.depth.overall, None if after.depth is None else after.depth.overall
    rows: list[tuple[str, ...]] = []
    for name, field in _DEPTH_SCORES.items():
        a, b = getattr(one, field), getattr(two, field, None)
        change = f"{100 * (b - a) / a:+.2f} %" if a and b is not None else "–"
        rows.append((f"depth {name}", _score(a), _score(b), change))
    return rows


def _cost(before: FileScore, after: FileScore) -> list[tuple[str, ...]]:
    """Time and size; those of a stand-in would say nothing about the device."""
    rows: list[tuple[str, ...]] = [
        (name, f"{a_ms:.2f} ms", f"{b_ms:.2f} ms", f"{a_ms / b_ms:.2f} × the speed")
        for name, a_ms, b_ms in (
            ("network, median", before.latency.p50_ms, after.latency.p50_ms),
            ("network, 95th percentile", before.latency.p95_ms, after.latency.p95_ms),
            ("frame to result, median", before.whole.p50_ms, after.whole.p50_ms),
            ("frame to result, 95th percentile", before.whole.p95_ms, after.whole.p95_ms),
        )
    ]
    sizes = before.size_bytes, after.size_bytes
    smaller = f"{sizes[0] / sizes[1]:.2f} × smaller"
    rows.append(("file", *(f"{size / 1e6:.2f} MB" for size in sizes), smaller))
    rows.append(("runs in", before.precision, after.precision, ""))
    return rows


def way_table(report: FastestReport, *, brief: bool = False) -> Table:
    """Every way that was measured, and what the others lost.

    Args:
        report: The ways.
        brief: Narrow enough for a terminal: without what each runs in and how far it agrees.
    """
    rows = [
        (
            name,
            file.precision,
            agreed(file),
            f"{file.latency.p50_ms:.2f}",
            f"{file.whole.p50_ms:.2f}",
            f"{report.lineup.speed_up(place):.2f} ×",
            "written" if name == report.best.name else "",
        )
        for place, (name, file) in enumerate(zip(report.names, report.lineup.files, strict=True))
    ]
    rows += [
        (item.name, "", "", "", "", "", item.gate.verdict)
        for item in report.candidates
        if not item.gate.passed
    ]
    headers = ("way", "runs in", "agrees", "net ms", "all ms", "speed", "")
    shown = (0, 3, 4, 5, 6) if brief else range(len(headers))
    return Table(
        headers=tuple(headers[place] for place in shown),
        rows=tuple(tuple(row[place] for place in shown) for row in rows),
    )


def class_table(report: GateReport) -> Table | None:
    """IoU and boundary IoU of every class, or AP of its masks and boxes, before and after; None where
    nothing was scored."""
    one, two = (_class_scores(file) for file in (report.lineup.files[0], report.lineup.files[-1]))
    if one is None or two is None:
        return None
    rows = [
        (name, *(cell for pair in zip(before, after, strict=True) for cell in _pair(pair)))
        for (name, before), after in zip(one.rows.items(), two.rows.values(), strict=True)
    ]
    headers = [text for name in one.names for text in (f"{name} before", "after", "points")]
    return Table(headers=("class", *headers), rows=tuple(rows))


class _ClassScores(NamedTuple):
    """Two scores of every class."""

    names: tuple[str, str]
    rows: dict[str, tuple[float | None, float | None]]


def _class_scores(file: FileScore) -> _ClassScores | None:
    if file.evaluation is not None:
        found = file.evaluation.overall
        pairs = zip(found.iou, found.boundary_iou, strict=True)
        names = file.evaluation.space.names
        return _ClassScores(("IoU", "boundary IoU"), dict(zip(names, pairs, strict=True)))
    if file.objects is not None:
        classes = file.objects.overall.classes
        rows = {item.name: (item.mask.average.ap, item.box.average.ap) for item in classes}
        return _ClassScores(("mask AP", "box AP"), rows)
    return None


def _pair(values: tuple[float | None, float | None]) -> tuple[str, str, str]:
    before, after = values
    change = "–" if before is None or after is None else f"{100 * (after - before):+.2f}"
    return _score(before), _score(after), change


def attempt_table(report: GateReport) -> Table:
    """Every file that was tried."""
    rows = tuple(
        (
            "all" if not item.float_layers else f"all but {len(item.float_layers)}",
            report.lost(item),
            "passed" if item.passed else "too much",
        )
        for item in report.attempts
    )
    return Table(headers=("layers in 8 bits", "lost", ""), rows=rows)


def layer_table(report: GateReport) -> Table:
    """The layers that suffer most, and whether they stayed in float."""
    kept = set(report.best.float_layers)
    deep = report.depth_unit != ""
    rows = tuple(
        (
            layer.name,
            layer.kind,
            f"{layer.error:.2e}",
            *(("–" if layer.depth_error is None else f"{layer.depth_error:.2%}",) if deep else ()),
            "float" if layer.name in kept else "8 bits",
        )
        for layer in report.layers[:_WORST]
    )
    depth = ("depth differs by",) if deep else ()
    return Table(
        headers=("layer", "operator", "relative error alone", *depth, "kept in"), rows=rows
    )


def _plot_layers(page: Page, report: GateReport) -> None:
    worst = report.layers[:_WORST]
    finite = [layer.error for layer in worst if layer.error < float("inf")]
    highest = max(finite, default=1.0) or 1.0
    page.figure(
        plots.bars(
            [layer.name for layer in worst],
            [min(layer.error / highest, 1.0) for layer in worst],
            label="error of the outputs with this layer alone in 8 bits, as a share of the largest",
        ),
        f"The {len(worst)} layers of {len(report.layers)} that cost most.",
    )


def _calibration_table(report: GateReport) -> Table:
    rows = []
    for name, value in report.calibration.items():
        if name == "strata":
            rows += [
                (f"pictures by {tag}", ", ".join(f"{key} {count}" for key, count in counts.items()))
                for tag, counts in value.items()
            ]
        else:
            rows.append((name, str(value)))
    return Table(headers=("what", "which"), rows=tuple(rows))
