"""Writing a video, whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np

from ..errors import StorageError
from ..files import atomic_path

__all__ = ["VIDEO_SUFFIXES", "VideoWriter", "quiet_video"]

_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
VIDEO_SUFFIXES = tuple(_CODECS)
"""Endings of the video files that can be written."""


def quiet_video() -> None:
    """Keep OpenCV and its FFmpeg from writing to standard error; failures are errors of ours."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class VideoWriter:
    """Writes a video under a temporary name that becomes its own once the file is whole.

    The first picture decides the size; later ones of another size are resized to it.

    Args:
        path: The file to make.
        fps: Frames per second; of what is not in 1..240, the nearer end.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        self._path = path
        self.fps = min(max(fps, 1.0), 240.0)
        """Frames per second of the file."""
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
        self._writer = cv2.VideoWriter(str(self._temporary), codec, self.fps, self._size_wh)
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
