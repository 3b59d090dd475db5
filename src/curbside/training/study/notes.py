"""What must be said beside the numbers of a study, and exactly what was measured on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .plan import Plan
from .results import read_results
from .tables import macs_text
from .verdict import Verdict

__all__ = ["measured_on", "notes"]


def notes(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> list[str]:
    """Sentences: what is equal and what is not, what the intervals mean, how weights were chosen.

    Args:
        plan: The study.
        verdict: What it says.
        failed: Why jobs failed, by their keys.
    """
    found = [_budget(plan)]
    unequal = [one for one in verdict.findings.values() if not one.equal]
    if unequal:
        listed = ", ".join(f"{one.name} {one.compute:.2f}" for one in unequal)
        found.append(f"The compute is not equal. In times the control's: {listed}.")
    found += [_intervals(plan, verdict), _selection(plan)]
    remarks = dict.fromkeys(one.gap_remark for one in verdict.findings.values() if one.gap_remark)
    found += [f"No share of the gap is given where {remark}." for remark in remarks]
    found.append(
        "ECE is over 15 bins, scaled: with a temperature, each half of the pictures at the one that"
        " was fitted on the other half."
    )
    if any(variant.cost.teacher for variant in plan.variants.values()):
        found.append(
            "The training of teachers is in no student's budget; the table of teachers says what it cost."
        )
    found += _on_depth(plan)
    found += [f"Failed: {key}: {problem}." for key, problem in failed.items()]
    return found


def _budget(plan: Plan) -> str:
    control = plan.variants[plan.control]
    macs = (
        "multiply-accumulates of convolutions and matrix products, 3 forward passes for a student's"
        " step, 1 for every teacher beside it, and all those behind a cache"
    )
    lengths = ", ".join(f"{one.steps:,} of {name}" for name, one in plan.variants.items())
    if plan.budget == "flops":
        return (
            f"Equal compute: every run may cost what the control's does, {macs_text(plan.amount)} ({macs})."
            f" That is enough for these steps: {lengths}."
        )
    if plan.budget == "time":
        return (
            f"Equal time: every run may take what the control's does, {plan.amount:,.0f} seconds by steps"
            f" that were timed in turns beforehand on {plan.made_on['processor']}, making caches included."
            f" That is enough for these steps: {lengths}."
        )
    return (
        f"Equal steps, {control.steps:,}, whatever they cost: the column of the compute says how much"
        f" that differs ({macs})."
    )


def _intervals(plan: Plan, verdict: Verdict) -> str:
    others = len(plan.variants) - 1
    chance = 100 * (1 - 0.95**others)
    together = (
        f" With {others} comparisons, one whose interval leaves out zero by chance alone is to be"
        f" expected in {chance:.0f} of 100 such studies."
        if others > 1
        else ""
    )
    if all(one.over == "pictures" for one in verdict.findings.values()):
        return (
            "± and brackets are 95 % intervals by the bootstrap over pictures, as there is one seed: they"
            f" say nothing of other seeds.{together}"
        )
    return (
        "± and brackets are 95 % intervals by Student's t over the seeds, differences in pairs of the same"
        f" seed: they speak of other seeds on these pictures.{together}"
    )


def _selection(plan: Plan) -> str:
    control = plan.variants[plan.control].config
    on = control.data.val_split
    said = f"Scored are the weights of the best of {plan.validations} validations on {on}, of every run"
    if on == plan.split:
        said += ": on the same pictures, so all are flattered, and alike"
    return f"{said}."


def _on_depth(plan: Plan) -> list[str]:
    """What is to be said where runs learn depth beside classes."""
    deep = [name for name, one in plan.variants.items() if "depth" in one.config.targets]
    if not deep:
        return []
    return [
        f"Depth is not judged, though {' and '.join(deep)} learn{'s' if len(deep) == 1 else ''} it: all"
        " scores are of classes, while the best of such a run's validations is the one with the highest"
        " mean of classes and depth. The compute counts both."
    ]


def measured_on(plan: Plan) -> dict[str, str]:
    """What was measured on what, in words."""
    control = plan.variants[plan.control].config
    data = control.data
    runs = [run for by_seed in read_results(plan).values() for run in by_seed.values()]
    outcomes = [run.outcome for run in runs]
    made = plan.made_on
    trained, scored = (
        _listed(found)
        for found in (
            [one.precision for one in outcomes],
            [run.report["precision"] for run in runs],
        )
    )
    said = {
        "recipes": _listed(
            [
                name if name == variant.config.name else f"{name}: {variant.config.name}"
                for name, variant in plan.variants.items()
                if variant.config.name != f"{control.name}-{name}"  # the control taught
            ]
        ),
        "network": _listed([variant.config.model.title for variant in plan.variants.values()]),
        "data": f"{', '.join(map(str, data.root))}; learned from {data.train_split}, scored on"
        f" {plan.split}",
        "images": _listed([str(run.report["images"]) for run in runs]),
        "crop": f"{data.crop_hw[1]} x {data.crop_hw[0]} pixels, batch {data.batch_size}",
        "network input": f"{data.eval_hw[1]} x {data.eval_hw[0]} pixels; scored at the size of the"
        " masks",
        "seeds": ", ".join(map(str, plan.seeds)),
        "precision": f"training {trained}, scoring {scored}",
        "planned on": ", ".join([made["processor"], f"{made['cores']} cores", *made["gpus"]]),
        "trained on": _listed([one.device for one in outcomes]),
        "scored on": _listed([run.report["hardware"] for run in runs]),
        "commit": _listed([one.commit or "unknown" for one in outcomes]),
        "versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
    }
    return {key: value for key, value in said.items() if value}


def _listed(values: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
