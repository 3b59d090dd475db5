"""The tables of an evaluation as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from dataclasses import dataclass

from .result import Evaluation

__all__ = ["Table", "class_table", "group_table", "score_table"]


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


def score_table(evaluation: Evaluation) -> Table:
    """The main scores."""
    rows = tuple((name, _score(value)) for name, value in evaluation.headline().items())
    return Table(headers=("score", "value"), rows=rows)


def class_table(evaluation: Evaluation) -> Table:
    """The scores class by class."""
    return Table(
        headers=("class", "IoU", "accuracy", "AUPRC", "pixels in the truth"),
        rows=tuple(
            (c.name, _score(c.iou), _score(c.accuracy), _score(c.auprc), f"{c.pixels:,}")
            for c in evaluation.classes()
        ),
    )


def group_table(evaluation: Evaluation) -> Table:
    """The scores group by group."""
    return Table(
        headers=(
            evaluation.by or "group",
            "images",
            "mIoU",
            "pixel accuracy",
            "ECE, 15 bins",
            "mean AUPRC",
        ),
        rows=tuple(
            (
                group.value,
                str(group.images),
                *(_score(v) for v in (s.miou, s.pixel_accuracy, s.ece, s.mean_auprc)),
            )
            for group in evaluation.groups
            for s in (group.summary,)
        ),
    )


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
