"""Slow things off the window's thread: reading model files, looking for cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from PySide6.QtCore import QObject

from .mailbox import Bell

__all__ = ["Work"]


class Work(QObject):
    """Runs functions in threads, and hands over what they give in the window's thread.

    Args:
        parent: Owns it; lives in the window's thread.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._done: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()
        self._bell = Bell(self)
        self._bell.rang.connect(self._deliver)

    def start(
        self,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[Exception], None],
    ) -> None:
        """Run a function, then another in the window's thread.

        Args:
            function: What takes time.
            then: Called with what it gave.
            otherwise: Called with what it raised.
        """

        def run() -> None:
            try:
                result = function()
            except Exception as error:
                self._done.put((otherwise, error))
            else:
                self._done.put((then, result))
            self._bell.pull()

        threading.Thread(target=run, name="curbside-window-work", daemon=True).start()

    def stop(self) -> None:
        """Hand over nothing more; what runs ends by itself."""
        self._bell.be_still()

    def _deliver(self) -> None:
        while True:
            try:
                then, result = self._done.get_nowait()
            except Empty:
                return
            then(result)
