"""A drawn road as a source: no camera, no file, always there; with faults where a test wants them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from ...errors import ConfigError, SourceError
from ...imaging.reading import MAX_PIXELS
from .source import Frame, LeftOut, Source

__all__ = ["Synthetic", "SyntheticFaults", "read_number"]

_BITS = 24
_CELL = 8
"""Pixels of a side of the squares that tell the number to a program."""
_LEAST_HW = (2 * _CELL, (_BITS + 2) * _CELL)
_SIZES = (1.0, 0.75, 0.5)
"""What a change of size chooses from, as parts of the first size."""
_ROAD, _GRASS, _LINE = (90, 88, 86), (70, 130, 80), (235, 235, 235)
_SKY_TOP, _SKY_LOW = (200, 150, 90), (240, 220, 190)
_CARS = (((40, 40, 190), 0.31, 1.7, 0.0), ((160, 90, 30), 0.69, 1.1, 0.5))
"""Colour, place across the road, speed and start of what drives."""


@dataclass(frozen=True, kw_only=True)
class SyntheticFaults:
    """What goes wrong, and how often: the same with the same seed."""

    seed: int = 0
    """Of the chances."""
    broken: float = 0.0
    """Probability that a frame cannot be decoded: it is left out and reported."""
    break_off: float = 0.0
    """Probability that the source breaks off at a frame."""
    resize: float = 0.0
    """Probability that the pictures change their size from a frame on."""

    def __post_init__(self) -> None:
        for name in ("broken", "break_off", "resize"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}", fix="give a probability, 0..1"
                )


class Synthetic(Source):
    """A drawn road that moves, with the number of each frame on it, to be read by people and by
    `read_number`. A frame is the same whenever it is drawn, but for the faults.

    Args:
        size_hw: Size of the pictures.
        fps: Frames per second.
        live: Keep that pace and leave out what nobody fetched in time, as a camera does; otherwise
            every frame comes as soon as it is asked for.
        count: How many frames there are; None for ever.
        faults: What goes wrong.

    Raises:
        ConfigError: A size or a rate that cannot be.
    """

    live = True

    def __init__(
        self,
        *,
        size_hw: tuple[int, int] = (720, 1280),
        fps: float = 30.0,
        live: bool = True,
        count: int | None = None,
        faults: SyntheticFaults | None = None,
    ) -> None:
        height, width = size_hw
        if height < _LEAST_HW[0] or width < _LEAST_HW[1] or height * width > MAX_PIXELS:
            raise ConfigError(
                f"no road of {width} x {height} pixels can be drawn",
                fix=f"give at least {_LEAST_HW[1]} x {_LEAST_HW[0]}, as in synthetic:1280x720@30",
            )
        if not 0 < fps <= 1000:
            raise ConfigError(f"{fps:g} is no rate of frames", fix="give more than 0, at most 1000")
        self.live = live
        self.fps = fps
        self.title = f"a drawn road, {width} x {height} at {fps:g} fps"
        self.total = None if live else count
        self.seekable = not live
        self.duration_s = None if live or count is None else count / fps
        self._size_hw, self._count, self._faults = size_hw, count, faults or SyntheticFaults()
        self._chances = np.random.default_rng(self._faults.seed)
        self._interrupted = threading.Event()
        self._roads: dict[tuple[int, int], _Road] = {}

    @classmethod
    def of(cls, wanted: str) -> Synthetic:
        """From what stands after `synthetic:`, as in `1280x720@30`; both parts may be absent.

        Raises:
            ConfigError: It says neither size nor rate, or such that cannot be.
        """
        told = re.fullmatch(r"(?:(\d{1,9})x(\d{1,9}))?(?:@(\d{1,9}(?:\.\d{1,9})?))?", wanted)
        if told is None:
            raise ConfigError(
                f"synthetic:{wanted} names no size and rate",
                fix="write it as in synthetic:1280x720@30",
            )
        width, height, fps = told.groups()
        return cls(
            size_hw=(int(height), int(width)) if width else (720, 1280),
            fps=float(fps) if fps else 30.0,
        )

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The frames; where it is live from now on, else from a moment on."""
        self._interrupted.clear()
        left_out = LeftOut(self.report)
        first = 0 if self.live else max(0, ceil(start_s * self.fps - 0.5))
        index, size_hw = first, self._size_hw
        begun_s = time.perf_counter()
        while self._count is None or index < self._count:
            captured_s = None
            if self.live:
                due_s = begun_s + index / self.fps
                if self._interrupted.wait(max(0.0, due_s - time.perf_counter())):
                    return
                # What is late by more than a frame has passed.
                index += max(0, int((time.perf_counter() - due_s) * self.fps))
                captured_s = begun_s + index / self.fps
                if self._count is not None and index >= self._count:
                    break
            elif self._interrupted.is_set():
                return
            breaks_off, broken, resized = self._chances.random(3) < (
                self._faults.break_off,
                self._faults.broken,
                self._faults.resize,
            )
            if breaks_off:
                raise SourceError(
                    f"the drawn road breaks off at frame {index}, as it was asked to",
                    fix="begin again",
                )
            if resized:
                size_hw = self._another_size_hw()
            if broken:
                left_out.add(
                    SourceError(
                        f"frame {index} of the drawn road is broken, as was asked", fix="go on"
                    )
                )
            else:
                yield Frame(index, index / self.fps, self._draw(size_hw, index), captured_s)
            index += 1
        left_out.require_none(f"{index - first} frames")

    def _another_size_hw(self) -> tuple[int, int]:
        part = float(self._chances.choice(_SIZES))
        height, width = (
            max(least, round(part * full / 2) * 2)
            for full, least in zip(self._size_hw, _LEAST_HW, strict=True)
        )
        return height, width

    def _draw(self, size_hw: tuple[int, int], index: int) -> np.ndarray:
        if size_hw not in self._roads:
            self._roads[size_hw] = _Road(size_hw)
        return self._roads[size_hw].draw(index, index / self.fps)

    def interrupt(self) -> None:
        """End instead of waiting for the next frame."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing is held open."""


def read_number(picture_bgr: np.ndarray) -> int:
    """The number of a frame of `Synthetic`, from its picture, even after lossy compression.

    Args:
        picture_bgr: (H, W, 3) uint8, of the size at which it was drawn.
    """
    middle = _CELL // 2
    bright = picture_bgr[middle, middle + _CELL : (_BITS + 1) * _CELL : _CELL].mean(1) > 127
    return int(sum(1 << place for place, one in enumerate(bright) if one))


class _Road:
    """Draws a road of one size: what stands still once, what moves into a copy of it.

    Args:
        size_hw: Size of the pictures.
    """

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self._height, self._width = size_hw
        self._horizon = int(0.45 * self._height)
        self._still = np.empty((*size_hw, 3), np.uint8)
        shade = np.linspace(0, 1, self._horizon)[:, None]
        sky = (1 - shade) * _SKY_TOP + shade * np.array(_SKY_LOW)  # (horizon, 3)
        self._still[: self._horizon] = sky[:, None].astype(np.uint8)
        self._still[self._horizon :] = _GRASS
        corners = [self._place(across, near) for across, near in ((0, 0), (1, 0), (1, 1), (0, 1))]
        cv2.fillConvexPoly(self._still, np.array(corners, np.int32), _ROAD)
        self._still[: 2 * _CELL, : (_BITS + 2) * _CELL] = 0

    def _place(self, across: float, near: float) -> tuple[int, int]:
        """Where a point of the road is: 0..1 from its left to its right, 0..1 from far to near."""
        half = self._width * (0.02 + 0.5 * near)
        x = self._width / 2 + (2 * across - 1) * half
        return round(x), round(self._horizon + near * (self._height - 1 - self._horizon))

    def draw(self, index: int, time_s: float) -> np.ndarray:
        """The frame of a number at a time: (H, W, 3) uint8 BGR, its own."""
        picture = self._still.copy()
        for dash in range(6):
            far = ((dash + 1.5 * time_s) % 6) / 6
            top, low = far**2, min(1.0, (far + 0.08) ** 2)
            corners = [
                self._place(x, y) for x, y in ((0.49, top), (0.51, top), (0.51, low), (0.49, low))
            ]
            cv2.fillConvexPoly(picture, np.array(corners, np.int32), _LINE)
        for color, across, speed, start in _CARS:
            near = ((start + speed * time_s / 8) % 1) ** 2
            x, y = self._place(across, near)
            half = max(2, round(0.07 * self._width * (0.04 + near)))
            cv2.rectangle(picture, (x - half, y - 2 * half), (x + half, y), color, cv2.FILLED)
        bits = [255 * (index >> place & 1) for place in range(_BITS)]
        row = np.repeat(np.array(bits, np.uint8), _CELL)
        picture[:_CELL, _CELL : (_BITS + 1) * _CELL] = row[:, None]
        scale = self._height / 360
        at = (_CELL, 2 * _CELL + round(26 * scale))
        cv2.putText(picture, str(index), at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 2)
        return picture
