"""Noise, colours and flat pictures to lay on surfaces. Textures are (h, w, 4) uint8: RGB and glow.

Glow says how much a surface shines by itself at night, 0..255.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TypeVar

import cv2
import numpy as np

__all__ = [
    "NOISE_SIZE",
    "Color",
    "Texture",
    "branch",
    "foliage",
    "grain",
    "hsv",
    "mixed",
    "noise",
    "noise_patch",
    "pick",
    "poster",
    "uniform",
]

Color = tuple[int, int, int, int]
"""Red, green, blue and glow, each 0..255."""

Item = TypeVar("Item")

NOISE_SIZE = 512


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of `items`."""
    return items[int(rng.random() * len(items))]


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`."""
    return low + (high - low) * rng.random()


def hsv(hue: float, saturation: float, value: float, glow: int = 0) -> Color:
    """A colour from hue, saturation and value, each 0..1."""
    r, g, b = colorsys.hsv_to_rgb(
        hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    )
    return int(r * 255), int(g * 255), int(b * 255), glow


def mixed(color: Color, other: Color, share: float) -> Color:
    """`color` with a `share` of `other`, 0..1."""
    r, g, b, glow = (int(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return r, g, b, glow


@cache
def noise(rough: float = 0.72) -> np.ndarray:
    """Cloudy noise that repeats without a seam: (512, 512) float32, about -1..1.

    Args:
        rough: How much of the strength of each octave the next finer one has.
    """
    rng = np.random.default_rng(20)
    total = np.zeros((NOISE_SIZE, NOISE_SIZE), np.float32)
    for octave in range(2, 9):
        cells = 2**octave
        values = rng.standard_normal((cells, cells)).astype(np.float32)
        padded = cv2.copyMakeBorder(values, 2, 2, 2, 2, cv2.BORDER_WRAP)
        step = NOISE_SIZE // cells
        large = cv2.resize(padded, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += large[2 * step : -2 * step, 2 * step : -2 * step] * rough**octave
    return np.clip(total / (2.0 * total.std()), -1, 1)


@cache
def grain() -> np.ndarray:
    """Independent normal noise: (1024, 2048) float32, standard deviation 1."""
    return np.random.default_rng(21).standard_normal((1024, 2048)).astype(np.float32)


def branch(rng: np.random.Generator) -> Callable[[], np.random.Generator]:
    """Something that makes a generator of its own: for what is drawn later, or never."""
    seed = int(rng.random() * 2**53)
    return lambda: np.random.default_rng(seed)


def noise_patch(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A cut-out of `noise()`: (height, width) float32; at most 512 each."""
    top = int(rng.random() * (NOISE_SIZE - height + 1))
    left = int(rng.random() * (NOISE_SIZE - width + 1))
    return noise()[top : top + height, left : left + width]


class Texture:
    """A flat picture that can be laid on any surface, with smaller copies for the distance.

    Args:
        make: Paints it, (h, w, 4) uint8; called when it is first seen, which for most of a street
            is never.
    """

    def __init__(self, make: Callable[[], np.ndarray]) -> None:
        self._make = make

    @cached_property
    def levels(self) -> list[np.ndarray]:
        """The picture, and copies of half the size each."""
        levels = [self._make()]
        while min(levels[-1].shape[:2]) >= 8 and len(levels) < 7:
            levels.append(cv2.pyrDown(levels[-1]))
        return levels

    def warp(self, to_picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        """The texture as it is seen in a box of the picture.

        Args:
            to_picture: (3, 3), takes (s, t, 1), both 0..1 from the texture's top left, to pixels.
            box: Left, top, right, bottom in pixels, the last two exclusive.

        Returns:
            (bottom - top, right - left, 4) uint8.
        """
        left, top, right, bottom = box
        try:
            inverse = np.linalg.inv(to_picture)
        except np.linalg.LinAlgError:  # seen edge-on
            return np.broadcast_to(self.levels[-1][0, 0], (bottom - top, right - left, 4)).copy()
        height, width = self.levels[0].shape[:2]
        u, v = (left + right) / 2, (top + bottom) / 2
        here, across, down = (
            (p[0] / p[2] * width, p[1] / p[2] * height)
            for p in (inverse @ (u, v, 1), inverse @ (u + 1, v, 1), inverse @ (u, v + 1, 1))
        )
        steps = [abs(there[axis] - here[axis]) for there in (across, down) for axis in (0, 1)]
        level = int(np.clip(np.log2(max(*steps, 1e-6)) + 0.3, 0, len(self.levels) - 1))
        pixels = self.levels[level]
        scale = np.diag((pixels.shape[1], pixels.shape[0], 1.0))
        shift = np.array([(1.0, 0.0, left), (0.0, 1.0, top), (0.0, 0.0, 1.0)])
        return cv2.warpPerspective(
            pixels,
            scale @ inverse @ shift,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def foliage(rng: np.random.Generator, color: Color) -> Texture:
    """Leaves: clumps in light and shadow over a base colour."""
    own = branch(rng)
    return Texture(lambda: _leaves(own(), color))


def _leaves(rng: np.random.Generator, color: Color) -> np.ndarray:
    size = 160
    clumps = noise_patch(rng, size, size)
    top, left = (int(rng.random() * (NOISE_SIZE - size)) for _ in range(2))
    leaves = noise(1.15)[top : top + size, left : left + size]
    light = np.linspace(1.25, 0.55, size, dtype=np.float32)[:, None]
    light = light + uniform(rng, -0.25, 0.25) * np.linspace(-1, 1, size, dtype=np.float32)[None, :]
    shade = np.clip(light + 0.55 * clumps + 0.5 * leaves, 0.12, 1.9)
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[..., :3] = np.clip(shade[..., None] * np.array(color[:3], np.float32), 0, 255)
    return pixels


def poster(
    rng: np.random.Generator, *, width: int = 96, height: int = 48, glow: int = 0
) -> Texture:
    """An advertisement: a coloured ground, shapes, and lines that look like writing."""
    own = branch(rng)
    return Texture(lambda: _advertisement(own(), width, height, glow))


def _advertisement(rng: np.random.Generator, width: int, height: int, glow: int) -> np.ndarray:
    ground = hsv(rng.random(), rng.random() ** 0.7, uniform(rng, 0.2, 1.0), glow)
    pixels = np.full((height, width, 4), ground, np.uint8)
    for _ in range(int(rng.random() * 4)):
        color = hsv(rng.random(), rng.random(), rng.random(), glow)
        center = int(rng.random() * width), int(rng.random() * height)
        if rng.random() < 0.5:
            cv2.circle(pixels, center, int(uniform(rng, 0.1, 0.5) * height), color, cv2.FILLED)
        else:
            opposite = int(rng.random() * width), int(rng.random() * height)
            cv2.rectangle(pixels, center, opposite, color, cv2.FILLED)
    row = uniform(rng, 0.1, 0.35) * height
    while row < height * 0.85:
        letter_height = uniform(rng, 0.08, 0.3) * height
        color = hsv(rng.random(), rng.random() * 0.5, pick(rng, (0.05, 0.95)), glow)
        column = uniform(rng, 0.05, 0.4) * width
        end = uniform(rng, 0.5, 0.97) * width
        while column < end:
            letter = letter_height * uniform(rng, 0.3, 0.8)
            corner = int(column + letter), int(row + letter_height)
            cv2.rectangle(
                pixels, (int(column), int(row)), corner, color, 1 if rng.random() < 0.6 else -1
            )
            column += letter * 1.4 + 1
        row += letter_height * 1.6 + 1
    return pixels
