"""A stand-in for picamera2: the calls that its manual describes, in the order that it wants them.

It refuses what the real one refuses (a second user of a camera, a picture before `start`, a number
that is not there) and gives what the manual says: `RGB888` is blue, green, red in memory, a size is
made even, and a closed camera can be opened again.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

__all__ = ["Rig", "install_picamera2"]

BLUE_GREEN_RED = (10, 20, 30)


class Rig:
    """The cameras that are attached, and what a test wants of them.

    Args:
        models: Of the cameras.
    """

    def __init__(self, *models: str) -> None:
        self.models = models
        self.gives = 10**9
        """Pictures until the camera fails."""
        self.hangs = threading.Event()
        """While set, no picture comes."""
        self.opened: set[int] = set()
        self.configurations: list[dict[str, Any]] = []

    def camera(self, number: int) -> Any:
        """What `Picamera2(number)` makes."""
        return _Camera(self, number)


class _Camera:
    def __init__(self, rig: Rig, number: int) -> None:
        if number >= len(rig.models):
            raise IndexError("list index out of range")
        if number in rig.opened:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        rig.opened.add(number)
        self._rig, self._number, self._left = rig, number, rig.gives
        self._main: dict[str, Any] | None = None
        self._started = False

    def create_video_configuration(
        self, main: dict[str, Any], controls: dict[str, Any], buffer_count: int
    ) -> dict[str, Any]:
        assert set(main) == {"size", "format"} and buffer_count > 0
        return {"main": dict(main), "controls": controls, "buffer_count": buffer_count}

    def configure(self, configuration: dict[str, Any]) -> None:
        if self._started:
            raise RuntimeError("Camera must be stopped before configuring")
        if configuration["main"]["format"] not in ("RGB888", "BGR888", "XRGB8888"):
            raise RuntimeError("lores stream must be YUV")
        width, height = configuration["main"]["size"]
        configuration["main"]["size"] = (width // 2 * 2, height // 2 * 2)
        self._rig.configurations.append(configuration)
        self._main = configuration["main"]

    def camera_configuration(self) -> dict[str, Any]:
        return {"main": self._main}

    def start(self) -> None:
        if self._main is None:
            raise RuntimeError("Camera has not been configured")
        self._started = True

    def capture_array(self, name: str) -> np.ndarray:
        if not self._started or self._main is None or name != "main":
            raise RuntimeError("Camera must be started")
        while self._rig.hangs.is_set():
            threading.Event().wait(0.01)
        threading.Event().wait(0.002)
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("Camera frontend has timed out!")
        width, height = self._main["size"]
        order = BLUE_GREEN_RED if self._main["format"] == "RGB888" else BLUE_GREEN_RED[::-1]
        return np.broadcast_to(np.array(order, np.uint8), (height, width, 3))

    def stop(self) -> None:
        self._started = False

    def close(self) -> None:
        assert not self._started, "stop comes before close"
        self._rig.opened.discard(self._number)


def install_picamera2(monkeypatch: pytest.MonkeyPatch, *models: str) -> Rig:
    """Put a module `picamera2` in its place, with a camera for each of the models."""
    rig = Rig(*models)
    module = ModuleType("picamera2")

    class Picamera2:
        def __new__(cls, camera_num: int = 0) -> Any:
            return rig.camera(camera_num)

        @staticmethod
        def global_camera_info() -> list[dict[str, Any]]:
            return [
                {
                    "Model": model,
                    "Location": 2,
                    "Rotation": 180,
                    "Id": f"/base/soc/{model}",
                    "Num": n,
                }
                for n, model in enumerate(rig.models)
            ]

    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return rig
