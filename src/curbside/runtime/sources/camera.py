"""A camera of this device, through OpenCV's V4L2."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ...errors import SourceError
from ...imaging import quiet_video
from .live import Connection, LiveSource
from .settings import CameraSettings
from .source import usable_fps

__all__ = ["Camera"]

_BUFFERS = 2
"""One is filled while the other is read; none grows old, for the newest is always fetched."""


class Camera(LiveSource):
    """A camera of this device. What it cannot give of what is asked it replaces by the nearest that it
    can; the title tells what it really gives.

    Args:
        number: The N of `/dev/videoN`.
        settings: What is asked of it.

    Raises:
        SourceError: It cannot be opened.
    """

    def __init__(self, number: int, settings: CameraSettings | None = None) -> None:
        asked = settings or CameraSettings()
        super().__init__(f"camera {number}", lambda: _Device(number, asked))


class _Device(Connection):
    """A camera that is open."""

    def __init__(self, number: int, asked: CameraSettings) -> None:
        self._number = number
        self._capture = _open_capture(number)
        wanted: list[tuple[int, float | None]] = [
            (cv2.CAP_PROP_BUFFERSIZE, _BUFFERS),
            # The format first: sizes and rates depend on it.
            (cv2.CAP_PROP_FOURCC, _code(asked.format) if asked.format else None),
            (cv2.CAP_PROP_FRAME_WIDTH, asked.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, asked.height),
            (cv2.CAP_PROP_FPS, asked.fps),
        ]
        for what, value in wanted:
            if value is not None:
                self._capture.set(what, value)
        self.fps = usable_fps(self._capture.get(cv2.CAP_PROP_FPS))
        width, height, code = (
            int(self._capture.get(what))
            for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FOURCC)
        )
        wire = (code & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1").strip("\0 ")
        self.title = asked.title(f"camera {number}", width, height, self.fps, wire)

    def pictures(self) -> Iterator[np.ndarray | SourceError]:
        """Pictures until the camera stops giving them."""
        count = 0
        while True:
            there, picture = self._capture.read()
            if not there:
                raise SourceError(
                    f"camera {self._number} stopped after {count} frames",
                    fix="check its cable and power",
                )
            count += 1
            yield picture

    def close(self) -> None:
        """Let go of the device."""
        self._capture.release()


def _code(letters: str) -> int:
    return cv2.VideoWriter.fourcc(*f"{letters:<4}")


def _open_capture(number: int) -> cv2.VideoCapture:
    quiet_video()
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"camera {number} cannot be opened",
            fix="check that it is plugged in, free, and that you may read it (group video)",
        )
    return capture
