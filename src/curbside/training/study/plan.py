"""The plan of a study: which runs there are, what each costs, and where it lies.

::

    study.json                     the plan
    runs/VARIANT/seed-SEED/        run folders, each with its evaluation in eval-SPLIT/
    teachers/TEACHER/              the same of teachers; of one that was there before, its evaluation
    report.json, report.md, report.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...files import read_json, write_json
from ..config import TrainConfig
from ..serialize import config_from_json, config_to_json
from .cost import Budget, Cost

__all__ = ["Job", "Plan", "Teacher", "Variant", "read_plan", "run_key", "teacher_key"]

FORMAT = "curbside-study"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A student of the study: the control, or what is compared with it."""

    config: TrainConfig
    """How it is trained, but for the seed: its length is what the budget is enough for."""
    cost: Cost
    """What a step of it costs."""
    needs: tuple[str, ...] = ()
    """Jobs that make its teachers."""

    @property
    def steps(self) -> int:
        """Length of its runs."""
        assert self.config.steps is not None
        return self.config.steps


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A teacher of the study."""

    path: Path
    """Its run folder, or weights that a run kept."""
    config: TrainConfig | None = None
    """How it is trained; None where it was there before."""
    needs: tuple[str, ...] = ()
    """Jobs that make its own teachers."""
    training_macs: float | None = None
    """What its training costs, in no student's budget; None where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something to train and score, or to score alone."""

    key: str
    """Its folder inside the study's."""
    config: TrainConfig | None
    """How to train it; None where there is nothing to train."""
    weights: Path
    """The run to score."""
    needs: tuple[str, ...]
    """Jobs that come before it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides a study."""

    folder: Path
    """Where it lies."""
    budget: Budget
    """What is equal."""
    amount: float
    """How much of that a run has: the control's own."""
    seeds: tuple[int, ...]
    """The seeds that every variant is trained with."""
    split: str
    """What is scored in the end."""
    by: str | None
    """The tag to group the scores by."""
    validations: int
    """How often a run is scored on the way; the best scoring is the one that counts."""
    control: str
    """The variant that others are compared with."""
    variants: Mapping[str, Variant]
    """The control and what is compared with it, by name."""
    teachers: Mapping[str, Teacher] = field(default_factory=dict)
    """Who teaches them, by name; a variant may teach, too."""
    made_on: Mapping[str, Any] = field(default_factory=dict)
    """The machine, the versions and the commit that made it."""

    @property
    def jobs(self) -> dict[str, Job]:
        """What there is to do by its key: teachers, then seed by seed."""
        jobs = [
            Job(
                key=teacher_key(name),
                config=None
                if teacher.config is None
                else replace(teacher.config, out=self.folder / teacher_key(name)),
                weights=teacher.path,
                needs=teacher.needs,
            )
            for name, teacher in self.teachers.items()
        ]
        for seed in self.seeds:
            for name, variant in self.variants.items():
                folder = self.folder / run_key(name, seed)
                jobs.append(
                    Job(
                        key=run_key(name, seed),
                        config=replace(variant.config, seed=seed, out=folder),
                        weights=folder,
                        needs=variant.needs,
                    )
                )
        return {job.key: job for job in jobs}

    def write(self) -> None:
        """Write `study.json`."""
        write_json(
            self.folder / "study.json",
            {
                "format": FORMAT,
                "budget": self.budget,
                "amount": self.amount,
                "seeds": list(self.seeds),
                "split": self.split,
                "by": self.by,
                "validations": self.validations,
                "control": self.control,
                "variants": {
                    name: {
                        "config": config_to_json(one.config),
                        "cost": asdict(one.cost),
                        "needs": list(one.needs),
                    }
                    for name, one in self.variants.items()
                },
                "teachers": {
                    name: {
                        "path": str(one.path),
                        "config": None if one.config is None else config_to_json(one.config),
                        "needs": list(one.needs),
                        "training_macs": one.training_macs,
                    }
                    for name, one in self.teachers.items()
                },
                "made_on": dict(self.made_on),
            },
            durable=True,
        )


def run_key(variant: str, seed: int) -> str:
    """The key of a run."""
    return f"runs/{variant}/seed-{seed}"


def teacher_key(teacher: str) -> str:
    """The key of a teacher."""
    return f"teachers/{teacher}"


_FIX = "choose another --out, or remove that folder to start anew"


def read_plan(folder: Path) -> Plan | None:
    """The plan that a folder holds; None where there is none yet.

    Raises:
        ConfigError: The folder holds something else, or a plan that cannot be read.
    """
    path = folder / "study.json"
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"{folder} is not empty and holds no study", fix="choose another --out"
            )
        return None
    data = read_json(path, error=ConfigError, fix=_FIX)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(f"{path} does not describe a study", fix=_FIX)
    try:
        return Plan(
            folder=folder,
            budget=data["budget"],
            amount=data["amount"],
            seeds=tuple(data["seeds"]),
            split=data["split"],
            by=data["by"],
            validations=data["validations"],
            control=data["control"],
            variants={
                name: Variant(
                    config=config_from_json(one["config"], where=str(path), kind=TrainConfig),
                    cost=Cost(**one["cost"]),
                    needs=tuple(one["needs"]),
                )
                for name, one in data["variants"].items()
            },
            teachers={
                name: Teacher(
                    path=Path(one["path"]),
                    config=None
                    if one["config"] is None
                    else config_from_json(one["config"], where=str(path), kind=TrainConfig),
                    needs=tuple(one["needs"]),
                    training_macs=one["training_macs"],
                )
                for name, one in data["teachers"].items()
            },
            made_on=data["made_on"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} does not describe a study ({type(error).__name__}: {error})", fix=_FIX
        ) from error
