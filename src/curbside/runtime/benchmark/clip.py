"""A clip that never ends: as a file that is read as fast as it can be, or as a camera would give it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ...errors import ConfigError, SourceError
from ..sources import Frame, Source, open_source

__all__ = ["Endless", "Paced", "first_frame", "open_clip"]

_JOIN_S = 10.0


def open_clip(source: str | Path) -> Source:
    """Open a video file or a folder of pictures.

    Raises:
        ConfigError: The source is live.
        SourceError: It cannot be opened.
    """
    opened = open_source(source)
    if opened.live:
        opened.close()
        raise ConfigError(
            f"{source} is live: its own rate would be measured", fix="give a video file"
        )
    return opened


def first_frame(source: str | Path) -> tuple[Frame, float]:
    """The first frame of a clip, and its frames per second; raises what `open_clip` raises."""
    with closing(open_clip(source)) as opened:
        frame = next(iter(opened.frames()), None)
        if frame is None:
            raise SourceError(f"{source} has not one frame", fix="give a video file that plays")
        return frame, opened.fps


class Endless(Source):
    """A clip that starts again at its end; frames and time count on.

    Args:
        source: The clip; closed with this.
    """

    live = False
    total: int | None = None
    title = "a clip, again and again"
    duration_s: float | None = None
    seekable = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self.fps = source.fps

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The frames of the clip, again and again.

        Raises:
            SourceError: The clip is damaged.
        """
        first, offset_s = 0, 0.0
        while True:
            following, end_s = first, offset_s
            for frame in self._source.frames():
                moved = replace(
                    frame, index=first + frame.index, timestamp_s=offset_s + frame.timestamp_s
                )
                following, end_s = moved.index + 1, moved.timestamp_s + 1 / self.fps
                yield moved
            first, offset_s = following, end_s

    def interrupt(self) -> None:
        """A file never waits."""

    def close(self) -> None:
        """Close the clip."""
        self._source.close()


class Paced(Source):
    """A clip as a camera gives it: every frame at its own moment, and whoever comes late finds the
    newest one alone.

    A thread reads the clip. Where reading it takes longer than it lasts, frames come when they are
    read.

    Args:
        source: The clip; closed with this.
    """

    live = True
    total: int | None = None
    title = "a clip at its own rate"
    duration_s: float | None = None
    seekable = False

    def __init__(self, source: Source) -> None:
        self._source = Endless(source)
        self.fps = self._source.fps
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._reader: threading.Thread | None = None

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """Frames as they come, until it is interrupted.

        Raises:
            SourceError: The clip is damaged.
        """
        self._reader = threading.Thread(target=self._read, name="curbside-paced", daemon=True)
        self._reader.start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                frame, self._newest = self._newest, None
            if frame is None:
                break
            yield frame
        if self._error is not None:
            raise self._error

    def interrupt(self) -> None:
        """End `frames`."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Close the clip, once its thread is at an end."""
        self.interrupt()
        if self._reader is not None:
            self._reader.join(_JOIN_S)
        self._source.close()

    def _read(self) -> None:
        start_s: float | None = None
        try:
            for frame in self._source.frames():
                now_s = time.perf_counter()
                if start_s is None:
                    start_s = now_s - frame.timestamp_s
                wait_s = max(0.0, start_s + frame.timestamp_s - now_s)
                with self._changed:
                    if self._changed.wait_for(lambda: self._ended, timeout=wait_s):
                        return
                    self._newest = replace(frame, captured_s=time.perf_counter())
                    self._changed.notify_all()
        except Exception as error:
            self._error = error
        finally:
            self.interrupt()
