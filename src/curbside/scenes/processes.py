"""Drawing in several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from ..errors import ConfigError
from ..progress import track

__all__ = ["in_processes"]

_FEW = 6
"""So many pictures are drawn before another process has started."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Job], Result], jobs: list[Job], workers: int | None, description: str
) -> Iterator[Result]:
    """Do jobs in several processes, behind a progress bar; results come in the order of the jobs.

    Args:
        work: A function of a module.
        jobs: What it is called with.
        workers: How many processes; one per core of the machine where None.
        description: What is being done, in a word or two.

    Raises:
        ConfigError: A process was killed.
    """
    count = min(workers or os.cpu_count() or 1, 1 + len(jobs) // _FEW)
    if count == 1:
        yield from track(map(work, jobs), total=len(jobs), description=description)
        return
    # Not forked: a fork beside the progress bar's thread may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        results = pool.map(work, jobs, chunksize=max(1, min(8, len(jobs) // (4 * count))))
        yield from track(results, total=len(jobs), description=description)
    except BrokenProcessPool as error:
        raise ConfigError(
            f"a process ended while {description}, probably for want of memory",
            fix="run it again with fewer workers: scenes that are there are kept",
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
