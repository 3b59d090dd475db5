"""A network that looks as often as it can, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Look", "OwnPace"]

_JOIN_S = 5.0


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

    Args:
        infer: The network.
        name: What the thread is called.
    """

    def __init__(self, infer: Callable[[Any], Any], name: str) -> None:
        self._infer = infer
        self._changed = threading.Condition()
        self._offered: Look | None = None
        self._newest: Look | None = None
        self._error: Exception | None = None
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
        """The newest frame that it is done with; raises once what the network raised."""
        with self._changed:
            error, self._error = self._error, None
            if error is not None:
                raise error
            return self._newest

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
            except Exception as error:
                with self._changed:
                    self._error = error
            finally:
                self._busy = False
