"""One job of a study: train a run, or go on with it, and score it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from ...datasets import open_mixture
from ...errors import DataError
from ...evaluation import evaluate, write_report
from ...files import read_json, write_json
from ...prepared import Sample
from ..calibration import calibrate
from ..fit import fit
from ..predictors import load_semantic_run_predictor
from ..record import read_metrics
from ..run_folder import read_description
from .plan import Job, Plan

__all__ = ["Outcome", "do_job", "scored_samples"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a job leaves in its folder, in `result.json`, beside the evaluation."""

    seconds: float | None
    """Training time; None where it was not trained, or not in one go."""
    device: str
    """What it was trained on, where it was trained here."""
    precision: str
    """The arithmetic of its training."""
    commit: str | None
    """The commit of the curbside that trained it."""
    best_step: int | None
    """The step whose weights were scored."""
    last_miou: float | None
    """The score of the weights of the last step on the validation split, as training took it."""
    ece: float | None
    """Expected calibration error without any temperature, at some pixels of every picture."""
    ece_scaled: float | None
    """The same with one, each half of the pictures at the temperature of the other half."""
    temperature: float | None
    """The temperature of all pictures together."""

    @classmethod
    def read(cls, folder: Path) -> Outcome | None:
        """The outcome in a job's folder; None where it is not done."""
        path = folder / "result.json"
        if not path.is_file():
            return None
        return cls(**read_json(path, error=DataError, fix="remove it: it is made again"))


def scored_samples(plan: Plan) -> list[Sample]:
    """The pictures that all runs are scored on: the control's.

    Raises:
        DataError: There is none.
    """
    data = plan.variants[plan.control].config.data
    return list(chain(*open_mixture(data.root, data.space).samples(plan.split)))


def do_job(plan: Plan, job: Job) -> None:
    """Train and score; what is done is not done again.

    Raises:
        CurbsideError: It cannot be done.
    """
    folder = plan.folder / job.key
    if Outcome.read(folder) is not None:
        return
    seconds = None
    if job.config is not None:
        result = fit(job.config)
        if result.rank:
            return
        seconds = result.seconds if result.resumed_at == 0 else None
    samples = scored_samples(plan)
    predictor = load_semantic_run_predictor(job.weights)
    found = evaluate(predictor, samples, by=plan.by)
    write_report(found, folder / f"eval-{plan.split}", predictor, samples)
    outcome = Outcome(
        seconds=seconds,
        device="" if job.config is None else _device(job.config.accelerator),
        best_step=found.source.get("step"),
        **_told(job.weights),
        **_calibration(job.weights, samples),
    )
    write_json(folder / "result.json", asdict(outcome))


def _device(accelerator: str) -> str:
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return torch.cuda.get_device_name() if on_gpu else "CPU"


def _told(weights: Path) -> dict[str, Any]:
    """What a run folder says of itself."""
    run = weights.parent.parent if weights.is_file() else weights
    about = read_description(run)
    scores = [row["val/miou"] for row in read_metrics(run / "metrics.csv") if "val/miou" in row]
    return {
        "precision": about.get("precision", ""),
        "commit": about.get("commit"),
        "last_miou": scores[-1] if scores else None,
    }


def _calibration(weights: Path, samples: list[Sample]) -> dict[str, Any]:
    try:
        found, _ = calibrate(weights, samples)
    except DataError:  # too few pictures to halve
        return dict.fromkeys(("ece", "ece_scaled", "temperature"))
    return {
        "ece": found.ece_before,
        "ece_scaled": found.ece_cross_fitted,
        "temperature": found.temperature,
    }
