"""Doing the jobs of a study: in processes of this machine, or as tasks of Ray."""

from __future__ import annotations

from collections.abc import Callable

from .. import crews
from ..crews import Crew
from .plan import Job, Plan
from .work import Outcome, do_job

__all__ = ["Crew", "LocalCrew", "RayCrew", "run_jobs"]


def run_jobs(plan: Plan, crew: Crew, say: Callable[[str], None]) -> dict[str, str]:
    """Do what is not done yet, each job after those it needs. One that fails stops no other, but
    those that need it.

    Args:
        plan: The study, written.
        crew: Who does it.
        say: Gets a line for every job that ends.

    Returns:
        Why jobs failed, by their keys.
    """
    jobs = plan.jobs
    done = {key for key in jobs if Outcome.read(plan.folder / key) is not None}
    waiting = {key: job for key, job in jobs.items() if key not in done}
    failed: dict[str, str] = {}
    total, running = len(waiting), 0
    while waiting or running:
        for key, job in list(waiting.items()):
            broken = next((need for need in job.needs if need in failed), None)
            if broken is not None:
                failed[key] = f"its teacher {broken} failed"
                say(f"{key}: {failed[key]}")
                del waiting[key]
            elif running < crew.places and done.issuperset(job.needs):
                crew.start(plan, waiting.pop(key))
                running += 1
        if not running:
            continue
        key, problem = crew.wait()
        running -= 1
        if problem is None:
            done.add(key)
        else:
            failed[key] = problem
        left = len(waiting) + running
        say(f"{key}: {'done' if problem is None else problem} ({total - left} of {total})")
    return failed


class LocalCrew(crews.LocalCrew):
    """Processes of this machine, one per job of a study; see `crews.LocalCrew`."""

    package = __package__


class RayCrew(crews.RayCrew):
    """Tasks of a Ray cluster, one per job of a study; see `crews.RayCrew`."""

    @staticmethod
    def work(plan: Plan, job: Job) -> None:
        do_job(plan, job)
