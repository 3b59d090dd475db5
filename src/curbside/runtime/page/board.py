"""The newest picture of a running pipeline and the facts about it, put up without ever waiting.

Facts are a mapping of JSON values, every one of which may be missing; `live_facts` makes them:

================  ===============================================================================
`title`           heading of the page
`source`          what plays, in words, without passwords
`model`           the networks in words
`precision`       what their arithmetic runs in
`fps`             frames per second over the last ones
`age_ms`          from captured to shown, of this picture
`frames`          frames shown
`dropped`         frames that a newer one replaced
`late`            frames over the latency budget
`stages`          by stage: `{"count", "mean_ms", "p50_ms", "p95_ms", "p99_ms"}`
`objects`         number of objects by class
`shares`          share of the picture by class, 0..1
`fault_counts`    faults by stage
`faults`          the latest ones, newest first: `{"stage", "frame", "message", "action", "at_s"}`
`recording`       the file that is recorded to; null while none is
================  ===============================================================================

Who reads them also finds `picture`, the number of the picture that was put up, and `since_ms`, how
long ago that was: a camera that stands still shows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ...errors import ConfigError
from ..events import json_value

__all__ = ["Board", "BoardConfig", "Doorbell", "Posted"]

Facts = Mapping[str, Any]

_FACTS_S = 0.2
"""Facts that must be made are not made more often than this, however many ask."""


@dataclass(frozen=True, kw_only=True)
class BoardConfig:
    """How pictures become JPEG files.

    Raises:
        ConfigError: A number is out of its range.
    """

    fps: float = 15.0
    """At most so many pictures per second."""
    quality: int = 80
    """Of the JPEG files, 1..100."""
    max_width: int = 960
    """Wider pictures are made this wide, in pixels; others keep their size."""

    def __post_init__(self) -> None:
        if not 0 < self.fps < float("inf"):
            raise ConfigError(
                f"a page cannot show {self.fps:g} pictures per second",
                fix="give a number above 0, such as 15",
            )
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"a JPEG quality of {self.quality} is none", fix="give 1 to 100")
        if self.max_width < 1:
            raise ConfigError(
                f"a picture cannot be {self.max_width} pixels wide",
                fix="give a number above 0, such as 960",
            )


class Posted(NamedTuple):
    """A picture that was put up."""

    number: int
    """Counts the pictures, from 0."""
    picture_bgr: np.ndarray
    """(H, W, 3) uint8."""
    facts: Facts | Callable[[], Facts]
    """What there is to say of it, or what makes that."""
    at_s: float
    """When, by `time.monotonic`."""


class Doorbell:
    """Wakes one thread; ringing takes no lock and never waits."""

    def __init__(self) -> None:
        self._quiet = threading.Lock()
        self._quiet.acquire()

    def ring(self) -> None:
        """Wake who waits, or who waits next."""
        if self._quiet.locked():  # else it rings already
            with suppress(RuntimeError):  # somebody else was quicker
                self._quiet.release()

    def wait(self, timeout_s: float) -> None:
        """Wait until it rings, at most so long."""
        self._quiet.acquire(timeout=timeout_s)


class Board:
    """Where a running pipeline puts its newest picture, for whoever looks.

    Only the newest is kept: who was slow finds that one, and nothing queues.

    Args:
        config: How pictures become JPEG files; that is done by who looks.
    """

    def __init__(self, config: BoardConfig | None = None) -> None:
        self.config = config or BoardConfig()
        self._numbers = count()
        self._newest: Posted | None = None
        self._bells: tuple[Doorbell, ...] = ()
        self._reading = threading.Lock()
        self._made: Facts = {}
        self._made_s = float("-inf")

    def publish(self, picture_bgr: np.ndarray, facts: Facts | Callable[[], Facts]) -> None:
        """Put up a picture, which nobody may change any more; only a reference is kept.

        Args:
            picture_bgr: (H, W, 3) uint8; its size may change.
            facts: What there is to say of it, see above. What takes time to find out is better given
                as a function: it is called on a thread of the page's, and only when somebody asks.

        Raises:
            ValueError: The picture is none.
        """
        shape = picture_bgr.shape
        if picture_bgr.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"a picture must be (H, W, 3) uint8, not {shape} {picture_bgr.dtype}")
        self._newest = Posted(next(self._numbers), picture_bgr, facts, time.monotonic())
        for bell in self._bells:
            bell.ring()

    @property
    def newest(self) -> Posted | None:
        """The picture that is up; None before the first."""
        return self._newest

    def facts(self) -> dict[str, Any]:
        """The facts of the newest picture as JSON values; of none before the first."""
        posted = self._newest
        if posted is None:
            return {"picture": None, "since_ms": None}
        facts = self._fresh(posted.facts) if callable(posted.facts) else posted.facts
        since_ms = (time.monotonic() - posted.at_s) * 1e3
        return json_value({**facts, "picture": posted.number, "since_ms": round(since_ms)})

    def listen(self) -> Doorbell:
        """A bell that rings with every picture."""
        bell = Doorbell()
        with self._reading:
            self._bells = (*self._bells, bell)
        return bell

    def forget(self, bell: Doorbell) -> None:
        """This bell rings no more."""
        with self._reading:
            self._bells = tuple(other for other in self._bells if other is not bell)

    def _fresh(self, make: Callable[[], Facts]) -> Facts:
        with self._reading:
            if time.monotonic() - self._made_s >= _FACTS_S:
                self._made = make()
                self._made_s = time.monotonic()
            return self._made
