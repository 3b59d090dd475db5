"""What vehicles are made of: paint, boxes, wheels, lamps. They look forward, along z."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .solid import Corners, Solid
from .textures import Color, hsv, pick, uniform

__all__ = ["HEAD_LAMP", "TAIL_LAMP", "TRIM", "TYRE", "box", "paint_color", "wheels"]

TYRE: Color = (22, 22, 24, 0)
_RIM: Color = (120, 122, 126, 0)
TRIM: Color = (38, 38, 42, 0)
TAIL_LAMP: Color = (190, 20, 24, 150)
HEAD_LAMP: Color = (240, 240, 226, 255)


def paint_color(rng: np.random.Generator) -> Color:
    """A car's paint: white, silver, grey and black are common, every other colour occurs."""
    kind = rng.random()
    if kind < 0.5:
        return hsv(
            rng.random(),
            uniform(rng, 0, 0.09),
            pick(rng, (0.95, 0.9, 0.7, 0.58, 0.45, 0.3, 0.14, 0.1)),
        )
    if kind < 0.62:
        return hsv(uniform(rng, 0.06, 0.13), uniform(rng, 0.2, 0.45), uniform(rng, 0.4, 0.8))
    return hsv(rng.random(), uniform(rng, 0.35, 0.85), uniform(rng, 0.25, 0.85))


def box(half: float, low: float, high: float, back: float, front: float) -> list[Corners]:
    """Rear, front, left, right and top of a box."""
    return [
        [(-half, high, back), (half, high, back), (half, low, back), (-half, low, back)],
        [(half, high, front), (-half, high, front), (-half, low, front), (half, low, front)],
        [(-half, high, front), (-half, high, back), (-half, low, back), (-half, low, front)],
        [(half, high, back), (half, high, front), (half, low, front), (half, low, back)],
        [(-half, high, front), (half, high, front), (half, high, back), (-half, high, back)],
    ]


def wheels(
    solid: Solid, size: tuple[float, float, float], radius: float, places: Sequence[float]
) -> None:
    """Wheels, at shares of the length: what shows below the body, and the discs on its sides."""
    width, _, length = size
    half = width / 2
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for place in places:
        z = (place - 0.5) * length
        for inner, outer in ((-half, 0.24 - half), (half - 0.24, half)):
            rear = [
                (inner, radius * 1.5, z - radius * 0.8),
                (outer, radius * 1.5, z - radius * 0.8),
            ]
            rear += [(outer, 0.0, z - radius * 0.8), (inner, 0.0, z - radius * 0.8)]
            solid.face(rear, TYRE, rank=-1)
            ahead = [(x, y, z + radius * 0.8) for x, y, _ in (rear[1], rear[0], rear[3], rear[2])]
            solid.face(ahead, TYRE, rank=-1)
        for sign in (-1, 1):
            rim = [(float(np.cos(a)), float(np.sin(a))) for a in -sign * angles]
            solid.face(
                [(sign * half * 1.01, radius * (1 + b), z + radius * a) for a, b in rim],
                TYRE,
                rank=1,
            )
            solid.detail(
                [
                    (sign * half * 1.01, radius * (1 + 0.55 * b), z + 0.55 * radius * a)
                    for a, b in rim
                ],
                _RIM,
            )
