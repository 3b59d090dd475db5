"""Doing the jobs of a study: in processes of this machine, or as tasks of Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ...errors import CurbsideError
from ...hardware import core_count
from ...processes import on_ray
from .plan import Job, Plan
from .work import Outcome, do_job

__all__ = ["PATIENCE_S", "Crew", "LocalCrew", "RayCrew", "run_jobs"]

PATIENCE_S = 40.0
"""So long may a job take to stop."""


class Crew(AbstractContextManager["Crew"], ABC):
    """Does jobs, several at once; leaving its context ends those that are under way."""

    places: int
    """How many at once."""

    @abstractmethod
    def start(self, plan: Plan, job: Job) -> None:
        """Begin a job."""

    @abstractmethod
    def wait(self) -> tuple[str, str | None]:
        """Wait until a job ends: its key, and why it failed, None where it did not."""


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


class LocalCrew(Crew):
    """Processes of this machine, one per job, which share its cores and take turns on its GPUs.

    One at a time shows its progress; of several, each writes to a `.log` beside its folder.

    Args:
        places: How many at once.
    """

    def __init__(self, places: int = 1) -> None:
        self.places = places
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._gpu_of: dict[str, str] = {}
        self._problems = tempfile.TemporaryDirectory()

    def start(self, plan: Plan, job: Job) -> None:
        folder = plan.folder / job.key
        folder.parent.mkdir(parents=True, exist_ok=True)
        alone = self.places == 1
        command = [sys.executable, "-m", __package__ or "", str(plan.folder), job.key]
        with open(os.devnull if alone else folder.with_name(f"{folder.name}.log"), "ab") as log:
            # In a session of its own, which Ctrl-C does not reach: the end of its standard input
            # tells it to stop, and comes when this process is gone, too.
            self._running[job.key] = subprocess.Popen(
                [*command, str(self._problem(job.key))],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=None if alone else log,
                env=os.environ if alone else {**os.environ, **self._share(job.key)},
                start_new_session=True,
            )

    def wait(self) -> tuple[str, str | None]:
        while True:
            for key, process in self._running.items():
                code = process.poll()
                if code is not None:
                    del self._running[key]
                    self._gpu_of.pop(key, None)
                    return key, self._why(key, code)
            time.sleep(0.05)

    def _share(self, key: str) -> dict[str, str]:
        """What makes a process keep to its part of the machine."""
        threads = min(_given_threads(), max(1, core_count() // self.places))
        gpus = _gpus()
        if len(gpus) < 2:
            return {"OMP_NUM_THREADS": str(threads)}
        busy = list(self._gpu_of.values())
        self._gpu_of[key] = min(gpus, key=busy.count)
        return {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": self._gpu_of[key]}

    def _problem(self, key: str) -> Path:
        return Path(self._problems.name) / key.replace("/", " ")

    def _why(self, key: str, code: int) -> str | None:
        if code == 0:
            return None
        with suppress(FileNotFoundError):
            return " ".join(self._problem(key).read_text(encoding="utf-8").split())
        if code < 0:
            return (
                f"its process was ended by {signal.Signals(-code).name}, maybe for want of memory"
            )
        return f"its process ended with code {code}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            assert process.stdin is not None
            process.stdin.close()
        deadline = time.monotonic() + PATIENCE_S + 5
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._problems.cleanup()


def _given_threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else core_count()


def _gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


class RayCrew(Crew):
    """Tasks of a Ray cluster, whose machines see the same folders.

    Args:
        places: How many at once.
        address: The cluster; one is started on this machine where not given.
    """

    def __init__(self, places: int = 1, address: str | None = None) -> None:
        self.places = places
        self._connection = on_ray(None, address)
        self._running: dict[Any, str] = {}

    def __enter__(self) -> RayCrew:
        self._ray = self._connection.__enter__()
        resources: Mapping[str, float] = self._ray.cluster_resources()
        machines = max(1, sum(key.startswith("node:") and "__" not in key for key in resources))
        cores = max(1, int(resources.get("CPU", 1) / machines))
        gpus = resources.get("GPU", 0)
        each = -(-self.places // machines)
        self._do = self._ray.remote(
            num_cpus=max(1, cores // each),
            num_gpus=min(1.0, gpus / self.places),
            max_calls=1,  # a fresh process for every job
            max_retries=0,
        )(_do_on_ray)
        return self

    def start(self, plan: Plan, job: Job) -> None:
        self._running[self._do.remote(plan, job, os.getcwd())] = job.key

    def wait(self) -> tuple[str, str | None]:
        (ended, *_), _ = self._ray.wait(list(self._running))
        key = self._running.pop(ended)
        try:
            return key, self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            return key, f"its process ended ({type(error).__name__})"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._running:
            self._ray.cancel(task)
        self._connection.__exit__(kind, error, traceback)


def _do_on_ray(plan: Plan, job: Job, folder: str) -> str | None:
    """Why a job failed, None where it did not."""
    os.chdir(folder)
    try:
        do_job(plan, job)
    except CurbsideError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
