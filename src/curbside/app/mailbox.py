"""How what happens on the session's threads reaches the window's: one place, newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

__all__ = ["Bell", "Mailbox"]

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Holds the newest of what was put into it; what was there is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._item: Item | None = None

    def put(self, item: Item) -> bool:
        """Leave something, from any thread; returns whether the place was empty."""
        with self._lock:
            empty, self._item = self._item is None, item
            return empty

    def take(self) -> Item | None:
        """The newest, which is then gone; None where nothing came since."""
        with self._lock:
            item, self._item = self._item, None
            return item


class Bell(QObject):
    """Wakes the window's thread from any other; carries nothing, and rings once for many pulls.

    Args:
        parent: Owns it; lives in the window's thread.
    """

    rang = Signal()
    _pulled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting = threading.Event()
        self._pulled.connect(self._ring, Qt.ConnectionType.QueuedConnection)

    def pull(self, *_: object) -> None:
        """Ring soon; from any thread."""
        if not self._waiting.is_set():
            self._waiting.set()
            try:
                self._pulled.emit()
            except RuntimeError:  # the window is gone
                return

    def _ring(self) -> None:
        self._waiting.clear()
        self.rang.emit()
