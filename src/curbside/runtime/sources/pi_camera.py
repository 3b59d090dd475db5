"""A Raspberry Pi's camera through picamera2, which is imported here and nowhere else.

Source: Raspberry Pi Ltd, The Picamera2 Library.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import SourceError
from .found import Found
from .live import Connection, LiveSource
from .settings import CameraSettings

__all__ = ["PiCamera", "find_pi_cameras"]

_SIZE_WH, _FPS = (1280, 720), 30.0
_BUFFERS = 4


class PiCamera(LiveSource):
    """A camera of a Raspberry Pi, through picamera2.

    Args:
        number: As picamera2 counts them.
        settings: What is asked of it; 1280 x 720 at 30 fps where it says nothing.

    Raises:
        SourceError: There is none, or picamera2 is not installed.
    """

    def __init__(self, number: int, settings: CameraSettings | None = None) -> None:
        asked = settings or CameraSettings()
        super().__init__(f"Raspberry Pi camera {number}", lambda: _Device(number, asked))


def find_pi_cameras() -> list[Found]:
    """The cameras that picamera2 knows; none where it is not installed."""
    try:
        cameras = _picamera2().Picamera2.global_camera_info()
    except Exception:  # not there, or libcamera cannot start
        return []
    return [
        Found(f"picamera:{number}", f"{camera.get('Model', 'a camera')}, Raspberry Pi", "picamera")
        for number, camera in enumerate(cameras)
    ]


def _picamera2() -> ModuleType:
    try:
        import picamera2
    except ModuleNotFoundError:
        raise SourceError(
            "this needs picamera2, which Raspberry Pi OS brings and pip does not",
            fix="run: sudo apt install python3-picamera2, and make the venv with "
            "--system-site-packages, or try libcamera:0",
        ) from None
    except (ImportError, ValueError) as error:  # compiled for another numpy, ValueError
        raise SourceError(
            f"picamera2 cannot be loaded ({error})",
            fix="where it speaks of numpy or a size, run in the venv: pip install --force-reinstall "
            "--no-deps simplejpeg",
        ) from error
    return picamera2


class _Device(Connection):
    """A camera that is started."""

    def __init__(self, number: int, asked: CameraSettings) -> None:
        library = _picamera2()
        self._name = f"Raspberry Pi camera {number}"
        self._camera: Any = None
        try:
            self._camera = library.Picamera2(number)
            self._start(asked)
        except Exception as error:  # picamera2 and libcamera raise whatever they like
            self.close()
            raise SourceError(
                f"{self._name} cannot be opened ({error or type(error).__name__})",
                fix="check its ribbon cable, that nothing else holds it, and: rpicam-hello --list-cameras",
            ) from error

    def _start(self, asked: CameraSettings) -> None:
        fps = asked.fps or _FPS
        size_wh = _SIZE_WH if asked.width is None else (asked.width, asked.height)
        configuration = self._camera.create_video_configuration(
            main={"size": size_wh, "format": "RGB888"},  # libcamera's name for B, G, R in memory
            controls={"FrameRate": fps},
            buffer_count=_BUFFERS,
        )
        self._camera.configure(configuration)
        self._camera.start()
        width, height = self._camera.camera_configuration()["main"]["size"]
        self.fps = fps
        self.title = asked.title(self._name, width, height, fps)

    def pictures(self) -> Iterator[np.ndarray | SourceError]:
        """Pictures until the camera stops giving them."""
        count = 0
        while True:
            try:
                picture = self._camera.capture_array("main")
            except Exception as error:
                raise SourceError(
                    f"{self._name} stopped after {count} frames ({error or type(error).__name__})",
                    fix="check its ribbon cable",
                ) from error
            count += 1
            yield np.ascontiguousarray(picture[..., :3])

    def close(self) -> None:
        """Stop it, and let go of it."""
        camera, self._camera = self._camera, None
        if camera is not None:
            try:
                camera.stop()
            finally:
                camera.close()
