"""The tables of an evaluation as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .intervals import Interval
from .result import Evaluation

__all__ = ["Table", "class_table", "group_table", "markdown", "score", "score_table"]


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
    rows = [(name, score(value)) for name, value in evaluation.headline().items()]
    rows.insert(1, ("mIoU, 95 % interval over pictures", _interval(evaluation.miou_interval)))
    return Table(headers=("score", "value"), rows=tuple(rows))


def class_table(evaluation: Evaluation) -> Table:
    """The scores class by class."""
    return Table(
        headers=(
            "class",
            "IoU",
            "boundary IoU",
            "accuracy",
            "AUPRC",
            "pixels in the truth",
        ),
        rows=tuple(
            (
                item.name,
                *(
                    score(value)
                    for value in (item.iou, item.boundary_iou, item.accuracy, item.auprc)
                ),
                f"{item.pixels:,}",
            )
            for item in evaluation.classes()
        ),
    )


def group_table(evaluation: Evaluation) -> Table:
    """The scores group by group."""
    columns = {
        "mIoU": "miou",
        "pixel accuracy": "pixel_accuracy",
        "boundary IoU": "mean_boundary_iou",
        "ECE": "ece",
        "ECE at T = 1": "ece_uncalibrated",
        "mean AUPRC": "mean_auprc",
    }
    if evaluation.overall.ece_uncalibrated is None:
        del columns["ECE at T = 1"]
    return Table(
        headers=(evaluation.by or "group", "images", *columns),
        rows=tuple(
            (
                group.value,
                str(group.images),
                *(score(getattr(group.summary, name)) for name in columns.values()),
            )
            for group in evaluation.groups
        ),
    )


def score(value: float | None) -> str:
    """A score with four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def _interval(ends: Interval | None) -> str:
    return "–" if ends is None else f"{ends[0]:.3f}–{ends[1]:.3f}"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())
