"""The same work for many jobs, in several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from .errors import ConfigError
from .hardware import core_count
from .progress import track

__all__ = ["in_processes"]

_FEW = 8
"""So many jobs are done by the time another process has started."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int | None,
    description: str,
    *,
    unit: str = "images",
) -> Generator[Result, None, None]:
    """Do jobs in several processes, behind a progress bar; results come in the order of the jobs.

    Close the iterator where it is left early (`contextlib.closing`): that ends the processes. They
    are spawned, so a script of one's own needs the usual `if __name__ == "__main__":`.

    Args:
        work: A function of a module.
        jobs: What it is called with.
        workers: How many processes; one per core where None.
        description: What is being done, in a word or two.
        unit: What a job is, for the rate.

    Raises:
        ConfigError: A process was killed.
    """
    if not jobs:
        return
    count = min(workers or core_count(), 1 + len(jobs) // _FEW)
    if count == 1:
        yield from track(map(work, jobs), total=len(jobs), description=description, unit=unit)
        return
    # Not forked: a fork beside the progress bar's thread may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        results = pool.map(work, jobs, chunksize=max(1, min(8, len(jobs) // (4 * count))))
        yield from track(results, total=len(jobs), description=description, unit=unit)
    except BrokenProcessPool as error:
        raise ConfigError(
            f"a process ended while {description}, probably for want of memory",
            fix="run it again with fewer workers: it goes on where it stopped (a script of your "
            "own must do this under `if __name__ == '__main__':`)",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes are the parallelism
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:  # a worker whose parent was killed would wait for work for ever
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
