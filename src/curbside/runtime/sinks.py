"""Where finished pictures go: a video file, a folder of pictures, nowhere."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..errors import ConfigError, StorageError
from ..files import atomic_path
from ..imaging import write_jpeg
from .sources import quiet_video

__all__ = ["NullSink", "PictureFolder", "Sink", "VideoWriter", "open_sink"]

_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


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
        ConfigError: The name is that of no video format and no folder.
    """
    if path is None:
        return NullSink()
    path = Path(path)
    if path.suffix.lower() in _CODECS:
        return VideoWriter(path, fps=fps)
    if path.is_dir() or not path.suffix:
        return PictureFolder(path)
    raise ConfigError(
        f"{path.name} is no video name that can be written",
        fix=f"end it in {', '.join(_CODECS)}, or name a folder",
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


class VideoWriter:
    """Writes a video under a temporary name that becomes its own once the file is whole.

    The first picture decides the size; later ones of another size are resized to it.

    Args:
        path: The file to make.
        fps: Frames per second.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        self._path = path
        self._fps = min(max(fps, 1.0), 240.0)
        self._count = 0
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)
        self._files = ExitStack()

    def write(self, index: int, picture_bgr: np.ndarray) -> None:
        """Append one picture."""
        if self._writer is None:
            self._start(picture_bgr)
        assert self._writer is not None
        if picture_bgr.shape[1::-1] != self._size_wh:
            picture_bgr = cv2.resize(picture_bgr, self._size_wh, interpolation=cv2.INTER_AREA)
        self._writer.write(picture_bgr)
        self._count += 1

    def _start(self, picture_bgr: np.ndarray) -> None:
        self._temporary = self._files.enter_context(atomic_path(self._path))
        height, width = picture_bgr.shape[:2]
        self._size_wh = (
            max(2, width & ~1),
            max(2, height & ~1),
        )  # the codecs halve the colour planes
        quiet_video()
        codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._temporary), codec, self._fps, self._size_wh)
        if not self._writer.isOpened():
            raise StorageError(
                f"no video of {width} x {height} pixels can be written to {self._path}",
                fix="name an .avi file, or a folder for single pictures",
            )

    def close(self) -> None:
        """Finish the file and check that it is whole: the writer says nothing of a full disk."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        with self._files:
            readable = _frames_in(self._temporary)
            if readable != self._count:
                raise StorageError(
                    f"{self._path} is not whole: {readable} of {self._count} frames are there",
                    fix="free some space or choose another place, then run the same command again",
                )

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        with suppress(_Discarded), self._files:
            raise _Discarded


class _Discarded(Exception):
    """Tells `atomic_path` that its block did not end well."""


def _frames_in(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    try:
        there = capture.isOpened() and capture.read()[0]
        return round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if there else 0
    finally:
        capture.release()
