"""Cars and autorickshaws. They stand at their own origin and look forward, along z."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .bodywork import HEAD_LAMP, TAIL_LAMP, TRIM, TYRE, paint_color, wheels
from .solid import Solid, part_of
from .textures import Color, hsv, mixed, pick, uniform

__all__ = ["autorickshaw", "car"]

# Side views from the rear bumper's foot over the roof to the front bumper's foot, in shares of
# length and height. A letter says what rises from each corner to the next: body or glass.
_SEDAN = (
    (0, 0.24),
    (0, 0.6),
    (0.03, 0.66),
    (0.17, 0.68),
    (0.3, 0.99),
    (0.58, 1),
    (0.74, 0.67),
    (0.97, 0.52),
    (1, 0.24),
)
_HATCHBACK = (
    (0, 0.22),
    (0, 0.56),
    (0.03, 0.6),
    (0.14, 0.96),
    (0.3, 1),
    (0.6, 0.98),
    (0.77, 0.64),
    (0.97, 0.52),
    (1, 0.22),
)
_OFFROADER = (
    (0, 0.24),
    (0, 0.58),
    (0.01, 0.62),
    (0.05, 0.97),
    (0.2, 1),
    (0.6, 0.99),
    (0.7, 0.66),
    (0.98, 0.6),
    (1, 0.24),
)
_VAN = (
    (0, 0.18),
    (0, 0.55),
    (0.0, 0.6),
    (0.03, 0.97),
    (0.2, 1),
    (0.72, 1),
    (0.88, 0.58),
    (0.99, 0.46),
    (1, 0.18),
)
_BODIES = (
    # profile, its sections (body, glass), length, width, height
    (_SEDAN, "bbbgbgbb", (4.1, 4.8), (1.65, 1.85), (1.4, 1.5)),
    (_HATCHBACK, "bbgbbgbb", (3.3, 4.0), (1.5, 1.75), (1.45, 1.6)),
    (_OFFROADER, "bbgbbgbb", (4.2, 4.8), (1.75, 1.95), (1.7, 1.9)),
    (_VAN, "bbgbbgbb", (3.8, 5.2), (1.6, 1.95), (1.8, 2.2)),
)


def car(rng: np.random.Generator) -> Solid:
    """A passenger car of one of four shapes."""
    profile, sections, lengths, widths, heights = pick(rng, _BODIES)
    color = paint_color(rng)
    size = uniform(rng, *widths), uniform(rng, *heights), uniform(rng, *lengths)
    solid = Solid("car")
    wheels(solid, size, 0.31, (0.19, 0.81))
    glass = hsv(0.58, uniform(rng, 0.05, 0.3), uniform(rng, 0.1, 0.4))
    _extrude(solid, profile, sections, size, color, glass, lean=0.13)
    return solid


def autorickshaw(rng: np.random.Generator) -> Solid:
    """A three-wheeled taxi: a body in one colour, a hood in another, open at the sides."""
    solid = Solid("autorickshaw")
    width, height, length = uniform(rng, 1.2, 1.4), uniform(rng, 1.65, 1.85), uniform(rng, 2.5, 2.9)
    body = pick(
        rng,
        ((20, 90, 50, 0), (30, 30, 32, 0), (225, 190, 30, 0), (30, 70, 150, 0), (215, 215, 205, 0)),
    )
    hood = pick(
        rng,
        ((235, 200, 30, 0), (25, 25, 28, 0), (40, 110, 60, 0), (200, 175, 40, 0), (60, 60, 60, 0)),
    )
    wheels(solid, (width, height, length), 0.22, (0.18,))
    front_wheel = [
        (-0.07, 0.4, length * 0.42),
        (0.07, 0.4, length * 0.42),
        (0.07, 0, length * 0.42),
        (-0.07, 0, length * 0.42),
    ]
    solid.face(front_wheel, TYRE)
    solid.face([front_wheel[i] for i in (1, 0, 3, 2)], TYRE)
    profile = (
        (0, 0.17),
        (0, 0.52),
        (0.04, 0.93),
        (0.15, 1),
        (0.66, 1),
        (0.82, 0.55),
        (0.98, 0.42),
        (1, 0.2),
    )
    start = -length / 2

    def half(y: float) -> float:
        return width / 2 * (0.9 if y > 0.6 * height else 1.0)

    points = [(start + z * length, y * height) for z, y in profile]
    for ((z0, y0), (z1, y1)), section in zip(pairwise(points), "bhhhgbb", strict=True):
        quad = [(-half(y1), y1, z1), (half(y1), y1, z1), (half(y0), y0, z0), (-half(y0), y0, z0)]
        solid.face(quad, {"b": body, "h": hood, "g": (45, 55, 62, 0)}[section])
        if (z0, y0) == points[1]:
            solid.detail(part_of(quad, 0.22, 0.2, 0.78, 0.5), (30, 34, 38, 0))
        if (z0, y0) == points[0]:
            solid.detail(part_of(quad, 0.05, 0.2, 0.17, 0.42), TAIL_LAMP)
            solid.detail(part_of(quad, 0.83, 0.2, 0.95, 0.42), TAIL_LAMP)
            solid.detail(part_of(quad, 0.33, 0.5, 0.67, 0.8), (230, 200, 60, 0))
            solid.detail(part_of(quad, 0, 0.9, 1, 1), TRIM)
        if section == "g":
            solid.detail(part_of(quad, 0.48, 0, 0.52, 1), hood)
    nose = [
        (width / 4, 0.42 * height, length / 2 + 0.01),
        (-width / 4, 0.42 * height, length / 2 + 0.01),
    ]
    nose += [
        (-width / 4, 0.2 * height, length / 2 + 0.01),
        (width / 4, 0.2 * height, length / 2 + 0.01),
    ]
    solid.face(nose, mixed(body, (0, 0, 0, 0), 0.2))
    solid.detail(part_of(nose, 0.35, 0.1, 0.65, 0.6), HEAD_LAMP)
    for sign in (-1, 1):
        _side(solid, [(sign * half(y), y, z) for z, y in points], sign, hood)
        opening = (0.52, 0.86, 0.16, 0.66, (28, 26, 26, 0))
        for low, high, z0, z1, color in (
            opening,
            (0.17, 0.5, 0.0, 0.42, body),
            (0.17, 0.4, 0.42, 0.98, body),
        ):
            quad = [
                (sign * half(y * height) * 1.002, y * height, start + z * length)
                for y, z in ((high, z0), (high, z1), (low, z1), (low, z0))
            ]
            solid.detail(quad, color)
    return solid


def _side(
    solid: Solid, points: Sequence[tuple[float, float, float]], sign: int, color: Color
) -> None:
    """A side of a body; clockwise for who looks at it, whichever side it is."""
    ordered = list(points) if sign > 0 else list(points)[::-1]
    solid.face(ordered, color)


def _extrude(
    solid: Solid,
    profile: Sequence[tuple[float, float]],
    sections: str,
    size: tuple[float, float, float],
    color: Color,
    glass: Color,
    *,
    lean: float,
) -> None:
    """A car body: the side view drawn out over the width, narrower towards the roof."""
    width, height, length = size
    half, belt = width / 2, 0.62

    def at(z: float, y: float) -> tuple[float, float, float]:
        return half * (1 - lean * max(0.0, y - belt) / (1 - belt)), y * height, (z - 0.5) * length

    for (p, q), section in zip(pairwise(profile), sections, strict=True):
        (x0, y0, z0), (x1, y1, z1) = at(*p), at(*q)
        quad = [(-x1, y1, z1), (x1, y1, z1), (x0, y0, z0), (-x0, y0, z0)]
        solid.face(quad, glass if section == "g" else color)
        if section == "g":
            solid.detail(part_of(quad, 0, 0, 0.06, 1), color)
            solid.detail(part_of(quad, 0.94, 0, 1, 1), color)
            solid.detail(part_of(quad, 0.06, 0, 0.94, 0.35), mixed(glass, (200, 215, 230, 0), 0.3))
        if p == profile[0]:  # the rear
            for left in (0.03, 0.77):
                solid.detail(part_of(quad, left, 0.05, left + 0.2, 0.34), TAIL_LAMP)
            solid.detail(part_of(quad, 0.34, 0.3, 0.66, 0.5), (228, 226, 205, 0))
            solid.detail(part_of(quad, 0, 0.72, 1, 1), mixed(color, TRIM, 0.8))
    (_, y0, z0), (x1, y1, z1) = at(*profile[-1]), at(*profile[-2])
    front = [(x1, y1, z1), (-x1, y1, z1), (-half, y0, z0), (half, y0, z0)]
    solid.face(front, color)
    for left in (0.03, 0.75):
        solid.detail(part_of(front, left, 0.06, left + 0.22, 0.36), HEAD_LAMP)
    solid.detail(part_of(front, 0.28, 0.12, 0.72, 0.42), TRIM)
    solid.detail(part_of(front, 0.36, 0.52, 0.64, 0.72), (228, 226, 205, 0))
    solid.detail(part_of(front, 0, 0.78, 1, 1), mixed(color, TRIM, 0.8))
    roof = [z for z, y in profile if y > 0.9]
    belts = [z for z, y in profile if 0.55 < y < 0.75]
    for sign in (-1, 1):
        outline = [at(z, y) for z, y in profile]
        _side(
            solid, [(sign * x, y, z) for x, y, z in outline], sign, mixed(color, (0, 0, 0, 0), 0.06)
        )
        rear_low, front_low = max(min(belts), 0.06) + 0.05, max(belts) - 0.04
        middle = (min(roof) + max(roof)) / 2
        for window in (
            (
                (rear_low, 0.68),
                (min(roof) + 0.03, 0.94),
                (middle - 0.012, 0.94),
                (middle - 0.012, 0.68),
            ),
            (
                (middle + 0.012, 0.68),
                (middle + 0.012, 0.94),
                (max(roof) - 0.02, 0.94),
                (front_low, 0.68),
            ),
        ):
            solid.detail(
                [(sign * x * 1.002, y, z) for x, y, z in (at(*corner) for corner in window)], glass
            )
        seam = [
            at(middle - 0.004, 0.66),
            at(middle + 0.004, 0.66),
            at(middle + 0.004, 0.3),
            at(middle - 0.004, 0.3),
        ]
        solid.detail(
            [(sign * x * 1.002, y, z) for x, y, z in seam], mixed(color, (0, 0, 0, 0), 0.5)
        )
