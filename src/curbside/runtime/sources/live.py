"""Sources that may block: a thread of their own opens, reads and closes them, so that a device that
does not answer never holds up the caller for longer than a timeout."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ...errors import SourceError
from .source import DEFAULT_FPS, Frame, LeftOut, Source

__all__ = ["Connection", "LiveSource"]

_JOIN_S = 1.0
_MOST_LEFT_OUT = 1000
_FIRST = 3
_FIX = "check its cable, its power and the network, and that nothing else holds it"


class Connection(ABC):
    """A device or a stream that is open. All but `interrupt` is called by one thread alone."""

    title: str = ""
    """What really runs, in a line for people, without passwords."""
    fps: float = DEFAULT_FPS
    """Frames per second that it gives."""

    @abstractmethod
    def pictures(self) -> Iterator[np.ndarray | SourceError]:
        """Pictures, (H, W, 3) uint8 BGR, and an error in the place of each that cannot be decoded.

        Raises:
            SourceError: It broke off.
        """

    def interrupt(self) -> None:  # noqa: B027 - most libraries cannot
        """Make `pictures` end soon, from any thread, where the library can."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class LiveSource(Source):
    """A source whose newest picture counts. It is read from when it is opened, so that the first
    frame is a fresh one, and pictures that nobody fetched in time are left out.

    Args:
        name: What the errors call it.
        connect: Opens it.
        open_s: How long opening may take.
        silence_s: How long it may give nothing before it counts as broken; at first three times as
            long, as a stream is joined between two frames that need no other.

    Raises:
        SourceError: It cannot be opened.
    """

    live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        *,
        open_s: float = 10.0,
        silence_s: float = 5.0,
    ) -> None:
        self._name, self._connect = name, connect
        self._open_s, self._silence_s = open_s, silence_s
        self._reader: _Reader | None = None
        self._begin()

    def _begin(self) -> _Reader:
        reader = self._reader = _Reader(self._name, self._connect)
        try:
            connection = reader.opened(self._open_s)
        except BaseException:
            self.close()
            raise
        if connection is not None:
            self.title, self.fps = connection.title or self._name, connection.fps
        return reader

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The newest frame, again and again."""
        reader = self._reader or self._begin()
        left_out = LeftOut(self.report)
        first: _Taken | None = None
        try:
            while (found := reader.take(self._silence_s)) is not None:
                if isinstance(found, SourceError):
                    left_out.add(found)
                    continue
                first = first or found
                since_s = found.captured_s - first.captured_s
                yield Frame(found.number - first.number, since_s, found.picture, found.captured_s)
            left_out.require_none("its frames")
        finally:
            if self._reader is reader:
                self._reader = None
            reader.end()

    def interrupt(self) -> None:
        """End at once."""
        reader = self._reader
        if reader is not None:
            reader.interrupt()

    def close(self) -> None:
        """Let go of it; what does not answer is left to a thread that ends when it does."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.end()


@dataclass(frozen=True, slots=True)
class _Taken:
    """A picture, its number among those of the connection, and when it came."""

    number: int
    picture: np.ndarray
    captured_s: float


class _Reader:
    """The thread, and the one place in which the newest picture lies.

    Args:
        name: What the errors call the source.
        connect: Opens it.
    """

    def __init__(self, name: str, connect: Callable[[], Connection]) -> None:
        self._name, self._connect = name, connect
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._newest: _Taken | None = None
        self._left_out: deque[SourceError] = deque(maxlen=_MOST_LEFT_OUT)
        self._giving = self._stopping = self._ended = self._interrupted = False
        self._error: BaseException | None = None
        self._heard_s, self._join_s = time.monotonic(), _JOIN_S
        self._thread = threading.Thread(target=self._run, name=f"curbside-read {name}", daemon=True)
        self._thread.start()

    def opened(self, timeout_s: float) -> Connection | None:
        """The connection, once there is one; None where it was interrupted meanwhile.

        Raises:
            SourceError: It cannot be opened, or not within the time.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._connection or self._ended or self._interrupted, timeout_s
            )
            if self._connection is not None or self._interrupted:
                return self._connection
            if self._error is not None:
                raise self._error
            raise SourceError(f"{self._name} did not answer within {timeout_s:g} s", fix=_FIX)

    def take(self, silence_s: float) -> _Taken | SourceError | None:
        """A frame that was left out, or the newest picture; None where it ended in order.

        Raises:
            SourceError: It broke off, or was silent for too long.
        """
        with self._changed:
            silence_s *= _FIRST if not self._giving else 1
            while not (self._left_out or self._newest or self._ended or self._interrupted):
                patience_s = self._heard_s + silence_s - time.monotonic()
                if patience_s <= 0:
                    self._join_s = 0.0
                    raise SourceError(f"{self._name} gave no picture for {silence_s:g} s", fix=_FIX)
                self._changed.wait(patience_s)
            if self._interrupted:
                return None
            if self._left_out:
                return self._left_out.popleft()
            newest, self._newest = self._newest, None
            if newest is None and self._error is not None:
                raise self._error
            return newest

    def interrupt(self) -> None:
        """End waiting, from any thread."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def end(self) -> None:
        """End the thread; it is not waited for long."""
        with self._changed:
            self._stopping = True
            connection = self._connection
            self._changed.notify_all()
        if connection is not None:
            with suppress(Exception):
                connection.interrupt()
        if self._thread is not threading.current_thread():
            self._thread.join(self._join_s)

    def _run(self) -> None:
        connection = None
        try:
            connection = self._connect()
            with self._changed:
                self._connection = connection
                self._heard_s = time.monotonic()
                self._changed.notify_all()
            self._read(connection)
        except BaseException as error:
            self._error = error
        finally:
            if connection is not None:
                with suppress(Exception):
                    connection.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read(self, connection: Connection) -> None:
        if self._stopping:
            return
        for number, picture in enumerate(connection.pictures()):
            now_s = time.perf_counter()
            with self._changed:
                if self._stopping:
                    return
                if isinstance(picture, SourceError):
                    self._left_out.append(picture)
                else:
                    self._newest = _Taken(number, picture, now_s)
                    self._heard_s, self._giving = time.monotonic(), True
                self._changed.notify_all()
