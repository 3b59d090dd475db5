"""Where finished pictures go: a video file, a folder of pictures, nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ConfigError
from ..imaging import VIDEO_SUFFIXES, VideoWriter, write_jpeg

__all__ = ["NullSink", "PictureFolder", "Sink", "open_sink"]


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
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoWriter(path, fps=fps)
    if path.is_dir() or not path.suffix:
        return PictureFolder(path)
    raise ConfigError(
        f"{path.name} is no video name that can be written",
        fix=f"end it in {', '.join(VIDEO_SUFFIXES)}, or name a folder",
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
