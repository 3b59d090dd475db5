"""What is there to look through: cameras of this device, and the drawn road."""

from __future__ import annotations

from .found import Found
from .libcamera import find_libcameras
from .pi_camera import find_pi_cameras
from .v4l2 import find_v4l2

__all__ = ["find_sources"]


def find_sources() -> list[Found]:
    """Everything on this device that can be opened without being named; it opens no camera for
    pictures, so that it takes none from anybody.

    Returns:
        V4L2 cameras, cameras of a Raspberry Pi through picamera2 and through libcamera, and the
        synthetic source, which is always there.
    """
    return [
        *find_v4l2(),
        *find_pi_cameras(),
        *find_libcameras(),
        Found("synthetic", "a drawn road, 1280 x 720 at 30 fps", "synthetic"),
    ]
