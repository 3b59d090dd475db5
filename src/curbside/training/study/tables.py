"""The tables of a study as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.tables import Table
from ..config import TrainConfig
from ..serialize import changed_settings
from .cost import Budget, Cost
from .plan import Plan
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
    "quality_table",
    "summary_table",
    "teacher_table",
]

_SPENT = {"flops": "compute", "time": "time", "steps": "compute"}
_NONE = "–"


def plan_table(plan: Plan) -> Table:
    """Length and compute of a run of every variant."""
    timed = plan.budget == "time"
    unit: Budget = "time" if timed else "flops"
    control = plan.variants[plan.control]
    whole = control.cost.spent(unit, control.steps)
    rows = []
    for name, variant in plan.variants.items():
        cost, steps = variant.cost, variant.steps
        rows.append(
            (
                name,
                f"{steps:,}",
                f"{steps * cost.pictures:,}",
                macs_text(cost.spent("flops", steps)),
                _teaching(cost, steps),
                *((f"{cost.spent('time', steps):,.1f}",) if timed else ()),
                f"{cost.spent(unit, steps) / whole:.2f}",
            )
        )
    seconds = ("seconds, as timed",) if timed else ()
    return Table(
        headers=(
            "variant",
            "steps",
            "pictures",
            "compute",
            "its teachers' part",
            *seconds,
            "× control",
        ),
        rows=tuple(rows),
    )


def _teaching(cost: Cost, steps: int) -> str:
    """How the teachers teach, and which part of the compute they take."""
    kinds = [kind for kind, macs in (("online", cost.teacher), ("cached", cost.once)) if macs]
    share = cost.teachers_macs(steps) / cost.spent("flops", steps)
    return f"{100 * share:.0f} %, {' and '.join(kinds)}" if kinds else _NONE


def summary_table(plan: Plan, verdict: Verdict) -> Table:
    """The verdict in numbers: what fits on a terminal."""
    return Table(
        headers=(
            "variant",
            "mIoU, %",
            "points over control",
            f"gap to {verdict.teacher} closed" if verdict.teacher else "gap closed",
            "seeds",
            "steps",
            f"{_SPENT[plan.budget]} × control",
        ),
        rows=tuple(
            (
                one.name,
                _percent(one.miou),
                _points(one.difference),
                _share(one.gap_closed),
                _seeds(one),
                f"{one.steps:,}",
                f"{one.compute:.2f}",
            )
            for one in verdict.findings.values()
        ),
    )


def quality_table(plan: Plan, verdict: Verdict) -> Table:
    """The other scores of every variant."""
    scores = (("mean_auprc", 3), ("mean_boundary_iou", 3), ("ece", 4), ("ece_scaled", 4))
    return Table(
        headers=(
            "variant",
            "AUPRC",
            "boundary IoU",
            "ECE",
            "ECE, scaled",
            f"mIoU of the last step on {plan.variants[plan.control].config.data.val_split}, %",
            f"{_SPENT[plan.budget]} × control",
        ),
        rows=tuple(
            (
                one.name,
                *(_plain(one.scores[key], digits) for key, digits in scores),
                _plain(_times(one.last_miou, 100), 2),
                f"{one.compute:.2f}",
            )
            for one in verdict.findings.values()
        ),
    )


def teacher_table(plan: Plan, verdict: Verdict) -> Table:
    """The teachers: their score and what their training cost, which is in no student's budget."""
    rows = []
    for name, miou in verdict.teachers.items():
        teacher = plan.teachers.get(name)
        macs = None if teacher is None else teacher.training_macs
        made = "a variant of the study" if teacher is None else str(teacher.path)
        rows.append((name, f"{100 * miou:.2f}", _some(macs), made))
    headers = ("teacher", "mIoU, %", "its own training, in no budget", "from")
    return Table(headers=headers, rows=tuple(rows))


def cost_table(plan: Plan) -> Table:
    """What a step costs."""
    costs = {name: variant.cost for name, variant in plan.variants.items()}
    columns = {
        "pictures a step": [str(cost.pictures) for cost in costs.values()],
        "student, forward": [macs_text(cost.student) for cost in costs.values()],
        "adapters and losses, forward": [_some(cost.losses) for cost in costs.values()],
        "teachers, forward": [_some(cost.teacher) for cost in costs.values()],
        "a step": [macs_text(cost.macs) for cost in costs.values()],
        "once, for caches": [_some(cost.once) for cost in costs.values()],
        "seconds a step": [_plain(cost.seconds, 3) for cost in costs.values()],
    }
    shown = {header: cells for header, cells in columns.items() if set(cells) != {_NONE}}
    return Table(headers=("variant", *shown), rows=tuple(zip(costs, *shown.values(), strict=True)))


def _some(macs: float | None) -> str:
    return macs_text(macs) if macs else _NONE


def class_table(verdict: Verdict) -> Table:
    """IoU and AUPRC class by class: the control's, and the differences to it, Δ."""
    control = verdict.findings[verdict.control]
    others = [one for one in verdict.findings.values() if one is not control and one.iou]
    headers = ["class", f"{control.name}: IoU, %", "AUPRC"]
    for one in others:
        headers += [f"{one.name}: Δ IoU", "Δ AUPRC"]
    rows = []
    for index, name in enumerate(verdict.classes if control.iou else ()):
        row = [name, _plain(_times(control.iou[index], 100), 1), _plain(control.auprc[index], 3)]
        for one in others:
            paired = one.iou_difference[index]
            row.append(_NONE if paired is None else f"{100 * paired.value:+.1f}")
            row.append(_signed(one.auprc[index], control.auprc[index], 3))
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
    return Table(
        headers=("variant", "differs from the control in"),
        rows=tuple(
            (name, _changes(control, variant.config))
            for name, variant in plan.variants.items()
            if name != plan.control
        ),
    )


def _changes(control: TrainConfig, config: TrainConfig) -> str:
    """The settings that differ; those of a part that is of another kind, a loss say, behind its name."""
    said: dict[str, str] = {}
    inside: dict[str, list[str]] = {}
    for key, before, after in changed_settings(control, config, free=("name", "seed")):
        old, new = _setting(before), _setting(after)
        part = next((part for part in inside if key.startswith(f"{part}.")), None)
        if key.endswith(".class"):
            key, old, new = key.removesuffix(".class"), _kind(old), _kind(new)
            if new == key.rpartition(".")[2].capitalize():  # there is one kind only
                continue
            inside[key] = []
        elif part is not None:
            inside[part] += [f"{key.removeprefix(f'{part}.')} {new}"] if new != _NONE else []
            continue
        if new != old:
            said[key] = f"{key} {new}" if old == _NONE else f"{key} {old} → {new}"
    return "; ".join(
        f"{text}: {', '.join(inside[key])}" if inside.get(key) else text
        for key, text in said.items()
    )


def _kind(name: str) -> str:
    return name.removesuffix("Config")


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


def _signed(value: float | None, other: float | None, digits: int) -> str:
    return _NONE if value is None or other is None else f"{value - other:+.{digits}f}"


def _setting(value: object) -> str:
    if value is None:
        return _NONE
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or _NONE
    return f"{value:g}" if isinstance(value, float) else str(value)
