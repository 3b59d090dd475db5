"""Trucks, buses and carts. They stand at their own origin and look forward, along z."""

from __future__ import annotations

import numpy as np

from .bodywork import HEAD_LAMP, TAIL_LAMP, TRIM, box, paint_color, wheels
from .solid import Solid, part_of
from .textures import hsv, mixed, poster, uniform

__all__ = ["bus", "cart", "truck"]


def truck(rng: np.random.Generator) -> Solid:
    """A goods vehicle: a cab, and a box, a canvas or an open tray of another colour behind it."""
    solid = Solid("truck")
    small = rng.random() < 0.4
    width, height = (uniform(rng, 1.6, 1.9), uniform(rng, 2.0, 2.5)) if small else (
        uniform(rng, 2.2, 2.5), uniform(rng, 2.8, 3.7)
    )  # fmt: skip
    length = width * uniform(rng, 2.5, 3.4)
    wheels(
        solid,
        (width, height, length),
        0.34 if small else 0.5,
        (0.16, 0.84) if small else (0.14, 0.28, 0.84),
    )
    color, load = paint_color(rng), hsv(rng.random(), rng.random(), uniform(rng, 0.2, 0.95))
    half, back, cab_end = width / 2, -length / 2, length / 2 - width * 0.85
    loaded = height * uniform(rng, 0.45, 0.62) if rng.random() < 0.35 else height
    stripes = [(k + 0.5) / 5 for k in range(int(rng.random() * 5))]
    stripe = mixed(load, hsv(rng.random(), 0.7, 0.8), uniform(rng, 0.2, 0.8))
    picture = poster(rng) if rng.random() < 0.4 else None
    rear, face, left, right, top = box(half, height * 0.3, loaded, back, cab_end - 0.12)
    for quad in (top, face):
        solid.face(quad, load)
    for quad in (rear, left, right):
        solid.face(quad, load)
        for share in stripes:
            solid.detail(part_of(quad, 0.02, share, 0.98, share + 0.09), stripe)
        if picture is not None:
            solid.detail(part_of(quad, 0.08, 0.1, 0.92, 0.9), load, texture=picture)
    chassis = [
        (-half, height * 0.3, back),
        (half, height * 0.3, back),
        (half, height * 0.17, back),
        (-half, height * 0.17, back),
    ]
    solid.face(chassis, TRIM)
    for edge in (0.03, 0.8):
        solid.detail(part_of(chassis, edge, 0.1, edge + 0.17, 0.6), TAIL_LAMP)
    solid.detail(part_of(chassis, 0.38, 0.25, 0.62, 0.9), (215, 190, 60, 0))
    cab_top = height * uniform(rng, 0.72, 0.95)
    rear, face, left, right, top = box(half * 0.96, height * 0.15, cab_top, cab_end, length / 2)
    for quad in (top, rear):
        solid.face(quad, color)
    for quad in (left, right):
        solid.face(quad, color)
        solid.detail(part_of(quad, 0.15, 0.1, 0.85, 0.5), (40, 48, 56, 0))
    solid.face(face, color)
    solid.detail(part_of(face, 0.06, 0.08, 0.94, 0.45), (44, 52, 60, 0))
    solid.detail(part_of(face, 0.25, 0.6, 0.75, 0.8), TRIM)
    for edge in (0.04, 0.8):
        solid.detail(part_of(face, edge, 0.62, edge + 0.16, 0.76), HEAD_LAMP)
    solid.detail(part_of(face, 0, 0.85, 1, 1), mixed(TRIM, (200, 200, 190, 0), rng.random() * 0.6))
    return solid


def bus(rng: np.random.Generator) -> Solid:
    """A city bus or a coach: rows of windows, a band in a second colour."""
    solid = Solid("bus")
    width, height, length = uniform(rng, 2.2, 2.55), uniform(rng, 2.8, 3.3), uniform(rng, 7.0, 11.0)
    wheels(solid, (width, height, length), 0.48, (0.22, 0.78))
    color, band = paint_color(rng), hsv(rng.random(), rng.random(), rng.random())
    glass = hsv(0.57, uniform(rng, 0.05, 0.35), uniform(rng, 0.12, 0.45), 90)
    rear, front, left, right, top = box(width / 2, height * 0.11, height, -length / 2, length / 2)
    solid.face(top, color)
    low = uniform(rng, 0.55, 0.75)
    for side in (left, right):
        solid.face(side, color)
        solid.detail(part_of(side, 0, low, 1, low + uniform(rng, 0.05, 0.2)), band)
        solid.detail(part_of(side, 0.02, 0.14, 0.98, 0.46), glass)
        for post in np.linspace(0.1, 0.9, int(length / 1.3)):
            solid.detail(part_of(side, post - 0.006, 0.14, post + 0.006, 0.46), color)
        solid.detail(part_of(side, 0.06, 0.93, 0.94, 1.0), TRIM)
    solid.face(rear, color)
    solid.detail(part_of(rear, 0, low, 1, low + 0.1), band)
    solid.detail(part_of(rear, 0.1, 0.1, 0.9, uniform(rng, 0.3, 0.42)), glass)
    solid.detail(part_of(rear, 0.25, 0.52, 0.75, 0.64), mixed(color, (0, 0, 0, 0), 0.4))
    for left_edge in (0.04, 0.86):
        solid.detail(part_of(rear, left_edge, 0.7, left_edge + 0.1, 0.84), TAIL_LAMP)
    solid.detail(part_of(rear, 0.38, 0.82, 0.62, 0.9), (225, 225, 215, 0))
    solid.detail(part_of(rear, 0, 0.92, 1, 1), TRIM)
    solid.face(front, color)
    solid.detail(part_of(front, 0.06, 0.16, 0.94, 0.55), glass)
    solid.detail(part_of(front, 0.2, 0.03, 0.8, 0.13), (30, 30, 30, 40))
    solid.detail(part_of(front, 0.26, 0.05, 0.74, 0.11), (250, 170, 40, 220))
    for left_edge in (0.05, 0.83):
        solid.detail(part_of(front, left_edge, 0.74, left_edge + 0.12, 0.84), HEAD_LAMP)
    solid.detail(part_of(front, 0, 0.9, 1, 1), TRIM)
    return solid


def cart(rng: np.random.Generator) -> Solid:
    """A hand cart or farm trailer with a load."""
    solid = Solid("vehicle fallback", rough=0.15)
    width, length = uniform(rng, 1.1, 1.9), uniform(rng, 1.8, 3.2)
    floor, top = uniform(rng, 0.6, 0.8), uniform(rng, 0.9, 1.7)
    wood, load = (
        hsv(0.08, 0.5, uniform(rng, 0.25, 0.6)),
        hsv(rng.random(), rng.random(), uniform(rng, 0.3, 0.9)),
    )
    wheels(solid, (width, top, length), 0.35, (0.5,))
    for low, high, share, color in ((floor - 0.25, floor, 1.0, wood), (floor, top, 0.86, load)):
        for quad in box(width / 2 * share, low, high, -length / 2 * share, length / 2 * share):
            solid.face(quad, color, rank=low == floor)
            if low == floor:
                for _ in range(4):
                    x, y = uniform(rng, 0, 0.75), uniform(rng, 0, 0.7)
                    solid.detail(
                        part_of(quad, x, y, x + 0.25, y + 0.3),
                        mixed(load, hsv(rng.random(), 0.7, 0.7), 0.5),
                    )
    return solid
