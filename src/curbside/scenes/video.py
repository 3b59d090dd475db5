"""A drive through one street, as frames and as a video file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..imaging import VideoWriter
from ..processes import in_processes
from .config import check_condition, check_seed, check_size
from .drawing import World

__all__ = ["FPS", "check_video", "drive_through", "write_video"]

FPS = 25.0
"""Frames per second of a drive."""


@dataclass(frozen=True, kw_only=True)
class _Frame:
    seed: int
    number: int
    size_hw: tuple[int, int]
    condition: str


def drive_through(
    seed: int,
    frames: int,
    *,
    size_hw: tuple[int, int] = (720, 1280),
    condition: str = "clear",
) -> Iterator[np.ndarray]:
    """Drive along one street, in traffic.

    Args:
        seed: Which street; streets of drives are not those of `draw_scene`.
        frames: How many frames, 1/25 s apart.
        size_hw: Height and width of a frame.
        condition: One of `CONDITIONS`.

    Yields:
        (H, W, 3) uint8, BGR.

    Raises:
        ConfigError: A setting that cannot be.
    """
    yield from map(_draw_bgr, _frames(seed, frames, size_hw, condition))


def write_video(
    path: Path,
    *,
    seed: int = 0,
    frames: int = 250,
    size_hw: tuple[int, int] = (720, 1280),
    condition: str = "clear",
    workers: int | None = None,
) -> None:
    """Write a drive as an MP4 file, whole or not at all.

    Args:
        path: The file, ending in .mp4.
        seed: Which street.
        frames: How many frames, at 25 per second.
        size_hw: Height and width of a frame, even numbers.
        condition: One of `CONDITIONS`.
        workers: Processes that draw; as many as the machine has cores where None.

    Raises:
        ConfigError: A setting that cannot be.
        StorageError: The place cannot be written or is full, or OpenCV here cannot write MP4.
    """
    path = Path(path)
    jobs = _frames(seed, frames, size_hw, condition)
    check_video(path, frames=frames, size_hw=size_hw)
    writer = VideoWriter(path, fps=FPS)
    try:
        with closing(in_processes(_draw_bgr, jobs, workers, "drawing the drive")) as drawn:
            for number, frame_bgr in enumerate(drawn):
                writer.write(number, frame_bgr)
    except BaseException:
        writer.discard()
        raise
    writer.close()


def check_video(path: Path, *, frames: int, size_hw: tuple[int, int]) -> None:
    """Refuse a video that `write_video` would refuse, before anything is drawn.

    Raises:
        ConfigError: A name, a number of frames or a size that cannot be.
    """
    _check_drive(frames, size_hw)
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"{path} does not end in .mp4", fix="name the video FILE.mp4")
    if size_hw[0] % 2 or size_hw[1] % 2:
        raise ConfigError(f"a video of {size_hw} cannot be encoded", fix="choose even numbers")


def _check_drive(frames: int, size_hw: tuple[int, int]) -> None:
    check_size(size_hw)
    if frames < 1:
        raise ConfigError(f"a drive of {frames} frames is none", fix="choose 1 or more")


def _frames(seed: int, frames: int, size_hw: tuple[int, int], condition: str) -> list[_Frame]:
    check_seed(seed)
    check_condition(condition)
    _check_drive(frames, size_hw)
    return [
        _Frame(seed=seed, number=number, size_hw=size_hw, condition=condition)
        for number in range(frames)
    ]


@lru_cache(maxsize=1)
def _world(seed: int, condition: str) -> World:
    return World(seed, _DRIVES, condition)


_DRIVES = 3_000_000  # the index of the streets that are driven along: in no split


def _draw_bgr(frame: _Frame) -> np.ndarray:
    world = _world(frame.seed, frame.condition)
    scene = world.scene(size_hw=frame.size_hw, time_s=frame.number / FPS)
    return np.ascontiguousarray(scene.rgb[..., ::-1])
