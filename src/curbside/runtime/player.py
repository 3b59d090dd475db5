"""A source under somebody's hand: at its own pace, paused, one frame on, from another moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from typing import Literal

from ..errors import ConfigError, SourceError
from .sources import Frame, Source

__all__ = ["Player", "PlayerState"]

PlayerState = Literal["playing", "paused", "ended"]

_BEHIND_S = 1.0
"""A file that is further behind its pace than this goes on from where it is."""


class Player(Source):
    """Plays another source; every method may be called from any thread and returns at once.

    A file plays no faster than its own rate. At its end the player waits for a jump back, so that its
    frames end only when it is interrupted. A live source that is paused is read on, and what passes
    meanwhile is not shown.

    Args:
        source: What is played; closed with the player.
        every_frame: Of a file show every frame, however long that takes; otherwise keep its pace and
            drop frames.
        looping: Begin a file again at its end.
    """

    def __init__(self, source: Source, *, every_frame: bool = True, looping: bool = False) -> None:
        self._source = source
        self.total = source.total
        self.fps, self.title = source.fps, source.title
        self.duration_s, self.seekable = source.duration_s, source.seekable
        self.report = None
        self.every_frame, self.looping = every_frame, looping
        self._changed = threading.Condition()
        self._state: PlayerState = "playing"
        self._interrupted = False
        self._steps = 0
        self._jump_s: float | None = None
        self._again = self._given = False
        self._last: Frame | None = None
        self._anchor: tuple[float, float] | None = None  # clock and time of the clip, together

    @property
    def live(self) -> bool:
        """Whether frames may be dropped: of a camera always, of a file where it keeps its pace."""
        return self._source.live or not self.every_frame

    @property
    def camera(self) -> bool:
        """Whether the source itself is live."""
        return self._source.live

    @property
    def state(self) -> PlayerState:
        """What it is doing."""
        return self._state

    @property
    def position_s(self) -> float:
        """The time of the newest frame, in seconds."""
        return 0.0 if self._last is None else self._last.timestamp_s

    def pause(self) -> None:
        """Stop at the newest frame."""
        with self._changed:
            if self._state == "playing":
                self._state = "paused"
            self._changed.notify_all()

    def resume(self) -> None:
        """Go on; at the end, from the beginning."""
        with self._changed:
            if self._state == "ended":
                self._jump_s = 0.0
            self._state, self._steps, self._anchor = "playing", 0, None
            self._changed.notify_all()

    def step(self) -> None:
        """Pause, and show one frame more."""
        with self._changed:
            if self._state == "playing":
                self._state = "paused"
            self._steps += self._state == "paused"
            self._changed.notify_all()

    def seek(self, moment_s: float) -> None:
        """Go on from another moment; while paused, show the frame that is there.

        Raises:
            ConfigError: The source cannot jump.
        """
        if not self.seekable:
            raise ConfigError(f"{self.title} has no other moments", fix="jump in a video file")
        with self._changed:
            self._jump_s = max(0.0, moment_s)
            if self._state == "ended":
                self._state = "paused"
            self._steps = int(self._state == "paused")  # only the last of several jumps is seen
            self._changed.notify_all()

    def again(self) -> None:
        """While nothing moves, give the last frame again: something else is to be made of it."""
        with self._changed:
            self._again = self._state != "playing"
            self._changed.notify_all()

    def interrupt(self) -> None:
        """End `frames` soon."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()
        self._source.interrupt()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """Frames until it is interrupted.

        Raises:
            SourceError: A live source broke off.
        """
        while not self._interrupted:
            self._source.report = self.report
            jumped = yield from self._played(start_s)
            if jumped is None and not self._source.live and not self._interrupted:
                jumped = yield from self._waited_at_the_end()
            if jumped is None:
                return
            start_s = jumped

    def _played(self, start_s: float) -> Generator[Frame, None, float | None]:
        """Frames of the source from a moment on; returns the moment to go on from, None at the end."""
        self._anchor, self._given = None, False
        frames = self._source.frames(start_s)
        try:
            for frame in frames:
                jumped = yield from self._waited()
                if self._interrupted or jumped is not None:
                    return jumped
                if not self._source.live:
                    self._keep_pace(frame)
                elif self._state == "paused":
                    if self._take_again() and self._last is not None:
                        yield self._last
                    if not self._take_step():
                        continue
                self._last, self._given = frame, True
                yield frame
        except SourceError as error:
            if self._source.live:
                raise
            if self.report is not None:  # what came before it is good
                self.report(error)
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
        return None

    def _waited(self) -> Generator[Frame, None, float | None]:
        """Wait while a file is paused; returns the moment to jump to, if any."""
        while True:
            with self._changed:
                if not self._source.live:
                    self._changed.wait_for(
                        lambda: (
                            self._state != "paused"
                            or self._steps
                            or self._again
                            or self._interrupted
                        )
                    )
                if self._jump_s is not None:
                    jumped, self._jump_s = self._jump_s, None
                    return jumped
                if self._source.live or self._interrupted or not self._again:
                    if not self._source.live and self._state == "paused" and self._steps:
                        self._steps -= 1
                    return None
                self._again = False
            if self._last is not None:
                yield self._last

    def _waited_at_the_end(self) -> Generator[Frame, None, float | None]:
        """Wait for a jump; where it loops, for as long as the last frame is to be seen."""
        with self._changed:
            # A round without a frame would follow on itself without end.
            if self.looping and self._given:
                self._changed.wait_for(self._is_called, timeout=1 / self.fps)
                if not self._interrupted and self._jump_s is None:
                    return 0.0
            if self._jump_s is None:
                self._state = "ended"
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._jump_s is not None or self._again or self._interrupted
                )
                if self._interrupted:
                    return None
                if self._jump_s is not None:
                    jumped, self._jump_s = self._jump_s, None
                    return jumped
                self._again = False
            if self._last is not None:
                yield self._last

    def _is_called(self) -> bool:
        return self._interrupted or self._jump_s is not None

    def _take_again(self) -> bool:
        with self._changed:
            again, self._again = self._again, False
            return again

    def _take_step(self) -> bool:
        with self._changed:
            there = self._steps > 0
            self._steps -= there
            return there

    def _keep_pace(self, frame: Frame) -> None:
        """Wait until it is time for the frame."""
        now_s = time.monotonic()
        if self._state != "playing" or self._anchor is None:
            self._anchor = (now_s, frame.timestamp_s)
            return
        due_s = self._anchor[0] + frame.timestamp_s - self._anchor[1]
        behind_s = now_s - due_s
        if behind_s > (0 if self.every_frame else _BEHIND_S):
            self._anchor = (now_s, frame.timestamp_s)
            return
        with self._changed:
            self._changed.wait_for(self._is_called, timeout=max(0.0, -behind_s))
