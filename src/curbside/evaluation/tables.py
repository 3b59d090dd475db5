"""The tables of an evaluation as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..metrics import SegmentationSummary
from .intervals import Interval
from .result import Evaluation

__all__ = [
    "Table",
    "class_table",
    "ends_said",
    "group_table",
    "markdown",
    "score",
    "score_table",
    "threshold_table",
]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headers and rows of texts; the first column holds names."""

    headers: tuple[str, ...]
    """One text per column."""
    rows: tuple[tuple[str, ...], ...]
    """One text per column in each."""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = (self.headers, ("---",) * len(self.headers), *self.rows)
        return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def markdown(parts: Iterable[str | Table]) -> str:
    """Paragraphs and tables as a Markdown document; no text in them can bring its own HTML."""
    texts = (part.markdown() if isinstance(part, Table) else _plain(part) for part in parts)
    return "\n\n".join(texts) + "\n"


def score_table(evaluation: Evaluation) -> Table:
    """The main scores."""
    intervals = {
        evaluation.main[0]: evaluation.main_interval,
        "mIoU": evaluation.miou_interval,
    }
    rows = []
    for name, value in evaluation.headline().items():
        rows.append((name, score(value)))
        if name in intervals:
            rows.append((f"{name}, 95 % interval over pictures", ends_said(intervals[name])))
    return Table(headers=("score", "value"), rows=tuple(rows))


def class_table(evaluation: Evaluation) -> Table:
    """The scores class by class."""
    return Table(
        headers=(
            "class",
            "IoU",
            "boundary IoU",
            "precision",
            "recall",
            "F1",
            "AUPRC",
            "true pixels",
        ),
        rows=tuple(
            (
                item.name,
                *(
                    score(value)
                    for value in (
                        item.iou,
                        item.boundary_iou,
                        item.precision,
                        item.accuracy,
                        item.f1,
                        item.auprc,
                    )
                ),
                _count(item.pixels),
            )
            for item in evaluation.classes()
        ),
    )


def threshold_table(evaluation: Evaluation) -> Table:
    """The best threshold of each class that has one, and what comes of it."""
    return Table(
        headers=("class", "best threshold", "precision", "recall", "F1", "IoU", "IoU as it is"),
        rows=tuple(
            (
                item.name,
                *(
                    score(value)
                    for value in (
                        item.best_threshold.threshold,
                        item.best_threshold.precision,
                        item.best_threshold.recall,
                        item.best_threshold.f1,
                        item.best_threshold.iou,
                        item.iou,
                    )
                ),
            )
            for item in evaluation.classes()
            if item.best_threshold is not None
        ),
    )


def group_table(evaluation: Evaluation) -> Table:
    """The scores group by group."""
    columns: dict[str, Callable[[SegmentationSummary], float | None]] = {
        "mIoU": lambda found: found.miou,
        "pixel accuracy": lambda found: found.pixel_accuracy,
        "boundary IoU": lambda found: found.mean_boundary_iou,
        "ECE": lambda found: found.ece,
        "ECE at T = 1": lambda found: found.ece_uncalibrated,
        "mean AUPRC": lambda found: found.mean_auprc,
    }
    if evaluation.overall.ece_uncalibrated is None:
        del columns["ECE at T = 1"]
    if evaluation.space.binary:
        columns = {evaluation.main[0]: lambda found: found.iou[1], **columns}
    return Table(
        headers=(evaluation.by or "group", "images", *columns),
        rows=tuple(
            (
                group.value,
                str(group.images),
                *(score(value(group.summary)) for value in columns.values()),
            )
            for group in evaluation.groups
        ),
    )


def score(value: float | None) -> str:
    """A score with four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def _count(pixels: int) -> str:
    """A number of pixels in at most seven characters, so that a table fits a terminal."""
    if pixels < 100_000:
        return f"{pixels:,}"
    for size, unit in ((1e6, "M"), (1e9, "G"), (1e12, "T")):
        if pixels < 999.5 * size or unit == "T":
            break
    return f"{pixels / size:#.3g}".rstrip(".") + f" {unit}"


def ends_said(ends: Interval | None) -> str:
    """The ends of an interval; a dash where there is none."""
    return "–" if ends is None else f"{ends[0]:.3f}–{ends[1]:.3f}"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())
