"""Keeps an eye on networks that fail: loads them again after a while, with growing patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .faults import Supervision
from .slot import Predictor

__all__ = ["NetworkWatch"]


class NetworkWatch:
    """Counts the frames in a row on which a network failed, and restarts it.

    Args:
        rules: When to do what.
        clock: Seconds that only grow.
    """

    def __init__(self, rules: Supervision, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._clock = rules, clock
        self._lock = threading.Lock()
        self._predictor: Predictor | None = None
        self.in_a_row = 0
        self._restarts = 0
        self._restart_s = self._restarted_s = 0.0

    def went_well(self) -> None:
        """A frame came through."""
        if self.in_a_row:
            with self._lock:
                self.in_a_row = self._restarts = 0

    def failed(self, predictor: Predictor, *, began_s: float) -> str:
        """A frame did not; restart the predictor where it is time for that.

        Args:
            predictor: What failed.
            began_s: When it began with the frame: one from before a restart does not count.

        Returns:
            What was done about it, in words.
        """
        with self._lock:
            if predictor is not self._predictor:
                self._predictor, self.in_a_row, self._restarts = predictor, 0, 0
                self._restart_s = self._restarted_s = 0.0
            self.in_a_row += 1
            restart = getattr(predictor, "restart", None)
            due = self.in_a_row >= self._rules.reload_after and self._clock() >= self._restart_s
            if restart is None or not due or began_s < self._restarted_s:
                return "showed the frame without a result"
            try:
                restart()
                action = "loaded the network again"
            except Exception as error:
                action = f"loading the network again failed ({' '.join(str(error).split())})"
            self._restarted_s = self._clock()
            self._restart_s = self._restarted_s + self._rules.wait_s(self._restarts)
            self._restarts += 1
            return action
