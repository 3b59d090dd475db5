"""The tables and sentences of a comparison, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .comparison_result import UNSURE, Budget, Change, Comparison, Difference, Flow
from .comparison_tally import BORDER_PX
from .tables import Table

__all__ = [
    "INTERVALS",
    "about_table",
    "budget_sentences",
    "class_change_table",
    "difference_tables",
    "flow_table",
    "group_change_table",
    "missing_sentences",
    "moved_table",
    "over",
    "overview_table",
    "place_table",
    "score_change_table",
    "setting_table",
    "verdict",
]

INTERVALS = (
    "A star marks a change whose 95 % interval leaves out zero; of twenty that did not change, one is"
    " marked by chance. The intervals are from 1,000 draws of the pictures, the same for both models:"
    " they say how sure the change is for these two models on pictures like these. Trained again with"
    " another seed, both would score somewhat differently. Frames of one drive resemble each other;"
    " with such pictures the true intervals are wider."
)


def verdict(comparison: Comparison, difference: Difference) -> str:
    """The verdict on a model in a sentence."""
    first = comparison.models[0].name
    change = difference.miou
    if change.difference is None:
        return f"{difference.name} against {first}: there is no mIoU to compare."
    said = f"mIoU {100 * change.difference:+.2f} points"
    if difference.agreement == 1:
        return f"{difference.name} and {first} give the same class to every pixel."
    if change.interval is None:
        return (
            f"{difference.name} against {first}: {UNSURE}, {said}, as"
            f" {comparison.images} pictures are too few to tell."
        )
    low, high = change.interval
    said += f", 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
    words = {
        "better": f"{difference.name} is better than {first}",
        "worse": f"{difference.name} is worse than {first}",
        UNSURE: f"{difference.name} against {first}: {UNSURE}",
    }
    return f"{words[difference.verdict]}: {said}, over {comparison.images} pictures."


def budget_sentences(comparison: Comparison) -> list[str]:
    """What is unequal in the training of the models; nothing where nothing is."""
    first = comparison.models[0]
    said = []
    for model, difference in zip(comparison.models[1:], comparison.differences, strict=True):
        pair = (first, model)
        if difference.equal_budget is False:
            amounts = (f"{m.name} learned from {_amount(m.budget)}" for m in pair if m.budget)
            said.append(f"This comparison is not of equal budget: {', '.join(amounts)}.")
        elif difference.equal_budget is None:
            unknown = " and ".join(m.name for m in pair if m.budget is None)
            said.append(
                "Whether this comparison is of equal budget is not known: there is no record of the"
                f" training of {unknown}."
            )
        taught = [bool(m.budget and m.budget.teachers) for m in pair]
        if difference.equal_budget is not None and taught[0] != taught[1]:
            said.append(
                f"{pair[taught.index(True)].name} also had a teacher, whose work is not counted."
            )
    return list(dict.fromkeys(said))


def missing_sentences(comparison: Comparison) -> list[str]:
    """Which scores could not be taken, and why."""
    return [
        f"No ECE of {model.name}: it gives no confidence; export it with --outputs logits."
        for model in comparison.models
        if model.summary.ece is None
    ]


def _amount(budget: Budget) -> str:
    height, width = budget.crop_hw
    return f"{budget.pictures:,} crops of {width} x {height} pixels"


def about_table(comparison: Comparison) -> Table:
    """The models, what they ran in and how much they were trained."""
    models = comparison.models
    budgets = [model.budget for model in models]
    rows = {
        "network": [model.model for model in models],
        "runs in": [model.precision for model in models],
        "network input": [_size(model.input_size_hw) for model in models],
        "trained, steps": [f"{b.steps:,}" if b else "–" for b in budgets],
        "crops per step": [f"{b.pictures_per_step}" if b else "–" for b in budgets],
        "crop": [_size(b.crop_hw) if b else "–" for b in budgets],
        "epochs": [f"{b.epochs:.1f}" if b and b.epochs is not None else "–" for b in budgets],
        "teacher": [(", ".join(b.teachers) or "none") if b else "–" for b in budgets],
    }
    return Table(
        headers=("model", *(model.name for model in models)),
        rows=tuple((name, *values) for name, values in rows.items() if set(values) != {"–"}),
    )


def _size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]} x {size_hw[0]}"


def setting_table(comparison: Comparison) -> Table:
    """The settings that are not the same for all models."""
    return Table(
        headers=("setting", *(m.name for m in comparison.models)),
        rows=tuple(
            (name, *(_setting(value) for value in row))
            for name, row in comparison.differing().items()
        ),
    )


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "–" if value is None else f"{value}"


def overview_table(comparison: Comparison) -> Table:
    """The main scores of all models beside one another."""
    rows = [(comparison.models[0].name, "the reference")]
    rows += [(item.name, item.verdict) for item in comparison.differences]
    summaries = [model.summary for model in comparison.models]
    return Table(
        headers=("model", "mIoU", "pixel accuracy", "ECE, 15 bins", "by mIoU"),
        rows=tuple(
            (name, *(_score(v) for v in (s.miou, s.pixel_accuracy, s.ece)), said)
            for (name, said), s in zip(rows, summaries, strict=True)
        ),
    )


def over(comparison: Comparison, difference: Difference) -> str:
    """What stands before a title, to say which model it is of where there are several."""
    return f"{difference.name}: " if len(comparison.differences) > 1 else ""


def difference_tables(comparison: Comparison, difference: Difference) -> dict[str, Table]:
    """All tables of a model against the reference, by their titles."""
    found = {
        "Scores": score_change_table(comparison, difference),
        "Classes": class_change_table(comparison, difference),
        f"By {comparison.by}": group_change_table(comparison, difference),
        "Pixels that changed": moved_table(difference),
        "Most frequent changes": flow_table(comparison, difference),
        "Near borders and inside": place_table(comparison, difference),
    }
    before = over(comparison, difference)
    return {f"{before}{title}": table for title, table in found.items() if table.rows}


def score_change_table(comparison: Comparison, difference: Difference) -> Table:
    """The main scores."""
    rows = {
        "mIoU": difference.miou,
        "pixel accuracy": difference.pixel_accuracy,
        "ECE, 15 bins": difference.ece,
    }
    return _changes("score", comparison, difference, rows)


def class_change_table(comparison: Comparison, difference: Difference) -> Table:
    """The IoU of every class, the largest change first."""
    rows = {item.name: item.iou for item in difference.classes}
    found = _changes("class", comparison, difference, rows)
    return Table(
        headers=(*found.headers, "pixels"),
        rows=tuple(
            (*row, f"{item.pixels:,}")
            for row, item in zip(found.rows, difference.classes, strict=True)
        ),
    )


def group_change_table(comparison: Comparison, difference: Difference) -> Table:
    """The mIoU of every value of the tag."""
    rows = {item.value: item.miou for item in difference.groups}
    found = _changes(comparison.by or "group", comparison, difference, rows)
    images = [f"{item.images}" for item in difference.groups]
    return Table(
        headers=(*found.headers, "images"),
        rows=tuple((*row, count) for row, count in zip(found.rows, images, strict=True)),
    )


def place_table(comparison: Comparison, difference: Difference) -> Table:
    """The pixel accuracy near label borders and away from them."""
    places = (difference.near, difference.inside)
    shares = [f"{place.pixels / difference.pixels:.1%}" for place in places]
    names = (f"under {BORDER_PX} px from a border", "inside")
    rows = {name: place.accuracy for name, place in zip(names, places, strict=True)}
    found = _changes("pixel accuracy", comparison, difference, rows)
    return Table(
        headers=(*found.headers, "of the pixels"),
        rows=tuple((*row, share) for row, share in zip(found.rows, shares, strict=True)),
    )


def moved_table(difference: Difference) -> Table:
    """What became of the pixels on which the two models differ."""
    moved = difference.fixed + difference.broken + difference.still_wrong
    rows = {
        "wrong before, right now": difference.fixed,
        "right before, wrong now": difference.broken,
        "wrong before, wrong in another way now": difference.still_wrong,
        "all that changed": moved,
    }
    return Table(
        headers=("pixels", "count", "of all with a truth", "of those that changed"),
        rows=tuple(
            (name, f"{count:,}", f"{count / difference.pixels:.2%}", f"{count / max(1, moved):.1%}")
            for name, count in rows.items()
        ),
    )


def flow_table(comparison: Comparison, difference: Difference) -> Table:
    """The most frequent changes of a pixel."""
    return Table(
        headers=("truth", comparison.models[0].name, difference.name, "it is", "pixels"),
        rows=tuple(
            (flow.truth, flow.before, flow.after, _kind(flow), f"{flow.pixels:,}")
            for flow in difference.flows
        ),
    )


def _kind(flow: Flow) -> str:
    if flow.after == flow.truth:
        return "fixed"
    return "broken" if flow.before == flow.truth else "still wrong"


def _changes(
    what: str, comparison: Comparison, difference: Difference, rows: Mapping[str, Change]
) -> Table:
    return Table(
        headers=(what, comparison.models[0].name, difference.name, "change", "95 % from", "to"),
        rows=tuple((name, *_cells(change)) for name, change in rows.items()),
    )


def _cells(change: Change) -> tuple[str, ...]:
    scores = (_score(value) for value in (change.before, change.after))
    mark = "" if change.verdict == UNSURE else " *"
    return (
        *scores,
        f"{_signed(change.difference)}{mark}",
        *(_signed(end) for end in (change.low, change.high)),
    )


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"
