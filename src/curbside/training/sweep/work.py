"""One trial: train its run, or go on with it, and say what it came to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import CurbsideError, ModelFileError
from ...files import read_json, write_json
from ..fit import fit
from ..record import read_metrics
from ..run_config import RunConfig
from ..run_folder import read_description
from ..serialize import config_from_json, config_to_json
from .locks import Hold
from .plan import Job, lock_of

__all__ = ["Outcome", "do_trial", "read_outcome", "read_scores", "write_trial"]

_FIX = "give the command of the sweep again"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial came to, or has come to so far."""

    score: float
    """Its best score, 0..1; nan where there is none."""
    step: int
    """The step of that score."""
    score_name: str
    """What the score is called."""


def write_trial(folder: Path, job: Job, config: RunConfig) -> None:
    """Write what the process of a trial reads.

    Args:
        folder: The sweep's.
        job: The trial.
        config: Its run.
    """
    about = {"parameters": dict(job.values), "config": config_to_json(config)}
    write_json(folder / f"{job.key}.json", about)


def do_trial(folder: Path, key: str, in_time: Callable[[], bool] = lambda: True) -> None:
    """Train the run of a trial.

    Args:
        folder: The sweep's.
        key: The trial's.
        in_time: Whether whoever asked for it still waits; if not, another one may be at it already.

    Raises:
        CurbsideError: It cannot be done.
        KeyboardInterrupt: Nobody waits for it.
    """
    hold = Hold(lock_of(folder, key))
    try:
        if not in_time():
            raise KeyboardInterrupt
        path = folder / f"{key}.json"
        about = read_json(path, error=CurbsideError, fix=_FIX)
        os.environ.setdefault("WANDB_RUN_GROUP", folder.absolute().name)
        result = fit(config_from_json(about["config"], where=str(path)))
        if result.rank == 0:
            score = None if math.isnan(result.best_score) else result.best_score
            told = {"score": score, "step": result.best_step, "score_name": result.score_name}
            write_json(folder / key / "result.json", told)
    finally:
        hold.release()


def read_outcome(run: Path) -> Outcome:
    """What the finished run of a trial came to."""
    data = read_json(run / "result.json", error=CurbsideError, fix=_FIX)
    score = math.nan if data["score"] is None else float(data["score"])
    return Outcome(score=score, step=data["step"], score_name=data["score_name"])


def read_scores(run: Path) -> tuple[list[float], Outcome | None]:
    """The scores of the validations of a run so far, and the best of them; none of a run that tells none
    on its way."""
    with suppress(ModelFileError):
        score = read_description(run).get("score") or {"key": "", "name": ""}
        key = str(score["key"])
        rows = [row for row in read_metrics(run / "metrics.csv") if key in row]
        values = [row[key] for row in rows]
        if values:
            best = max(range(len(rows)), key=values.__getitem__)
            step = int(rows[best]["step"])
            return values, Outcome(score=values[best], step=step, score_name=score["name"])
    return [], None
