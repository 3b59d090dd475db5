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
        self._lock = threading.Lock()
        self._waiting = self._still = False
        self._pulled.connect(self._ring, Qt.ConnectionType.QueuedConnection)

    def pull(self, *_: object) -> None:
        """Ring soon; from any thread."""
        with self._lock:  # so that nobody is in here once it is still
            if not self._waiting and not self._still:
                self._waiting = True
                self._pulled.emit()

    def be_still(self) -> None:
        """Ring no more: who owns it is about to go, and others may still pull."""
        with self._lock:
            self._still = True

    def _ring(self) -> None:
        with self._lock:
            self._waiting = False
            if self._still:
                return
        self.rang.emit()
