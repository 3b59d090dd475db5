"""Where finished pictures go: a video file, a folder of pictures, nowhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ConfigError, CurbsideError, StorageError
from ..files import as_storage_error
from ..imaging import VIDEO_SUFFIXES, VideoWriter, write_jpeg, write_png

__all__ = ["NullSink", "PictureFolder", "Recorder", "Sink", "open_sink", "write_picture"]

_MOST_REPEATS = 50
"""A picture fills no longer a gap than so many frames; the rest of a gap is left out of the video."""


class Sink(Protocol):
    """Something that keeps pictures, in order."""

    def write(self, index: int, picture_bgr: np.ndarray) -> None:
        """Keep one picture: its number in the source, and (H, W, 3) uint8.

        Raises:
            StorageError: The place cannot be written.
        """

    def close(self) -> None:
        """Finish: what was written stays.

        Raises:
            StorageError: What was written is not whole; nothing stays.
        """

    def discard(self) -> None:
        """Give up: no half-written file stays."""


def open_sink(path: Path | None, *, fps: float) -> Sink:
    """The sink for a path.

    Args:
        path: A video file (.mp4, .mov, .mkv, .avi), a folder, or None for nowhere.
        fps: Frames per second of a video.

    Raises:
        ConfigError: The name is that of no video format and no folder, or none that can be.
    """
    if path is None:
        return NullSink()
    path = Path(path)
    video = path.suffix.lower() in VIDEO_SUFFIXES
    _require_name(path, unicode=video)
    if video:
        return VideoWriter(path, fps=fps)
    if os.path.isdir(path) or not path.suffix:  # Path.is_dir raises where a name is too long
        return PictureFolder(path)
    raise ConfigError(
        f"{path.name} is no video name that can be written",
        fix=f"end it in {', '.join(VIDEO_SUFFIXES)}, or name a folder",
    )


def write_picture(path: Path, picture_bgr: np.ndarray) -> None:
    """Write one picture to a file.

    Args:
        path: A .png, .jpg or .jpeg.
        picture_bgr: (H, W, 3) uint8.

    Raises:
        ConfigError: The name is that of no such file, or none that can be.
        StorageError: The place cannot be written.
    """
    _require_name(path)
    rgb = picture_bgr[..., ::-1]
    if path.suffix.lower() in (".jpg", ".jpeg"):
        write_jpeg(path, rgb)
    elif path.suffix.lower() == ".png":
        write_png(path, rgb)
    else:
        raise ConfigError(f"{path.name} is no picture's name", fix="end it in .png or .jpg")


def _require_name(path: Path, *, unicode: bool = False) -> None:
    """Refuse what no file system takes; with `unicode` also bytes that are no text, on which OpenCV's
    writer of videos crashes."""
    try:
        possible = b"\0" not in (str(path).encode() if unicode else os.fsencode(path))
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ConfigError(
            f"{str(path)!r} cannot be the name of a file",
            fix="choose a name of letters, digits and other signs that can be printed",
        )


class NullSink:
    """Keeps nothing."""

    def write(self, index: int, picture_bgr: np.ndarray) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def discard(self) -> None:
        """Nothing."""


class PictureFolder:
    """Writes `000000.jpg`, `000001.jpg`, ... by the number in the source, each whole or not at all.

    Args:
        folder: Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, index: int, picture_bgr: np.ndarray) -> None:
        """Write one picture."""
        write_jpeg(self._folder / f"{index:06d}.jpg", picture_bgr[..., ::-1])

    def close(self) -> None:
        """Every picture is whole already."""

    def discard(self) -> None:
        """Every picture is whole already, and stays."""


class Recorder:
    """A sink that can be switched on and off while pictures come, from any thread.

    What fails to be written ends the recording and not the pictures: the error is told.

    Args:
        on_error: Called with what ended a recording.
    """

    def __init__(self, on_error: Callable[[CurbsideError], None] | None = None) -> None:
        self._on_error = on_error or (lambda error: None)
        self._sink: Sink | None = None
        self._lock = threading.Lock()
        self._pace: _Pace | None = None
        self._written = False
        self.path: Path | None = None
        """Where it records to; None while it does not."""

    def start(self, path: Path, *, fps: float, live: bool = False) -> None:
        """Record from the next picture on; a recording that runs is finished first.

        Args:
            path: A video file or a folder, see `open_sink`.
            fps: Pictures per second of a video.
            live: Pictures come when they come: repeat or leave some out, so that the video lasts as
                long as what it shows.

        Raises:
            ConfigError: The name is that of no video format and no folder, or none that can be.
        """
        sink = open_sink(path, fps=fps)
        self.stop()
        with self._lock:
            self._sink, self.path, self._written = sink, Path(path), False
            self._pace = _Pace(sink.fps) if live and isinstance(sink, VideoWriter) else None

    def stop(self) -> Path | None:
        """Finish the recording, if there is one.

        Returns:
            Where it was recorded to; None where there is no recording: none ran, no picture came, or
            what was written is not whole, which is told as an error.
        """
        with self._lock:
            path, sink = self.path, self._sink
            whole = sink is not None and self._guarded(sink.close)
            self._sink = self.path = None
            return path if whole and self._written else None

    def write(self, index: int, picture_bgr: np.ndarray) -> None:
        """Keep one picture, if it records."""
        with self._lock:
            if self._sink is None:
                return
            for _ in range(1 if self._pace is None else self._pace.due()):
                if not self._guarded(partial(self._sink.write, index, picture_bgr)):
                    self._sink.discard()
                    self._sink = self.path = None
                    return
                self._written = True

    def close(self) -> None:
        """A recording goes on beyond a source; `stop` ends it."""

    def discard(self) -> None:
        """What is recorded stays, whatever becomes of the source."""

    def _guarded(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except CurbsideError as error:
            self._on_error(error)
        except OSError as error:
            known = as_storage_error(error, self.path)
            unknown = StorageError(f"cannot write {self.path}: {error}", fix="choose another place")
            self._on_error(known or unknown)
        else:
            return True
        return False


class _Pace:
    """How often a picture that comes now is written, so that a video keeps the time."""

    def __init__(self, fps: float) -> None:
        self._fps, self._start_s, self._written = fps, time.monotonic(), 0

    def due(self) -> int:
        due = max(0, int((time.monotonic() - self._start_s) * self._fps) + 1 - self._written)
        if due > _MOST_REPEATS:  # the next pictures are not to make up for the rest
            self._start_s += (due - _MOST_REPEATS) / self._fps
            due = _MOST_REPEATS
        self._written += due
        return due
