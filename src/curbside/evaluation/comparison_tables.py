"""The tables and sentences of a comparison, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .comparison_result import Budget, Change, Comparison, Flow
from .result import Evaluation
from .tables import Table, score

__all__ = ["remarks", "sections", "verdict"]

_INTERVALS = (
    "A star marks a change whose 95 % interval leaves out zero; of twenty that did not change, one is"
    " marked by chance. The intervals are from 1,000 draws of the pictures, the same for both models:"
    " they say how sure the change is for these two models on pictures like these. Trained again with"
    " another seed, both would score somewhat differently. Frames of one drive resemble each other;"
    " with such pictures the true intervals are wider."
)


def verdict(comparison: Comparison) -> str:
    """The verdict in a sentence."""
    first, second = (model.name for model in comparison.models)
    change = comparison.miou
    if comparison.agreement == 1:
        return f"{second} and {first} give the same class to every pixel."
    assert change.difference is not None, "there are pixels, so there is a mIoU"
    points = f"mIoU {100 * change.difference:+.2f} points"
    if change.interval is None:
        return (
            f"{second} against {first}: {comparison.verdict}, {points}; {_pictures(comparison)} too"
            " few to tell."
        )
    words = f"is {comparison.verdict} than" if change.sign else "against"
    none = "" if change.sign else f" {comparison.verdict},"
    low, high = (100 * end for end in change.interval)
    return (
        f"{second} {words} {first}:{none} {points}, 95 % interval {low:+.2f} to {high:+.2f}, over"
        f" {comparison.images} pictures."
    )


def _pictures(comparison: Comparison) -> str:
    return "1 picture is" if comparison.images == 1 else f"{comparison.images} pictures are"


def remarks(comparison: Comparison) -> list[str]:
    """What is unequal in the training of the two, which scores could not be taken, and what the
    intervals say."""
    return [
        *_budget_remarks(comparison),
        *(
            f"No {name} of {model.name}: {reason}."
            for model in comparison.models
            for name, reason in model.evaluation.missing.items()
        ),
        *([_INTERVALS] if comparison.miou.interval else []),
    ]


def _budget_remarks(comparison: Comparison) -> list[str]:
    trained = [(model.name, model.budget) for model in comparison.models if model.budget]
    if len(trained) < 2:
        unknown = " and ".join(model.name for model in comparison.models if not model.budget)
        return [
            "Whether this comparison is of equal budget is not known: there is no record of the"
            f" training of {unknown}."
        ]
    said = []
    if not comparison.equal_budget:
        amounts = ", ".join(f"{name} learned from {_amount(budget)}" for name, budget in trained)
        said.append(f"This comparison is not of equal budget: {amounts}.")
    taught = [name for name, budget in trained if budget.teachers]
    if len(taught) == 1:
        said.append(f"{taught[0]} also had a teacher, whose work is not counted.")
    return said


def _amount(budget: Budget) -> str:
    return f"{budget.pictures:,} crops of {_size(budget.crop_hw)} pixels"


def _size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]} x {size_hw[0]}"


def sections(comparison: Comparison) -> dict[str, Table]:
    """All tables by their titles; those without rows are left out."""
    found = {
        "Scores": _changes("score", comparison, comparison.scores),
        "Classes": _class_table(comparison),
        f"By {comparison.by}": _group_table(comparison),
        "Pixels that changed": _moved_table(comparison),
        "Most frequent changes": _flow_table(comparison),
        "Models": _model_table(comparison),
        "What differs in how they were made": _setting_table(comparison),
        "Measured on": Table(
            headers=("what", "which"), rows=tuple(comparison.measured_on().items())
        ),
    }
    return {title: table for title, table in found.items() if table.rows}


def _class_table(comparison: Comparison) -> Table:
    found = _changes("class", comparison, {item.name: item.iou for item in comparison.classes})
    return _wider(found, "pixels", [f"{item.pixels:,}" for item in comparison.classes])


def _group_table(comparison: Comparison) -> Table:
    rows = {item.value: item.miou for item in comparison.groups}
    found = _changes(comparison.by or "", comparison, rows)
    return _wider(found, "images", [f"{item.images}" for item in comparison.groups])


def _wider(table: Table, header: str, cells: list[str]) -> Table:
    rows = tuple((*row, cell) for row, cell in zip(table.rows, cells, strict=True))
    return Table(headers=(*table.headers, header), rows=rows)


def _moved_table(comparison: Comparison) -> Table:
    counts = {
        "wrong before, right now": comparison.fixed,
        "right before, wrong now": comparison.broken,
        "wrong before, wrong in another way now": comparison.still_wrong,
    }
    counts["all that changed"] = moved = sum(counts.values())
    return Table(
        headers=("pixels", "count", "of all with a truth", "of those that changed"),
        rows=tuple(
            (name, f"{count:,}", f"{count / comparison.pixels:.2%}", f"{count / max(1, moved):.1%}")
            for name, count in counts.items()
        ),
    )


def _flow_table(comparison: Comparison) -> Table:
    first, second = (model.name for model in comparison.models)
    return Table(
        headers=("truth", first, second, "it is", "pixels"),
        rows=tuple(
            (flow.truth, flow.before, flow.after, _kind(flow), f"{flow.pixels:,}")
            for flow in comparison.flows
        ),
    )


def _kind(flow: Flow) -> str:
    if flow.after == flow.truth:
        return "fixed"
    return "broken" if flow.before == flow.truth else "still wrong"


def _model_table(comparison: Comparison) -> Table:
    found = [model.evaluation for model in comparison.models]
    budgets = [model.budget for model in comparison.models]
    rows = {
        "network": [item.model for item in found],
        "runs in": [item.precision for item in found],
        "network input": [_size(item.input_size_hw) for item in found],
        "temperature": [_temperature(item) for item in found],
        "trained, steps": [f"{b.steps:,}" if b else "–" for b in budgets],
        "crops per step": [f"{b.pictures_per_step}" if b else "–" for b in budgets],
        "crop": [_size(b.crop_hw) if b else "–" for b in budgets],
        "epochs": [f"{b.epochs:.1f}" if b and b.epochs is not None else "–" for b in budgets],
        "teacher": [(", ".join(b.teachers) or "none") if b else "–" for b in budgets],
    }
    return Table(
        headers=("model", *(model.name for model in comparison.models)),
        rows=tuple((name, *values) for name, values in rows.items() if set(values) != {"–"}),
    )


def _temperature(evaluation: Evaluation) -> str:
    found = evaluation.temperature_scaling
    return "–" if found is None else f"{found.temperature:.4f}"


def _setting_table(comparison: Comparison) -> Table:
    return Table(
        headers=("setting", *(model.name for model in comparison.models)),
        rows=tuple(
            (name, *(_setting(value) for value in row))
            for name, row in comparison.differing().items()
        ),
    )


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "–" if value is None else f"{value}"


def _changes(what: str, comparison: Comparison, rows: Mapping[str, Change]) -> Table:
    return Table(
        headers=(what, *(m.name for m in comparison.models), "change", "95 % from", "to"),
        rows=tuple((name, *_cells(change)) for name, change in rows.items()),
    )


def _cells(change: Change) -> tuple[str, ...]:
    mark = " *" if change.sign else ""
    return (
        score(change.before),
        score(change.after),
        f"{_signed(change.difference)}{mark}",
        *(_signed(end) for end in change.interval or (None, None)),
    )


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"
