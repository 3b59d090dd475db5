"""How the cores are shared out: one place decides every thread count of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2

from ..hardware import thread_count

__all__ = ["CorePlan", "opencv_on_one_core", "plan_cores"]

_MOST_WORKERS = 4  # each worker holds a network's activations in memory: about 0.1 GB at 512x512


@dataclass(frozen=True, kw_only=True)
class CorePlan:
    """How many networks run at once, and on how many threads each."""

    workers: int
    """Frames that are in the network at the same time."""
    threads: int
    """Threads that each of them uses."""


def plan_cores(threads: int | None, *, live: bool) -> CorePlan:
    """Share `threads` between networks.

    A live source wants the newest frame soonest: one network on all threads. A file wants all its
    frames soonest: several networks on few threads each, since splitting one small convolution over
    threads wastes part of every one of them; two to four, as many as leave the fewest threads idle.

    Args:
        threads: Threads for the networks in all; all cores where None.
        live: Whether the source is live.

    Raises:
        ConfigError: Fewer than one thread.
    """
    total = thread_count(threads)
    workers = 1
    if not live and total > 1:
        several = range(2, min(total, _MOST_WORKERS) + 1)
        workers = max(several, key=lambda count: (count * (total // count), count))
    return CorePlan(workers=workers, threads=total // workers)


@contextmanager
def opencv_on_one_core() -> Iterator[None]:
    """Keep OpenCV's own threads away while a network uses the cores: two thread pools fight.

    Several may ask for it at once; the last to leave gives OpenCV its threads back.
    """
    with _opencv.lock:
        if not _opencv.asked:
            _opencv.threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv.asked += 1
    try:
        yield
    finally:
        with _opencv.lock:
            _opencv.asked -= 1
            if not _opencv.asked:
                cv2.setNumThreads(_opencv.threads)


class _OpenCVThreads:
    """How many ask for one core, and the threads that OpenCV had before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked = self.threads = 0


_opencv = _OpenCVThreads()
