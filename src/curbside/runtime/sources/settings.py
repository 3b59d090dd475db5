"""What a person asks of a camera, behind its name: `/dev/video0?width=1280&height=720&fps=30`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ConfigError

__all__ = ["CameraSettings"]

_LARGEST = 65_535


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """What is asked of a camera; it gives the nearest to it that it can."""

    width: int | None = None
    """In pixels; the camera's own choice where None."""
    height: int | None = None
    """In pixels; the camera's own choice where None."""
    fps: float | None = None
    """Frames per second; the camera's own choice where None."""
    format: str | None = None
    """How the pixels come over the wire, in V4L2's four letters, as in `MJPG` or `YUYV`."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if side is not None and not 1 <= side <= _LARGEST:
                raise ConfigError(f"{name} is {side}", fix=f"give 1 to {_LARGEST} pixels")
        if (self.width is None) != (self.height is None):
            raise ConfigError(
                "a size has a width and a height", fix="give both, as in ?width=1280&height=720"
            )
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ConfigError(f"fps is {self.fps:g}", fix="give more than 0, at most 1000")
        if self.format is not None and not re.fullmatch(r"[\x20-\x7e]{3,4}", self.format):
            raise ConfigError(f"format is {self.format!r}", fix="give four letters, as in MJPG")

    @classmethod
    def of(cls, wanted: str, camera: str) -> CameraSettings:
        """From what stands behind the question mark.

        Args:
            wanted: As in `width=1280&height=720`; may be empty.
            camera: What the error calls the camera.

        Raises:
            ConfigError: A setting is unknown, or cannot be.
        """
        kinds = {"width": int, "height": int, "fps": float, "format": str}
        found: dict[str, int | float | str] = {}
        for pair in filter(None, wanted.split("&")):
            name, _, value = pair.partition("=")
            if name not in kinds:
                raise ConfigError(
                    f"{camera} has no setting {name!r}",
                    fix="give width, height, fps or format, as in ?width=1280&height=720&fps=30",
                )
            try:
                found[name] = kinds[name](value)
            except ValueError:
                raise ConfigError(f"{name} of {camera} is {value!r}", fix="give a number") from None
        return cls(**found)  # type: ignore[arg-type]

    def title(self, camera: str, width: int, height: int, fps: float, wire: str = "") -> str:
        """What a camera really gives, in a line, and what was asked for where that is something else.

        Args:
            camera: Its name.
            width: In pixels.
            height: In pixels.
            fps: Frames per second.
            wire: How the pixels come, where that is known.
        """
        asked = []
        if self.width is not None and (self.width, self.height) != (width, height):
            asked.append(f"{self.width} x {self.height}")
        if self.fps is not None and abs(self.fps - fps) > 0.5:
            asked.append(f"{self.fps:g} fps")
        if self.format is not None and wire and self.format != wire:
            asked.append(self.format)
        given = f"{camera}, {width} x {height} at {fps:g} fps{f', {wire}' if wire else ''}"
        return given + (f" (asked for {', '.join(asked)})" if asked else "")
