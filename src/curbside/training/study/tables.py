"""The tables of a study as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.tables import Table
from .cost import Budget
from .plan import Plan
from .planning import changed_settings
from .statistics import Interval
from .verdict import Finding, Verdict

__all__ = [
    "change_table",
    "class_table",
    "cost_table",
    "group_table",
    "macs_text",
    "macs_unit",
    "plan_table",
    "score_table",
    "summary_table",
    "teacher_table",
]

_NONE = "–"


def plan_table(plan: Plan) -> Table:
    """Length and compute of a run of every variant."""
    unit: Budget = "time" if plan.budget == "time" else "flops"
    control = plan.variants[plan.control]
    whole = control.cost.spent(unit, control.steps)
    rows = []
    for name, variant in plan.variants.items():
        cost, steps = variant.cost, variant.steps
        macs = cost.spent("flops", steps)
        share = (cost.once + steps * cost.pictures * cost.teacher) / macs
        seconds = (f"{cost.spent('time', steps):,.1f}",) if unit == "time" else ()
        rows.append(
            (
                name,
                f"{steps:,}",
                f"{steps * cost.pictures:,}",
                macs_text(macs),
                f"{100 * share:.0f} %" if share else _NONE,
                *seconds,
                f"{cost.spent(unit, steps) / whole:.2f}",
            )
        )
    seconds = ("seconds, as timed",) if unit == "time" else ()
    return Table(
        headers=("variant", "steps", "pictures", "compute", "teachers", *seconds, "× control"),
        rows=tuple(rows),
    )


def summary_table(plan: Plan, verdict: Verdict) -> Table:
    """What fits on a terminal."""
    return Table(
        headers=("variant", "mIoU, %", "points over control", "gap closed", "compute × control"),
        rows=tuple(
            (*_compared(finding), f"{finding.compute:.2f}") for finding in verdict.findings.values()
        ),
    )


def score_table(plan: Plan, verdict: Verdict) -> Table:
    """The scores of every variant; see `plan_table` for what they cost."""
    towards = f"gap to {verdict.teacher} closed" if verdict.teacher else "gap closed"
    scores = (("mean_auprc", 3), ("mean_boundary_iou", 3), ("ece", 4), ("ece_scaled", 4))
    return Table(
        headers=(
            "variant",
            "mIoU, %",
            "points over control",
            towards,
            "AUPRC",
            "boundary IoU",
            "ECE",
            "ECE, scaled",
            "seeds",
            "compute × control",
        ),
        rows=tuple(
            (
                *_compared(finding),
                *(_plain(finding.scores[key], digits) for key, digits in scores),
                _seeds(finding),
                f"{finding.compute:.2f}",
            )
            for finding in verdict.findings.values()
        ),
    )


def _compared(finding: Finding) -> tuple[str, ...]:
    closed = _share(finding.gap_closed)
    return finding.name, _percent(finding.miou), _points(finding.difference), closed


def teacher_table(plan: Plan, verdict: Verdict) -> Table:
    """The teachers: their score and what their training cost, which is in no student's budget."""
    rows = []
    for name, miou in verdict.teachers.items():
        teacher = plan.teachers.get(name)
        macs = None if teacher is None else teacher.training_macs
        made = "a variant of the study" if teacher is None else str(teacher.path)
        rows.append((name, f"{100 * miou:.2f}", _NONE if macs is None else macs_text(macs), made))
    headers = ("teacher", "mIoU, %", "its own training, in no budget", "from")
    return Table(headers=headers, rows=tuple(rows))


def cost_table(plan: Plan) -> Table:
    """What a step costs."""
    rows = []
    for name, variant in plan.variants.items():
        cost = variant.cost
        rows.append(
            (
                name,
                str(cost.pictures),
                macs_text(cost.student),
                macs_text(cost.losses) if cost.losses else _NONE,
                macs_text(cost.teacher) if cost.teacher else _NONE,
                macs_text(cost.once) if cost.once else _NONE,
                macs_text(cost.macs),
                _NONE if cost.seconds is None else f"{cost.seconds:.3f}",
            )
        )
    headers = (
        "variant",
        "pictures a step",
        "student, forward",
        "adapters and losses, forward",
        "teachers, forward",
        "once, for caches",
        "a step",
        "seconds a step",
    )
    return Table(headers=headers, rows=tuple(rows))


def class_table(verdict: Verdict) -> Table:
    """IoU and AUPRC class by class: the control's, and the differences to it."""
    control = verdict.findings[verdict.control]
    others = [one for one in verdict.findings.values() if one is not control and one.iou]
    headers = ["class", f"{control.name}: IoU, %", "AUPRC"]
    for one in others:
        headers += [f"{one.name}: IoU", "AUPRC"]
    rows = []
    for index, name in enumerate(verdict.classes if control.iou else ()):
        row = [name, _plain(_times(control.iou[index], 100), 1), _plain(control.auprc[index], 3)]
        for one in others:
            row.append(_signed(one.iou[index], control.iou[index], 100, 1))
            row.append(_signed(one.auprc[index], control.auprc[index], 1, 3))
        rows.append(tuple(row))
    return Table(headers=tuple(headers), rows=tuple(rows))


def group_table(plan: Plan, verdict: Verdict) -> Table:
    """mIoU by the value of the tag."""
    found = [one for one in verdict.findings.values() if one.groups]
    values = list(dict.fromkeys(value for one in found for value in one.groups))
    rows = tuple(
        (one.name, *(_plain(_times(one.groups.get(value), 100), 2) for value in values))
        for one in found
    )
    return Table(headers=(f"mIoU, %, by {plan.by}", *values), rows=rows if values else ())


def change_table(plan: Plan) -> Table:
    """In what the variants differ from the control."""
    control = plan.variants[plan.control].config
    rows = []
    for name, variant in plan.variants.items():
        changes = [
            _change(key, before, after)
            for key, before, after in changed_settings(control, variant.config)
        ]
        rows.append((name, "; ".join(change for change in changes if change)))
    return Table(
        headers=("variant", "differs from the control in"),
        rows=tuple(row for row in rows if row[0] != plan.control),
    )


def _change(key: str, before: object, after: object) -> str:
    old, new = _setting(before), _setting(after)
    if key.endswith(".class"):
        key, new = key.removesuffix(".class"), new.removesuffix("Config")
        old = old.removesuffix("Config")
    if new in (old, key.rpartition(".")[2].capitalize()):
        return ""
    return f"{key} {new}" if old in ("", _NONE) else f"{key} {old} → {new}"


def macs_text(macs: float) -> str:
    """A number of multiply-accumulates with a unit."""
    unit, size = macs_unit(macs)
    return _whole(f"{macs / size:.3g} {unit}")


def macs_unit(macs: float) -> tuple[str, float]:
    """The unit for a number of multiply-accumulates, and how many of them it is."""
    units = (("PMACs", 1e15), ("TMACs", 1e12), ("GMACs", 1e9), ("MMACs", 1e6))
    return next(((unit, size) for unit, size in units if 0.9995 * size <= macs), ("MACs", 1.0))


def _whole(text: str) -> str:
    """A text that no line break parts."""
    return text.replace(" ", "\u00a0")


def _seeds(finding: Finding) -> str:
    total = len(finding.seeds) + len(finding.missing)
    return f"{len(finding.seeds)} of {total}" if finding.missing else str(total)


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return _NONE
    return _whole(f"{100 * interval.value:.2f} ± {100 * interval.half:.2f}")


def _points(interval: Interval | None) -> str:
    if interval is None:
        return _NONE
    value, low, high = (100 * part for part in (interval.value, interval.low, interval.high))
    return _whole(f"{value:+.2f} ({low:+.2f} to {high:+.2f})")


def _share(interval: Interval | None) -> str:
    if interval is None:
        return _NONE
    value, low, high = (100 * part for part in (interval.value, interval.low, interval.high))
    return _whole(f"{value:.0f} % ({low:.0f} to {high:.0f})")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _plain(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, other: float | None, factor: float, digits: int) -> str:
    return _NONE if value is None or other is None else f"{factor * (value - other):+.{digits}f}"


def _setting(value: object) -> str:
    if value is None:
        return _NONE
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or _NONE
    return f"{value:g}" if isinstance(value, float) else str(value)
