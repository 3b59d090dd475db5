"""What is there to look through: cameras of this device, and the drawn road."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .found import Found
from .libcamera import find_libcameras
from .pi_camera import find_pi_cameras
from .v4l2 import find_v4l2

__all__ = ["find_sources"]

_TIMEOUT_S, _SLACK_S = 5.0, 1.0


def find_sources(timeout_s: float = _TIMEOUT_S) -> list[Found]:
    """Everything on this device that can be opened without being named; it opens no camera for
    pictures, so that it takes none from anybody.

    Args:
        timeout_s: How long each kind of camera may take to list; all are asked at once, and one that
            does not answer is left behind in a thread of its own, without its cameras.

    Returns:
        V4L2 cameras, cameras of a Raspberry Pi through picamera2 and through libcamera, and the
        synthetic source, which is always there.
    """
    listings = [
        _Listing(find_v4l2),
        _Listing(find_pi_cameras),
        _Listing(lambda: find_libcameras(timeout_s)),
    ]
    until_s = time.monotonic() + timeout_s + _SLACK_S  # a program is ended first, and not left
    return [
        *(found for listing in listings for found in listing.result(until_s)),
        Found("synthetic", "a drawn road, 1280 x 720 at 30 fps", "synthetic"),
    ]


class _Listing:
    """Cameras of one kind, listed in a thread of its own."""

    def __init__(self, find: Callable[[], list[Found]]) -> None:
        self._find = find
        self._found: list[Found] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="curbside-find", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._find()
        except BaseException as error:
            self._error = error

    def result(self, until_s: float) -> list[Found]:
        """What was found; nothing where that takes longer than until a moment of the monotonic clock."""
        self._thread.join(max(0.0, until_s - time.monotonic()))
        if self._error is not None:
            raise self._error
        return self._found
