"""What a study says: every variant's scores, its difference to the control, and whether to believe it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal

from ...metrics import bootstrap_difference, bootstrap_iou_difference, bootstrap_miou
from .plan import Plan, Variant
from .results import Result, read_results, read_teachers
from .statistics import Interval, mean_interval

__all__ = ["Finding", "Verdict", "judge"]

_UNEQUAL = 0.01
"""A compute that differs by more than this share of the control's is not equal."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of a variant; scores are means over its seeds, 0..1, None where nobody knows."""

    name: str
    """The variant."""
    seeds: tuple[int, ...]
    """The seeds whose runs are done."""
    missing: tuple[int, ...]
    """Those whose are not."""
    miou: Interval | None
    """mIoU with its 95 % interval."""
    last_miou: float | None
    """mIoU of the last step on the validation split, as training took it."""
    difference: Interval | None
    """mIoU less the control's, by pairs of the same seed."""
    over: Literal["seeds", "pictures"]
    """What the intervals speak of: other seeds, or, with a single one, other pictures."""
    gap_closed: Interval | None
    """Which part of the way from the control to the teacher it has gone; the gap is taken as known."""
    gap_remark: str
    """Why that is unknown."""
    scores: Mapping[str, float | None]
    """Mean AUPRC, ECE, boundary IoU and others."""
    iou: tuple[float | None, ...]
    """IoU per class."""
    iou_difference: tuple[Interval | None, ...]
    """IoU per class less the control's, by pairs."""
    auprc: tuple[float | None, ...]
    """AUPRC per class."""
    groups: Mapping[str, float | None]
    """mIoU by the value of the tag."""
    steps: int
    """Length of a run."""
    pictures: int
    """Pictures that a run has seen."""
    macs: float
    """MACs of a run with its teachers'."""
    teachers_macs: float
    """MACs of its teachers, those of a cache among them."""
    seconds: float | None
    """Seconds of a run by the timing beforehand."""
    compute: float
    """What a run costs in relation to the control's: in seconds where the budget is time, else in MACs."""
    sentence: str
    """The verdict."""

    @property
    def equal(self) -> bool:
        """Whether it had the control's compute."""
        return abs(self.compute - 1) <= _UNEQUAL


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a study says."""

    control: str
    """The variant that others are compared with."""
    findings: Mapping[str, Finding]
    """What was found, by variant; the control first."""
    teacher: str | None
    """The best teacher, by which gaps are measured."""
    teachers: Mapping[str, float]
    """mIoU of every teacher."""
    classes: tuple[str, ...]
    """Names of the classes."""
    best: str | None
    """The variant with the highest mIoU, the control left out."""

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return asdict(self)


def judge(plan: Plan) -> Verdict:
    """Compare what is done so far.

    Args:
        plan: The study.
    """
    results, teachers = read_results(plan), read_teachers(plan)
    teacher = max(teachers, key=lambda name: teachers[name].miou, default=None)
    target = None if teacher is None else teachers[teacher].miou
    findings = {
        name: _finding(plan, name, results[name], results[plan.control], teacher, target)
        for name in plan.variants
    }
    known = [one for one in findings.values() if one.miou is not None and one.name != plan.control]
    anyone = next((one for by_seed in results.values() for one in by_seed.values()), None)
    return Verdict(
        control=plan.control,
        findings=findings,
        teacher=teacher,
        teachers={name: result.miou for name, result in teachers.items()},
        classes=() if anyone is None else tuple(c["name"] for c in anyone.report["classes"]),
        best=max(known, key=lambda one: one.miou.value if one.miou else 0.0).name
        if known
        else None,
    )


def _finding(
    plan: Plan,
    name: str,
    done: Mapping[int, Result],
    control: Mapping[int, Result],
    teacher: str | None,
    target: float | None,
) -> Finding:
    variant = plan.variants[name]
    difference = _difference(done, control) if name != plan.control else None
    closed, remark = _gap(difference, control, teacher, target)
    if name == plan.control or name == teacher:
        closed, remark = None, ""
    runs = list(done.values())
    cost = variant.cost
    missing = tuple(seed for seed in plan.seeds if seed not in done)
    pairs = [seed for seed in done if seed in control]
    compute = _compute(plan, variant) / _compute(plan, plan.variants[plan.control])
    return Finding(
        name=name,
        seeds=tuple(done),
        missing=missing,
        miou=_interval(runs),
        last_miou=_mean([run.outcome.last_miou for run in runs]),
        difference=difference,
        over="seeds" if len(runs if name == plan.control else pairs) > 1 else "pictures",
        gap_closed=closed,
        gap_remark=remark,
        scores=_scores(runs),
        iou=_by_class(runs, "iou"),
        iou_difference=_class_differences([(done[seed], control[seed]) for seed in pairs]),
        auprc=_by_class(runs, "auprc"),
        groups=_by_group(runs),
        steps=variant.steps,
        pictures=variant.steps * cost.pictures,
        macs=cost.spent("flops", variant.steps),
        teachers_macs=cost.teachers_macs(variant.steps),
        seconds=None if cost.seconds is None else cost.spent("time", variant.steps),
        compute=compute,
        sentence=_sentence(plan, name, difference, len(pairs), missing, compute),
    )


def _interval(runs: Sequence[Result]) -> Interval | None:
    if len(runs) > 1:
        return mean_interval([run.miou for run in runs])
    for run in runs:
        low, high = bootstrap_miou(run.per_image()[1])
        return Interval(value=run.miou, low=low, high=high)
    return None


def _difference(done: Mapping[int, Result], control: Mapping[int, Result]) -> Interval | None:
    """By pairs of the same seed: what a seed does to both is no difference."""
    pairs = [(run, control[seed]) for seed, run in done.items() if seed in control]
    if len(pairs) > 1:
        return mean_interval([run.miou - other.miou for run, other in pairs])
    for run, other in pairs:
        low, high = bootstrap_difference(other.per_image()[1], run.per_image()[1])
        return Interval(value=run.miou - other.miou, low=low, high=high)
    return None


def _gap(
    difference: Interval | None,
    control: Mapping[int, Result],
    teacher: str | None,
    target: float | None,
) -> tuple[Interval | None, str]:
    """Which part of the gap is closed, or why nobody can say."""
    alone = _interval(list(control.values()))
    if target is None:
        return None, "no teacher is scored"
    if difference is None or alone is None:
        return None, "runs are missing"
    gap = target - alone.value
    if gap <= alone.half:
        return None, (
            f"the gap from the control to {teacher}, {100 * gap:+.2f} points, is not beyond the "
            f"control's own ± {100 * alone.half:.2f}"
        )
    return Interval(
        value=difference.value / gap, low=difference.low / gap, high=difference.high / gap
    ), ""


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _scores(runs: Sequence[Result]) -> dict[str, float | None]:
    names = ("mean_auprc", "ece", "mean_boundary_iou", "pixel_accuracy", "mean_accuracy")
    found = {name: _mean([run.scores.get(name) for run in runs]) for name in names}
    return {
        **found,
        "ece_scaled": _mean([run.outcome.ece_scaled for run in runs]),
        "temperature": _mean([run.outcome.temperature for run in runs]),
    }


def _by_class(runs: Sequence[Result], score: str) -> tuple[float | None, ...]:
    columns = zip(*([item[score] for item in run.report["classes"]] for run in runs), strict=True)
    return tuple(_mean(column) for column in columns)


def _class_differences(pairs: Sequence[tuple[Result, Result]]) -> tuple[Interval | None, ...]:
    ious = [([c["iou"] for c in run.report["classes"]] for run in pair) for pair in pairs]
    by_class = [
        [one - other for one, other in values if one is not None and other is not None]
        for values in zip(*(zip(*pair, strict=True) for pair in ious), strict=True)
    ]
    if len(pairs) == 1:
        ((run, other),) = pairs
        ends = bootstrap_iou_difference(other.per_image()[1], run.per_image()[1])
        return tuple(
            Interval(value=known[0], low=float(low), high=float(high)) if known else None
            for known, low, high in zip(by_class, *ends, strict=True)
        )
    return tuple(mean_interval(known) if len(known) > 1 else None for known in by_class)


def _by_group(runs: Sequence[Result]) -> dict[str, float | None]:
    groups = [{g["value"]: g["summary"]["miou"] for g in run.report["groups"]} for run in runs]
    values = dict.fromkeys(chain(*groups))
    return {value: _mean([group.get(value) for group in groups]) for value in values}


def _compute(plan: Plan, variant: Variant) -> float:
    return variant.cost.spent("time" if plan.budget == "time" else "flops", variant.steps)


def _sentence(
    plan: Plan,
    name: str,
    difference: Interval | None,
    pairs: int,
    missing: Sequence[int],
    compute: float,
) -> str:
    if name == plan.control:
        said = f"{name} is the control."
    elif difference is None:
        said = f"{name} cannot be compared with {plan.control} yet."
    else:
        points = [100 * value for value in (difference.value, difference.low, difference.high)]
        found = "{:+.2f} points of mIoU (95 % interval {:+.2f} to {:+.2f}".format(*points)
        over = f"over {pairs} seeds" if pairs > 1 else "over the pictures, with one seed"
        if difference.low > 0:
            how = f"is better than {plan.control}"
        elif difference.high < 0:
            how = f"is worse than {plan.control}"
        else:
            how = f"is not distinguishable from {plan.control} with {'these seeds' if pairs > 1 else 'this seed'}"
        said = f"{name} {how}: {found} {over})."
        if pairs == 1:
            said += " Another seed can turn that: only several tell."
    if abs(compute - 1) > _UNEQUAL:
        said += f" It had {compute:.2f} times the control's compute."
    if missing:
        said += f" Its runs with the seeds {', '.join(map(str, missing))} are missing."
    return said
