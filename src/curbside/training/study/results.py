"""What the runs of a study came to, read from their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...evaluation.per_image import read_per_image
from ...files import read_json
from ..record import read_metrics
from .plan import Plan, run_key, teacher_key
from .work import Outcome

__all__ = ["Result", "read_results", "read_teachers"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run that was scored."""

    folder: Path
    """Its folder in the study."""
    split: str
    """What it was scored on."""
    outcome: Outcome
    """How it was trained, and its calibration."""

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """`report.json` of its evaluation."""
        path = self.folder / f"eval-{self.split}" / "report.json"
        return read_json(path, error=DataError, fix="remove result.json beside it")

    @property
    def scores(self) -> Mapping[str, Any]:
        """Its scores; see `SegmentationSummary`."""
        return self.report["scores"]

    @property
    def miou(self) -> float:
        """Its mIoU, 0..1."""
        return self.scores["miou"]

    def per_image(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Ids of the pictures and their pixel counts; see `Evaluation.per_image`."""
        return read_per_image(self.folder / f"eval-{self.split}")

    def validations(self) -> list[tuple[int, float]]:
        """Steps and mIoU of its scorings while it was trained."""
        rows = read_metrics(self.folder / "metrics.csv")
        return [(int(row["step"]), row["val/miou"]) for row in rows if "val/miou" in row]


def read_results(plan: Plan) -> dict[str, dict[int, Result]]:
    """The runs that are done, by variant and seed."""
    return {
        name: {
            seed: result
            for seed in plan.seeds
            if (result := _read(plan, run_key(name, seed))) is not None
        }
        for name in plan.variants
    }


def read_teachers(plan: Plan) -> dict[str, Result]:
    """The teachers that are scored, by name; variants that teach among them."""
    keys = {teacher_key(name): name for name in plan.teachers}
    for variant in plan.variants.values():
        keys |= {need: need.split("/")[1] for need in variant.needs if need not in keys}
    found = {name: _read(plan, key) for key, name in keys.items()}
    return {name: result for name, result in found.items() if result is not None}


def _read(plan: Plan, key: str) -> Result | None:
    outcome = Outcome.read(plan.folder / key)
    if outcome is None:
        return None
    return Result(folder=plan.folder / key, split=plan.split, outcome=outcome)
