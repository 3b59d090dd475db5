"""A camera of this device, through OpenCV's V4L2."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2

from ...errors import SourceError
from ...imaging import quiet_video
from .source import Frame, Source, usable_fps

__all__ = ["Camera"]


class Camera(Source):
    """A camera of this device.

    Args:
        number: The N of `/dev/videoN`.

    Raises:
        SourceError: It cannot be opened.
    """

    live = True

    def __init__(self, number: int) -> None:
        self._number = number
        self.title = f"camera {number}"
        self._capture: cv2.VideoCapture | None = _open_capture(number)
        self.fps = usable_fps(self._capture.get(cv2.CAP_PROP_FPS))

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """Frames until the camera stops giving them."""
        capture, self._capture = self._capture or _open_capture(self._number), None
        start, index = time.monotonic(), 0
        try:
            while True:
                there, picture = capture.read()
                if not there:
                    raise SourceError(
                        f"camera {self._number} stopped after {index} frames",
                        fix="check its cable and power",
                    )
                yield Frame(index, time.monotonic() - start, picture, time.perf_counter())
                index += 1
        finally:
            capture.release()

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def _open_capture(number: int) -> cv2.VideoCapture:
    quiet_video()
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"camera {number} cannot be opened",
            fix="check that it is plugged in, free, and that you may read it (group video)",
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
