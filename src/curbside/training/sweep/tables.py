"""The trials of a sweep as texts, for the terminal, Markdown, HTML and machines."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from typing import Any

from ...evaluation.tables import Table
from .plan import Sweep
from .trials import Trial

__all__ = [
    "best_of",
    "command_line",
    "ended_line",
    "failure_lines",
    "ranked",
    "score_name",
    "trial_table",
    "trials_csv",
    "trials_json",
    "value_text",
]

_NONE = "–"


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The trials, the best complete one first, then those broken off, running ones, and failed ones."""
    order = ("complete", "pruned", "running", "failed")
    return sorted(trials, key=lambda one: (order.index(one.state), -(one.score or 0), one.number))


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best complete trial; None where there is none."""
    complete = [one for one in trials if one.state == "complete"]
    return ranked(complete)[0] if complete else None


def score_name(trials: Sequence[Trial]) -> str:
    """What the score of the trials is called."""
    return next((one.score_name for one in ranked(trials) if one.score is not None), "score")


def command_line(sweep: Sweep, trial: Trial) -> str:
    """The command that trains a trial again, quoted for a shell."""
    return shlex.join(sweep.command(trial.values))


def value_text(value: Any) -> str:
    """A value of a parameter as the command line spells it."""
    return repr(value) if isinstance(value, float) else str(value)


def trial_table(sweep: Sweep, trials: Sequence[Trial], *, narrow: bool = False) -> Table:
    """All trials by their score.

    Args:
        sweep: The sweep.
        trials: Its trials.
        narrow: Leave out of the parameters' names what is before the last dot, where that is enough to
            tell them apart.
    """
    names = [one.name for one in sweep.space.parameters]
    rows = tuple(
        (
            str(one.number),
            one.state,
            _NONE if one.score is None else f"{100 * one.score:.2f}",
            _NONE if one.step is None else str(one.step),
            _NONE if one.seconds is None else f"{one.seconds:.0f}",
            *(value_text(one.values[name]) for name in names),
        )
        for one in ranked(trials)
    )
    score = f"{score_name(trials)}, %"
    last = [name.rpartition(".")[2] for name in names]
    if narrow and len(set(last)) == len(last):
        names = last
    return Table(headers=("trial", "state", score, "best step", "seconds", *names), rows=rows)


def failure_lines(trials: Sequence[Trial]) -> list[str]:
    """Why trials failed."""
    return [f"trial {one.number} failed: {one.reason}" for one in trials if one.state == "failed"]


def ended_line(trials: Sequence[Trial], ended: Trial, total: int) -> str:
    """What is said when a trial ends."""
    done = sum(one.state != "running" for one in trials)
    parts = []
    if ended.state == "failed":
        parts.append(f"failed: {ended.reason}")
    else:
        score = "no score" if ended.score is None else f"{100 * ended.score:.2f} %"
        at = "" if ended.step is None else f" at step {ended.step}"
        parts.append(f"{ended.state}, {ended.score_name} {score}{at}")
    values = ", ".join(f"{name} {value_text(value)}" for name, value in ended.values.items())
    best = best_of(trials)
    leader = (
        ""
        if best is None or best.score is None
        else (f"; best {100 * best.score:.2f} % of trial {best.number}")
    )
    return (
        f"trial {ended.number}: {parts[0]}; {values} ({done} of {max(total, len(trials))}{leader})"
    )


def trials_csv(sweep: Sweep, trials: Sequence[Trial]) -> str:
    """All trials by their number, for machines."""
    names = [one.name for one in sweep.space.parameters]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ("trial", "state", "score", "step", "seconds", "validations", "reason")
    writer.writerow([*head, *names])
    for one in trials:
        told = (one.number, one.state, one.score, one.step, one.seconds, len(one.scores))
        writer.writerow([*told, one.reason, *(one.values[name] for name in names)])
    return text.getvalue()


def trials_json(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, Any]:
    """All trials by their score, and the best one's command, for machines."""
    best = best_of(trials)
    return {
        "sweep": str(sweep.folder),
        "space": sweep.space.to_dict(),
        "score": score_name(trials),
        "best": None if best is None else best.number,
        "command": None if best is None else command_line(sweep, best),
        "trials": [
            {
                "trial": one.number,
                "state": one.state,
                "score": one.score,
                "step": one.step,
                "seconds": one.seconds,
                "validations": list(one.scores),
                "parameters": dict(one.values),
                "reason": one.reason,
            }
            for one in ranked(trials)
        ],
    }
