"""A network that looks as often as it can, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Look", "OwnPace"]

_JOIN_S = 5.0
_ERRORS = 100
_RELOAD_AFTER = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0


class Look(NamedTuple):
    """What a network gave for a frame."""

    number: int
    """The frame's number in the scene."""
    size_hw: tuple[int, int]
    """The frame's size."""
    outputs: Any
    """The network's outputs."""


class OwnPace:
    """Runs a network on the newest frame whenever it is free.

    Where it fails again and again it is loaded again, after longer and longer waits.

    Args:
        infer: The network.
        restart: Loads it again; None where that cannot be done.
        name: What the thread is called.
    """

    def __init__(
        self, infer: Callable[[Any], Any], restart: Callable[[], None] | None, name: str
    ) -> None:
        self._infer, self._restart = infer, restart
        self._errors: deque[Exception] = deque(maxlen=_ERRORS)
        self._in_a_row = 0
        self._wait_s, self._restart_s = _FIRST_WAIT_S, 0.0
        self._changed = threading.Condition()
        self._offered: Look | None = None
        self._newest: Look | None = None
        self._busy = self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"curbside-{name}", daemon=True)
        self._thread.start()

    @property
    def free(self) -> bool:
        """Whether it would take a frame."""
        return not self._busy and self._offered is None

    def offer(self, look: Look) -> None:
        """Look at this frame's input, where it is free; no waiting."""
        with self._changed:
            if self.free:
                self._offered = look
                self._changed.notify()

    def newest(self) -> Look | None:
        """The newest frame that it is done with."""
        return self._newest

    def take_errors(self) -> list[Exception]:
        """What went wrong since this was asked last."""
        errors = []
        while self._errors:
            errors.append(self._errors.popleft())
        return errors

    def close(self) -> None:
        """End the thread, after the frame that it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._offered is not None)
                if self._closed:
                    return
                look, self._offered, self._busy = self._offered, None, True
            assert look is not None
            try:
                done = look._replace(outputs=self._infer(look.outputs))
                with self._changed:
                    self._newest = done
                self._in_a_row, self._wait_s = 0, _FIRST_WAIT_S
            except Exception as error:
                self._errors.append(error)
                self._recover()
            finally:
                self._busy = False

    def _recover(self) -> None:
        """Load the network again where it is time for that."""
        self._in_a_row += 1
        if self._restart is None or self._in_a_row < _RELOAD_AFTER:
            return
        if time.monotonic() < self._restart_s:
            return
        try:
            self._restart()
        except Exception as error:
            self._errors.append(error)
        self._restart_s = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
