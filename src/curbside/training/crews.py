"""Doing jobs in processes of their own: of this machine, or as tasks of Ray.

A process of this machine is `python -m PACKAGE FOLDER KEY FILE`, whose `__main__` calls `serve`: it
writes into FILE why the job failed, and stops when its standard input ends.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol

import cv2
import torch

from ..errors import CurbsideError
from ..files import write_text
from ..hardware import core_count
from ..processes import on_ray

__all__ = ["Crew", "LocalCrew", "PlanOfJobs", "RayCrew", "SomeJob", "parent_is_gone", "serve"]

PATIENCE_S = 40.0
"""So long may a job take to stop."""
_LOOK_S = 0.05


class PlanOfJobs(Protocol):
    """What jobs are of: it lies in a folder, from which a process can read it."""

    @property
    def folder(self) -> Path:
        """Where it lies."""


class SomeJob(Protocol):
    """Something to do."""

    @property
    def key(self) -> str:
        """Its folder inside the plan's."""


class Crew(AbstractContextManager["Crew"], ABC):
    """Does jobs, several at once; leaving its context ends those that are under way."""

    places: int
    """How many at once."""

    @abstractmethod
    def start(self, plan: Any, job: Any) -> None:
        """Begin a job, a `SomeJob` of a `PlanOfJobs`."""

    @abstractmethod
    def ended(self) -> tuple[str, str | None] | None:
        """A job that has ended: its key, and why it failed, None where it did not; None where all go on."""

    @abstractmethod
    def stop(self, key: str) -> None:
        """Ask a job to stop at its next step; it ends as one that failed, unless it is done by then."""

    def wait(self) -> tuple[str, str | None]:
        """Wait until a job ends; see `ended`."""
        while (found := self.ended()) is None:
            time.sleep(_LOOK_S)
        return found


class LocalCrew(Crew):
    """Processes of this machine, one per job, which share its cores and take turns on its GPUs.

    One at a time shows its progress; of several, each writes to a `.log` beside its folder.

    Args:
        places: How many at once.
    """

    package: ClassVar[str]
    """The package whose `__main__` does a job."""

    def __init__(self, places: int = 1) -> None:
        self.places = places
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._gpu_of: dict[str, str] = {}
        self._problems = tempfile.TemporaryDirectory()

    def start(self, plan: PlanOfJobs, job: SomeJob) -> None:
        folder = plan.folder / job.key
        folder.parent.mkdir(parents=True, exist_ok=True)
        alone = self.places == 1
        command = [sys.executable, "-m", self.package, str(plan.folder), job.key]
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

    def ended(self) -> tuple[str, str | None] | None:
        for key, process in self._running.items():
            code = process.poll()
            if code is not None:
                _close(process)
                del self._running[key]
                self._gpu_of.pop(key, None)
                return key, self._why(key, code)
        return None

    def stop(self, key: str) -> None:
        _close(self._running[key])

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
            _close(process)
        deadline = time.monotonic() + PATIENCE_S + 5
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._problems.cleanup()


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()


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
        self._stops: dict[str, Path] = {}

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

    @staticmethod
    @abstractmethod
    def work(plan: Any, job: Any) -> None:
        """Do a job of a plan, on one of the machines."""

    def start(self, plan: PlanOfJobs, job: SomeJob) -> None:
        stop = self._stops[job.key] = (plan.folder / f"{job.key}.stop").absolute()
        stop.unlink(missing_ok=True)
        reference = self._do.remote(type(self).work, plan, job, os.getcwd(), stop)
        self._running[reference] = job.key

    def ended(self) -> tuple[str, str | None] | None:
        if not self._running:
            return None
        found, _ = self._ray.wait(list(self._running), timeout=0)
        if not found:
            return None
        (ended, *_) = found
        key = self._running.pop(ended)
        self._stops.pop(key).unlink(missing_ok=True)
        try:
            return key, self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            return key, f"its process ended ({type(error).__name__})"

    def stop(self, key: str) -> None:
        # Not `ray.cancel`, which ends this program where the task is done at the same moment
        # (ray-project/ray#54798).
        write_text(self._stops[key], "")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._running:
            self._ray.cancel(task)
        self._connection.__exit__(kind, error, traceback)


def _do_on_ray(
    work: Callable[[Any, Any], None], plan: PlanOfJobs, job: SomeJob, folder: str, stop: Path
) -> str | None:
    """Why a job failed, None where it did not."""
    os.chdir(folder)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            if stop.exists():
                _thread.interrupt_main()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        work(plan, job)
    except KeyboardInterrupt:
        return "it was stopped"
    except CurbsideError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        done.set()
    return None


def serve(do: Callable[[], None], problem: Path) -> int:
    """Do a job in the process that a `LocalCrew` started for it.

    Args:
        do: Does it.
        problem: The file into which it is written why it failed.

    Returns:
        The exit code: 0, or another number where it failed.
    """
    if threads := int(os.environ.get("OMP_NUM_THREADS") or 0):
        cv2.setNumThreads(threads)
    # What a shell starts in the background inherits that the signal is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    # A line, without the place in the code that it came from.
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    try:
        do()
    except KeyboardInterrupt:
        return 130
    except CurbsideError as error:
        write_text(problem, str(error))
        return 2
    except Exception as error:
        write_text(problem, f"{type(error).__name__}: {error}")
        raise
    return 0


def parent_is_gone() -> bool:
    """Whether the standard input of this process has ended, so that it is to stop."""
    return bool(select.select([sys.stdin.fileno()], [], [], 0)[0])


def _stop_with_parent() -> None:
    # Returns when the other end of the pipe is closed, or gone. Not `sys.stdin`: its lock, held while
    # reading, would be copied into the processes that read pictures, which begin by closing it.
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()
    time.sleep(PATIENCE_S)
    os._exit(1)
