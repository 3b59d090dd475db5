"""Latencies: how long a stage takes, as median and high percentiles, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

__all__ = ["Latencies", "LatencySummary"]


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """What a stage took, in milliseconds."""

    count: int
    """How many times it was measured."""
    mean_ms: float
    """Mean over all of them; 0 where there was none."""
    p50_ms: float
    """Median of the most recent ones."""
    p95_ms: float
    """95th percentile of the most recent ones."""
    p99_ms: float
    """99th percentile of the most recent ones."""


class Latencies:
    """A recorder that several threads may feed.

    Args:
        window: How many of the most recent latencies the percentiles look at.
    """

    def __init__(self, *, window: int = 65_536) -> None:
        self._recent: deque[float] = deque(maxlen=window)
        self._count = 0
        self._sum_ms = 0.0
        self._lock = threading.Lock()

    def add(self, latency_ms: float) -> None:
        """Record one latency in milliseconds."""
        with self._lock:
            self._recent.append(latency_ms)
            self._count += 1
            self._sum_ms += latency_ms

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Record how long the block takes, where it ends well."""
        start = time.perf_counter()
        yield
        self.add((time.perf_counter() - start) * 1e3)

    def summary(self) -> LatencySummary:
        """Count and mean over everything, percentiles over the window."""
        with self._lock:
            recent, count, total = list(self._recent), self._count, self._sum_ms
        if not count:
            return LatencySummary(count=0, mean_ms=0.0, p50_ms=0.0, p95_ms=0.0, p99_ms=0.0)
        p50, p95, p99 = np.percentile(recent, (50, 95, 99)).tolist()
        return LatencySummary(
            count=count, mean_ms=total / count, p50_ms=p50, p95_ms=p95, p99_ms=p99
        )
