"""The trials of a sweep in Optuna's storage, which several processes share."""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import ConfigError, MissingDependencyError
from .locks import Hold, locked
from .plan import Claim, Job, Sweep, lock_of, trial_key, without_password
from .space import Choices, Parameter, Values
from .work import Outcome

__all__ = ["State", "Taken", "Trial", "Trials"]

State = Literal["running", "complete", "pruned", "failed"]

_STARTUP = 5
"""So many trials are drawn by chance before the sampler and the pruner know enough."""
_FEW = 4
"""Of so many complete trials and fewer nothing is said about importance."""
_GOOD = 5
"""So many of the best are compared with the others, unless that is more than half or a tenth is more."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial as it stands."""

    number: int
    """From 0."""
    state: State
    """How it goes, or went."""
    values: Values
    """Its parameters."""
    scores: tuple[float, ...] = ()
    """Those of its validations, as far as they were told."""
    score: float | None = None
    """The best one."""
    step: int | None = None
    """The step of that."""
    score_name: str = "score"
    """What it is called."""
    seconds: float | None = None
    """What it took, over all processes that ended."""
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A trial that is this process's to do, as long as it holds it."""

    job: Job
    """The trial."""
    hold: Hold
    """Says that somebody is at work on it."""
    again: bool
    """Whether another process began it, and is gone."""


class Trials:
    """The trials of a sweep.

    Args:
        sweep: The sweep, claimed.
        claim: What `Sweep.claim` gave.

    Raises:
        ConfigError: The storage cannot be opened, or holds another sweep of this name.
        MissingDependencyError: Optuna is not installed.
    """

    def __init__(self, sweep: Sweep, claim: Claim) -> None:
        self._sweep = sweep
        self._optuna = optuna = _optuna()
        self._pruner = {
            "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=_STARTUP),
            "hyperband": optuna.pruners.HyperbandPruner,
            "none": optuna.pruners.NopPruner,
        }[sweep.pruner]()
        self._distributions = {
            one.name: _distribution(optuna, one) for one in sweep.space.parameters
        }
        with self._alone():
            self._study = self._open(claim)

    def _alone(self) -> Any:
        return locked(self._sweep.folder / "sweep.lock")

    def _open(self, claim: Claim) -> Any:
        optuna, url = self._optuna, self._sweep.storage
        try:
            study = optuna.create_study(
                storage=url or _journal(optuna, self._sweep.folder / "study.journal"),
                study_name=claim.name,
                direction="maximize",
                sampler=optuna.samplers.RandomSampler(),  # it proposes nothing, see `_propose`
                pruner=self._pruner,
                load_if_exists=True,
            )
            known = study.user_attrs.get("curbside")
            if known is None and not study.get_trials(deepcopy=False):
                study.set_user_attr("curbside", claim.id)
                known = claim.id
        except Exception as error:
            if url is None:
                raise
            secret = url.partition("://")[2].rpartition("@")[0]
            text = str(error).replace(secret, "***") if secret else str(error)
            raise ConfigError(
                f"the storage {without_password(url)} cannot be opened"
                f" ({type(error).__name__}: {' '.join(text.split())[:160]})",
                fix="give the URL of a database that is there, with its driver installed, such as"
                " sqlite:///FILE; or no --storage",
            ) from error
        if known != claim.id:
            raise ConfigError(
                f"the storage holds another sweep of the name {claim.name}",
                fix="choose an --out with another name",
            )
        return study

    def take(self, total: int) -> Taken | None:
        """A trial to do: one whose process is gone, else a new one; None where there is none to be had.

        Args:
            total: Number of trials that the sweep is to have.
        """
        folder = self._sweep.folder
        with self._alone():
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                if _state(trial) == "running":
                    hold = Hold.of_nobody(lock_of(folder, trial_key(trial.number)))
                    if hold is not None:
                        job = self._sweep.job(trial.number, trial.params)
                        return Taken(job=job, hold=hold, again=True)
            if len(trials) >= total:
                return None
            number = len(trials)
            # Held before it is there: nobody sees it without.
            hold = Hold(lock_of(folder, trial_key(number)))
            values = self._propose(trials)
            trial = self._optuna.trial.create_trial(
                state=self._optuna.trial.TrialState.RUNNING,
                params=values,
                distributions=self._distributions,
            )
            self._study.add_trial(trial)
            return Taken(job=self._sweep.job(number, values), hold=hold, again=False)

    def _propose(self, trials: Sequence[Any]) -> dict[str, Any]:
        """The next point, by a sampler that knows all trials, and is seeded by their number."""
        optuna, sweep = self._optuna, self._sweep
        seed = int(np.random.SeedSequence([len(trials), sweep.seed]).generate_state(1)[0])
        if sweep.sampler == "random":
            sampler = optuna.samplers.RandomSampler(seed=seed)
        else:
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=_STARTUP, constant_liar=True
            )
        # In a copy: what a process that is killed meanwhile leaves there is nobody's trial.
        copy = optuna.create_study(
            study_name=self._study.study_name,
            direction="maximize",
            sampler=sampler,
            pruner=self._pruner,
        )
        copy.add_trials(trials)
        drawn = copy.ask(self._distributions).params
        values = {one.name: one.tidy(drawn[one.name]) for one in sweep.space.parameters}
        points = sweep.space.points()
        if points is not None:
            tried = [trial.params for trial in trials]
            left = [point for point in points if point not in tried]
            if values not in left and left:
                values = left[np.random.default_rng(seed).integers(len(left))]
        return values

    def report(self, number: int, scores: Sequence[float]) -> bool:
        """Tell the scores of a trial so far, under the number of their validation; told ones are not told
        again.

        Returns:
            Whether the trial is to be broken off.
        """
        trial = self._trial(number)
        told = self._study.get_trials(deepcopy=False)[number].intermediate_values
        for index, score in enumerate(scores):
            if index not in told and math.isfinite(score):
                trial.report(score, index)
        return bool(scores) and trial.should_prune()

    def finish(
        self,
        number: int,
        state: State,
        outcome: Outcome | None = None,
        *,
        seconds: float = 0.0,
        reason: str = "",
    ) -> None:
        """Tell how a trial ended.

        Args:
            number: The trial.
            state: How.
            outcome: What it came to; needed of a complete one.
            seconds: What it took here.
            reason: Why it failed.
        """
        states = self._optuna.trial.TrialState
        trial = self._trial(number)
        trial.set_user_attr("seconds", self.seconds(number) + seconds)
        if outcome is not None:
            trial.set_user_attr("step", outcome.step)
            trial.set_user_attr("score_name", outcome.score_name)
        if reason:
            trial.set_user_attr("reason", reason)
        if state == "complete":
            assert outcome is not None
            self._study.tell(number, outcome.score, skip_if_finished=True)
        else:
            how = states.PRUNED if state == "pruned" else states.FAIL
            self._study.tell(number, state=how, skip_if_finished=True)

    def seconds(self, number: int) -> float:
        """What a trial took so far."""
        return float(self._study.get_trials(deepcopy=False)[number].user_attrs.get("seconds", 0.0))

    def spent(self, number: int, seconds: float) -> None:
        """Note what a trial that is left for later took."""
        self._trial(number).set_user_attr("seconds", self.seconds(number) + seconds)

    def _trial(self, number: int) -> Any:
        found = self._study.get_trials(deepcopy=False)[number]
        return self._optuna.trial.Trial(self._study, found._trial_id)

    def all(self) -> list[Trial]:
        """Every trial as it stands, by its number."""
        return [_read(trial) for trial in self._study.get_trials(deepcopy=False)]

    def importances(self) -> dict[str, float] | str:
        """Which share each parameter has in what is good, by PED-ANOVA; or why that cannot be said.

        Source: Watanabe et al. 2023, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
        Arbitrary Subspaces.
        """
        complete = [trial for trial in self.all() if trial.state == "complete"]
        if len(self._distributions) < 2:
            return "There is one parameter alone, so none is more important than another."
        if len(complete) <= _FEW:
            return f"{len(complete)} complete trials are too few to say which parameter matters."
        if len({trial.score for trial in complete}) == 1:
            return "All complete trials have the same score, so no parameter matters."
        # What tells the best tenth from the rest; of one or two good trials it would tell anything.
        best = max(0.1, min(0.5, _GOOD / len(complete)))
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items()}


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError("optuna", extra="sweep") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _journal(optuna: Any, path: Path) -> Any:
    journal = optuna.storages.journal

    class Lock:
        """Optuna's own lock stays where its process was killed; the system takes this one back."""

        def acquire(self) -> bool:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            _drop_torn_line(self._file)
            return True

        def release(self) -> None:
            os.close(self._file)

    return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=Lock()))


def _drop_torn_line(file: int) -> None:
    """Cut off what a process that was killed has written of a line, where the next would be added."""
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return
    whole = 0
    for start in range(size - 1, -1, -4096):
        begin = max(0, start - 4095)
        found = os.pread(file, start + 1 - begin, begin).rfind(b"\n")
        if found >= 0:
            whole = begin + found + 1
            break
    os.ftruncate(file, whole)


def _distribution(optuna: Any, one: Parameter) -> Any:
    kinds = optuna.distributions
    if isinstance(one, Choices):
        return kinds.CategoricalDistribution(one.texts)
    if one.integer:
        step = 1 if one.step is None else int(one.step)
        return kinds.IntDistribution(int(one.low), int(one.high), log=one.log, step=step)
    return kinds.FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _state(trial: Any) -> State:
    states: Mapping[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return states.get(trial.state.name, "running")


def _read(trial: Any) -> Trial:
    scores = tuple(trial.intermediate_values[i] for i in sorted(trial.intermediate_values))
    state, about = _state(trial), trial.user_attrs
    best = trial.value if state == "complete" else max(scores, default=None)
    return Trial(
        number=trial.number,
        state=state,
        values=dict(trial.params),
        scores=scores,
        score=best,
        step=about.get("step"),
        score_name=about.get("score_name", "score"),
        seconds=about.get("seconds"),
        reason=about.get("reason", ""),
    )
