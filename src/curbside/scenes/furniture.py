"""What people put up along a road: poles, lamps, signs, signals, billboards, bridges."""

from __future__ import annotations

import numpy as np

from .solid import Solid
from .textures import Color, hsv, mixed, pick, poster, uniform

__all__ = ["billboard", "bridge", "lamp_post", "pole", "signal_head", "traffic_sign"]


def pole(rng: np.random.Generator, *, height: float, color: Color, arms: bool = True) -> Solid:
    """A post; with `arms`, some have cross-arms for wires."""
    solid = Solid("pole", closed=False, rough=0.12)
    thick = uniform(rng, 0.14, 0.26)
    _bar(solid, -thick / 2, height, thick / 2, 0, color)
    solid.detail(
        [(0, height, 0), (thick / 2, height, 0), (thick / 2, 0, 0), (0, 0, 0)],
        mixed(color, (0, 0, 0, 0), 0.3),
    )
    if arms and rng.random() < 0.5:
        for low in (0.25, 0.9):
            _bar(
                solid,
                -0.9,
                height - low,
                0.9,
                height - low - 0.14,
                mixed(color, (0, 0, 0, 0), 0.25),
            )
    if rng.random() < 0.35:
        band = pick(rng, ((230, 200, 50, 0), (220, 220, 220, 0), (180, 40, 30, 0)))
        solid.detail(
            [(-thick / 2, 1.6, 0), (thick / 2, 1.6, 0), (thick / 2, 1.0, 0), (-thick / 2, 1.0, 0)],
            band,
        )
    return solid


def lamp_post(rng: np.random.Generator, *, height: float, reach: float, color: Color) -> Solid:
    """A street lamp whose arm reaches `reach` metres to the right (left where negative)."""
    solid = Solid("pole", closed=False, rough=0.1)
    thick = uniform(rng, 0.13, 0.2)
    _bar(solid, -thick / 2, height, thick / 2, 0, color)
    _bar(solid, min(0, reach), height + 0.16, max(0, reach), height, color)
    tip = (reach - 0.5, reach + 0.1) if reach > 0 else (reach - 0.1, reach + 0.5)
    _bar(solid, tip[0], height + 0.12, tip[1], height - 0.1, (225, 222, 205, 255))
    return solid


def traffic_sign(rng: np.random.Generator) -> Solid:
    """The plate of a sign: a triangle, a disc, an octagon or a board, in one of many colours."""
    solid = Solid("traffic sign", closed=False, rough=0.06)
    kind = rng.random()
    size = uniform(rng, 0.38, 0.6)
    red, white, blue = (196, 28, 34, 30), (236, 236, 232, 40), (24, 74, 164, 30)
    if kind < 0.3:
        outer = [(0.0, size, 0.0), (size, -size * 0.75, 0.0), (-size, -size * 0.75, 0.0)]
        rim, inner, ink = red, pick(rng, (white, (240, 200, 40, 30))), (20, 20, 20, 0)
    elif kind < 0.65:
        outer = [
            (size * float(np.sin(a)), size * float(np.cos(a)), 0.0)
            for a in np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ]
        rim, inner, ink = pick(
            rng, ((red, white, (20, 20, 20, 0)), (blue, blue, white), (red, red, white))
        )
    else:
        wide, high = uniform(rng, 0.45, 1.5), uniform(rng, 0.35, 0.8)
        outer = [(-wide, high, 0.0), (wide, high, 0.0), (wide, -high, 0.0), (-wide, -high, 0.0)]
        rim = white
        inner, ink = pick(
            rng,
            (
                ((20, 100, 60, 30), white),
                (blue, white),
                ((235, 200, 50, 30), (20, 20, 20, 0)),
                (white, (20, 20, 20, 0)),
            ),
        )
    solid.face(outer, rim)
    solid.detail([(x * 0.8, y * 0.8, 0.0) for x, y, _ in outer], inner)
    for row in range(1 if kind < 0.65 else 3):
        y = size * (0.25 - row * 0.4) if kind >= 0.65 else 0.12 * size
        wide = size * uniform(rng, 0.3, 0.7)
        solid.detail(
            [
                (-wide / 2, y, 0),
                (wide / 2, y, 0),
                (wide / 2, y - size * 0.22, 0),
                (-wide / 2, y - size * 0.22, 0),
            ],
            ink,
        )
    return solid


def signal_head(lit: int) -> Solid:
    """The lamps of a traffic light; `lit` is 0 for red, 1 for amber, 2 for green."""
    solid = Solid("traffic light", closed=False, rough=0.05)
    _bar(solid, -0.26, 0.62, 0.26, -0.62, (28, 30, 30, 0))
    solid.detail(
        [(-0.2, 0.57, 0), (0.2, 0.57, 0), (0.2, -0.57, 0), (-0.2, -0.57, 0)], (44, 46, 46, 0)
    )
    for row, color in enumerate(((255, 50, 40), (255, 180, 40), (60, 235, 130))):
        shown: Color = (
            (*color, 255) if row == lit else (color[0] // 5, color[1] // 5, color[2] // 5, 0)
        )
        y = 0.37 - 0.37 * row
        solid.detail(
            [
                (0.14 * float(np.sin(a)), y + 0.14 * float(np.cos(a)), 0.0)
                for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)
            ],
            shown,
        )
    return solid


def billboard(rng: np.random.Generator, *, width: float, height: float, low: float) -> Solid:
    """A board with an advertisement, its lower edge `low` metres up."""
    solid = Solid("billboard", closed=False, convex=True, rough=0.05)
    picture = poster(
        rng, width=int(width * 20), height=int(height * 20), glow=int(rng.random() * 200)
    )
    half, top = width / 2, low + height
    solid.face(
        [(-half, top, 0), (half, top, 0), (half, low, 0), (-half, low, 0)],
        (128, 128, 128, 0),
        texture=picture,
    )
    return solid


def bridge(rng: np.random.Generator, *, width: float) -> Solid:
    """A deck across the road, for people or for another road."""
    solid = Solid("bridge", convex=True, rough=0.14)
    low, thick = uniform(rng, 5.2, 6.5), uniform(rng, 0.9, 2.2)
    color = hsv(uniform(rng, 0.05, 0.15), rng.random() * 0.25, uniform(rng, 0.4, 0.75))
    half, depth = width / 2, uniform(rng, 2.5, 9.0)
    face = [
        (-half, low + thick, 0.0),
        (half, low + thick, 0.0),
        (half, low, 0.0),
        (-half, low, 0.0),
    ]
    solid.face(face, color)
    solid.detail(
        [
            (-half, low + thick, 0),
            (half, low + thick, 0),
            (half, low + thick * 0.55, 0),
            (-half, low + thick * 0.55, 0),
        ],
        mixed(color, hsv(rng.random(), 0.5, 0.6), 0.4),
    )
    for x in np.arange(-half, half, 2.2):
        solid.detail(
            [(x, low + thick, 0), (x + 0.1, low + thick, 0), (x + 0.1, low, 0), (x, low, 0)],
            mixed(color, (0, 0, 0, 0), 0.25),
        )
    solid.face(
        [(-half, low, 0.0), (half, low, 0.0), (half, low, depth), (-half, low, depth)],
        mixed(color, (0, 0, 0, 0), 0.55),
    )
    return solid


def _bar(solid: Solid, left: float, top: float, right: float, bottom: float, color: Color) -> None:
    solid.face([(left, top, 0), (right, top, 0), (right, bottom, 0), (left, bottom, 0)], color)
