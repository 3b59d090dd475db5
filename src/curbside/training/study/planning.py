"""From configs to a plan: what steps cost, and how many of them the budget is enough for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from ...datasets import open_mixture
from ...errors import ConfigError
from ...evaluation.scoring import check_tag
from ...hardware import core_count, cpu_model
from ..config import TrainConfig
from ..run_folder import describe
from ..serialize import changed_settings
from ..teachers import require_learnt
from .cost import Budget, Cost
from .lineage import Draft, draft_runs, steps_of
from .plan import Plan, Teacher, Variant, read_plan
from .timing import measure_seconds

__all__ = ["make_plan"]


def make_plan(
    folder: Path,
    variants: Mapping[str, TrainConfig],
    teachers: Mapping[str, TrainConfig],
    *,
    seeds: int,
    budget: Budget,
    split: str,
    by: str | None = None,
) -> Plan:
    """Plan a study, or add to the one that the folder holds.

    Args:
        folder: Where the study lies.
        variants: Runs by name, the control first. The lengths of the others follow from its own.
        teachers: Runs that only teach, by name; a config names one as `runs/NAME`.
        seeds: How many seeds, from the control's own on.
        budget: What is equal.
        split: What is scored in the end.
        by: The tag to group the scores by.

    Raises:
        ConfigError: The runs make no study, or the folder holds another one.
        DataError: Data are missing.
        LabelError: The runs do not have the same label space.
    """
    if seeds < 1 or len(variants) < 2:
        raise ConfigError(
            f"{len(variants)} run with {seeds} seeds is no comparison",
            fix="name a control, then at least one variant, and give 1 seed or more",
        )
    control = next(iter(variants))
    held = read_plan(folder)
    if held is not None:
        asked = {"budget": budget, "split": split, "by": by, "control": control}
        for key, value in asked.items():
            if (before := getattr(held, key)) != value:
                raise _another(folder, key, before)
    for name, config in {**variants, **teachers}.items():
        require_learnt(name, config, "semantic", since="a study compares by classes")
    _check_scored(variants[control], split, by)
    first = variants[control].seed
    numbers = sorted({*(held.seeds if held else ()), *range(first, first + seeds)})
    drafts, found = draft_runs(
        folder, variants, teachers, numbers[0], held.teachers if held else {}
    )
    costs = {
        name: held.variants[name].cost if held and name in held.variants else draft.cost
        for name, draft in drafts.items()
    }
    if budget == "time":
        costs = _timed(costs, drafts, control)
    amount = costs[control].spent(budget, steps_of(drafts[control].config))
    for name, cost in costs.items():
        if cost.spent(budget, 1) > amount:
            raise ConfigError(
                f"a single step of {name}, with its teachers' caches, costs"
                f" {cost.spent(budget, 1) / amount:.1f} times all that a run may",
                fix="let runs be longer, or give --budget steps",
            )
    steps = {name: cost.steps_for(budget, amount) for name, cost in costs.items()}
    validations = (
        held.validations if held else min(_validations(drafts[control].config), *steps.values())
    )
    planned = {
        name: Variant(
            config=_stretched(draft.config, steps[name], validations),
            cost=costs[name],
            needs=draft.needs,
        )
        for name, draft in drafts.items()
    }
    if held is not None:
        _check_same(folder, held, planned, found)
        planned, found = {**held.variants, **planned}, {**held.teachers, **found}
    return Plan(
        folder=folder,
        budget=budget,
        amount=amount,
        seeds=tuple(numbers),
        split=split,
        by=by,
        validations=validations,
        control=control,
        variants=planned,
        teachers=found,
        made_on=held.made_on if held else _here(drafts[control]),
    )


def _check_scored(control: TrainConfig, split: str, by: str | None) -> None:
    """Refuse early what cannot be scored late."""
    data = open_mixture(control.data.root, control.data.space)
    check_tag(list(chain(*data.samples(split))), by)


def _here(control: Draft) -> dict[str, Any]:
    """The machine, the versions and the commit that a plan is made with."""
    about = describe(control.config, control.space, {}, "")
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "processor": cpu_model(),
        "cores": core_count(),
        "gpus": gpus,
        "versions": about["versions"],
        "commit": about["commit"],
    }


def _timed(costs: Mapping[str, Cost], drafts: Mapping[str, Draft], control: str) -> dict[str, Cost]:
    """The costs with seconds; what was timed before keeps its own.

    A variant that comes later is timed beside the control, and counts by its ratio to that one: the
    machine may be another, or have other work.
    """
    new = [name for name, cost in costs.items() if cost.seconds is None]
    if not new:
        return dict(costs)
    found = measure_seconds({name: drafts[name].timed for name in dict.fromkeys([control, *new])})
    scale = (costs[control].seconds or found[control][0]) / found[control][0]
    return {
        name: replace(cost, seconds=scale * found[name][0], once_seconds=scale * found[name][1])
        if name in new
        else cost
        for name, cost in costs.items()
    }


def _validations(config: TrainConfig) -> int:
    """How often a run is scored on the way, as `fit` has it."""
    total = steps_of(config)
    every = config.validate_every
    if every is None:
        every = steps_of(replace(config, steps=None, epochs=1.0))
    return max(1, round(total / min(total, every if every >= 1 else every * total)))


def _stretched(config: TrainConfig, steps: int, validations: int) -> TrainConfig:
    """A run at another length, its schedule and its validations spread over that."""
    own = steps_of(config)
    warmup = round(config.schedule.warmup_steps * steps / own)
    count = min(validations, steps)
    return replace(
        config,
        steps=steps,
        schedule=replace(config.schedule, warmup_steps=warmup),
        validate_every=1 / count if count > 1 else float(steps),
        seed=0,
    )


def _check_same(
    folder: Path, held: Plan, planned: Mapping[str, Variant], found: Mapping[str, Teacher]
) -> None:
    """Refuse another study than the one that a folder holds."""
    pairs: list[tuple[str, TrainConfig | None, TrainConfig | None]] = [
        (name, held.variants[name].config, planned[name].config)
        for name in planned
        if name in held.variants
    ]
    pairs += [
        (name, held.teachers[name].config, found[name].config)
        for name in found
        if name in held.teachers
    ]
    for name, before, after in pairs:
        if before is None or after is None:
            if before is not after:
                raise _another(
                    folder,
                    f"teacher {name}",
                    "trained elsewhere" if before is None else "trained in it",
                )
            continue
        for key, old, _ in changed_settings(before, after, free=("name", "seed")):
            raise _another(folder, f"{key} of {name}", old)


def _another(folder: Path, what: str, before: object) -> ConfigError:
    return ConfigError(
        f"{folder} holds a study with another {what} ({before})",
        fix="choose another --out, or remove that folder to start anew",
    )
