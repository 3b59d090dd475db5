"""How long no new picture has come from what plays, so that a frozen one is not taken for the road."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..runtime.session import Status

__all__ = ["Silence"]

_LEAST_S, _MOST_S = 2.0, 10.0


class Silence:
    """Measures how long ago the newest picture came.

    Pictures that come slowly by themselves, as from a folder or through a heavy network, are given
    twice the time that the last one took, up to 10 seconds.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._since_s, self._usual_s = clock(), 0.0
        self._source: str | None = None

    def heard(self) -> None:
        """A picture came; from any thread."""
        now_s = self.clock()
        self._usual_s, self._since_s = now_s - self._since_s, now_s

    def seconds(self, status: Status) -> float | None:
        """How long no new picture has come; None where one came just now, or none is due.

        Args:
            status: How the session stands. A pause, an end and another source begin anew.
        """
        if status.state != "playing" or status.source != self._source:
            self._source, self._usual_s, self._since_s = status.source, 0.0, self.clock()
            return None
        quiet_s = self.clock() - self._since_s
        return quiet_s if quiet_s >= min(max(_LEAST_S, 2 * self._usual_s), _MOST_S) else None

    def may_be_why(self, at_s: float, quiet_s: float) -> bool:
        """Whether what happened at a moment may be why no picture comes: shortly before, or since.

        Args:
            at_s: The moment, in seconds since 1970.
            quiet_s: How long no picture has come.
        """
        return time.time() - at_s <= quiet_s + _LEAST_S
