"""Doing the trials of a sweep: several at once, broken off where they are hopeless."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ...errors import ConfigError, CurbsideError
from .. import crews
from ..crews import Crew
from .plan import Job, Sweep
from .tables import ended_line
from .trials import State, Taken, Trials
from .work import Outcome, do_trial, read_outcome, read_scores, write_trial

__all__ = ["LocalCrew", "RayCrew", "run_sweep"]

_LOOK_S = 0.2
_ASK_S = 1.0
"""So often it is asked whether somebody else's trial is to be taken over."""
_FAILURES = 3
"""So many trials may fail before one did not."""
_REASON = 200


class LocalCrew(crews.LocalCrew):
    """Processes of this machine, one per trial; see `crews.LocalCrew`."""

    package = __package__


class RayCrew(crews.RayCrew):
    """Tasks of a Ray cluster, one per trial; see `crews.RayCrew`."""

    @staticmethod
    def work(plan: Sweep, job: Job) -> None:
        do_trial(plan.folder, job.key)


@dataclass
class _UnderWay:
    """A trial that a process of ours is at."""

    taken: Taken
    began: float = field(default_factory=time.monotonic)
    seen: tuple[int, int] | None = None
    """Time and size of its metrics when they were read."""
    pruned: bool = False


def run_sweep(
    sweep: Sweep, trials: Trials, crew: Crew, total: int, say: Callable[[str], None]
) -> None:
    """Do the trials that are not done yet, together with other processes that do the same.

    Args:
        sweep: The sweep, claimed.
        trials: Its trials.
        crew: Who does them.
        total: Number of trials that there are to be, those of other processes and of earlier calls
            counted.
        say: Gets a line for every trial that ends.

    Raises:
        ConfigError: The first trials all failed.
    """
    _Doing(sweep, trials, crew, total, say).all()


class _Doing:
    def __init__(
        self, sweep: Sweep, trials: Trials, crew: Crew, total: int, say: Callable[[str], None]
    ) -> None:
        self._sweep, self._trials, self._crew = sweep, trials, crew
        self._total, self._say = total, say
        self._under_way: dict[str, _UnderWay] = {}
        self._failures = 0
        self._told_of_others = False

    def all(self) -> None:
        try:
            while self._fill():
                self._look()
                time.sleep(_LOOK_S)
        finally:
            for way in self._under_way.values():
                self._trials.spent(way.taken.job.number, time.monotonic() - way.began)

    def _fill(self) -> bool:
        """Begin trials where there is room; whether there is anything left to wait for."""
        while len(self._under_way) < self._crew.places:
            taken = self._trials.take(self._total)
            if taken is not None:
                self._begin(taken)
                continue
            if self._under_way:
                return True
            others = [one.number for one in self._trials.all() if one.state == "running"]
            if others and not self._told_of_others:
                listed = ", ".join(map(str, others))
                self._say(f"waiting for what other processes are at: trial {listed}")
                self._told_of_others = True
            if others:
                time.sleep(_ASK_S)
            return bool(others)
        return True

    def _begin(self, taken: Taken) -> None:
        job = taken.job
        if taken.again:
            self._say(f"trial {job.number}: its process is gone, it goes on here")
        try:
            config = self._sweep.config(job)
        except ConfigError as error:
            self._end(taken, "failed", reason=str(error))
            return
        way = _UnderWay(taken=taken)
        if (self._sweep.folder / job.key / "result.json").is_file():  # it was done, but not told
            self._ended(way, None)
            return
        if self._hopeless(way):
            self._end(taken, "pruned", read_scores(self._sweep.folder / job.key)[1])
            return
        write_trial(self._sweep.folder, job, config)
        self._crew.start(self._sweep, job)
        self._under_way[job.key] = way

    def _look(self) -> None:
        """Tell the scores that are new, and what has ended."""
        for key, way in self._under_way.items():
            if not way.pruned and self._hopeless(way):
                way.pruned = True
                self._crew.stop(key)
        while (found := self._crew.ended()) is not None:
            key, problem = found
            self._ended(self._under_way.pop(key), problem)

    def _hopeless(self, way: _UnderWay) -> bool:
        """Tell the new scores of a trial; whether it is to be broken off."""
        job = way.taken.job
        run = self._sweep.folder / job.key
        try:
            status = (run / "metrics.csv").stat()
        except FileNotFoundError:
            return False
        seen = (status.st_mtime_ns, status.st_size)
        if seen == way.seen:
            return False
        way.seen = seen
        return self._trials.report(job.number, read_scores(run)[0])

    def _ended(self, way: _UnderWay, problem: str | None) -> None:
        job, seconds = way.taken.job, time.monotonic() - way.began
        run = self._sweep.folder / job.key
        scores, best = read_scores(run)
        if problem is not None and not way.pruned:
            self._end(way.taken, "failed", best, seconds, problem)
            return
        self._trials.report(job.number, scores)
        if problem is not None:
            self._end(way.taken, "pruned", best, seconds)
            return
        try:
            outcome = read_outcome(run)
        except CurbsideError as error:
            self._end(way.taken, "failed", best, seconds, str(error))
            return
        if math.isnan(outcome.score):
            self._end(way.taken, "failed", None, seconds, "it was never scored")
            return
        self._end(way.taken, "complete", outcome, seconds)

    def _end(
        self,
        taken: Taken,
        state: State,
        outcome: Outcome | None = None,
        seconds: float = 0.0,
        reason: str = "",
    ) -> None:
        reason = " ".join(reason.split())
        reason = reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…"
        number = taken.job.number
        self._trials.finish(number, state, outcome, seconds=seconds, reason=reason)
        taken.hold.release()
        known = self._trials.all()
        self._say(ended_line(known, known[number], self._total))
        self._failures += state == "failed"
        worked = any(one.state in ("complete", "pruned") for one in known)
        if self._failures >= _FAILURES and not worked:
            raise ConfigError(
                f"the first {self._failures} trials all failed, the last one because {reason}",
                fix="mend that, then give the same command again",
            )
