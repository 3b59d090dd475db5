"""Motorcycles and bicycles: flat cut-outs, from the side or from one end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .cutouts import limb, oval, quad
from .solid import Solid
from .textures import Color, hsv, mixed, uniform

__all__ = ["Mount", "bicycle", "motorcycle"]

_TYRE: Color = (24, 24, 26, 0)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """How a two-wheeler looks."""

    paint: Color
    seat: Color
    scooter: bool

    @classmethod
    def of(cls, rng: np.random.Generator) -> Mount:
        """One."""
        return cls(
            paint=hsv(rng.random(), rng.random(), uniform(rng, 0.1, 0.9)),
            seat=hsv(0.05, 0.3, uniform(rng, 0.06, 0.3)),
            scooter=rng.random() < 0.4,
        )


def motorcycle(mount: Mount, *, sideways: bool, oncoming: bool = False) -> Solid:
    """A motorcycle or scooter, from the side or from one end."""
    solid = Solid("motorcycle", closed=False, rough=0.15)
    grey, dark = (110, 110, 114, 0), mixed(mount.paint, (0, 0, 0, 0), 0.4)
    if sideways:
        for x in (-0.62, 0.64):
            oval(solid, (x, 0.3), (0.3, 0.3), _TYRE)
            oval(solid, (x, 0.3), (0.19, 0.19), grey)
        limb(solid, (-0.6, 0.36), (0.1, 0.42), 0.2, 0.36, (56, 56, 60, 0))
        limb(solid, (-0.7, 0.7), (0.12, 0.7), 0.26 if mount.scooter else 0.16, 0.2, mount.paint)
        limb(solid, (-0.72, 0.8), (0.02, 0.79), 0.1, 0.12, mount.seat)
        limb(
            solid, (0.05, 0.76), (0.4, 0.82), 0.24, 0.22, mount.paint if not mount.scooter else dark
        )
        limb(
            solid, (0.62, 0.32), (0.4, 1.02), 0.1, 0.09, grey if not mount.scooter else mount.paint
        )
        limb(solid, (0.34, 1.06), (0.48, 1.02), 0.07, 0.07, (30, 30, 32, 0))
        oval(solid, (0.52, 0.9), (0.09, 0.09), (225, 225, 210, 200))
        oval(solid, (-0.78, 0.68), (0.05, 0.05), (200, 24, 24, 160))
        return solid
    limb(solid, (0, 0.66), (0, 0.0), 0.15, 0.13, _TYRE)
    limb(solid, (0, 0.98), (0, 0.42), 0.3 if mount.scooter else 0.22, 0.28, mount.paint)
    limb(solid, (-0.36, 1.04), (0.36, 1.04), 0.06, 0.06, (34, 34, 36, 0))
    limb(solid, (0, 1.06), (0, 0.8), 0.24, 0.26, dark)
    for sign in (-1, 1):
        limb(solid, (sign * 0.3, 1.04), (sign * 0.36, 1.2), 0.03, 0.03, (34, 34, 36, 0))
        oval(solid, (sign * 0.36, 1.2), (0.07, 0.05), (40, 44, 48, 0))
    if oncoming:
        oval(solid, (0, 0.9), (0.1, 0.1), (245, 245, 230, 255))
    else:
        quad(solid, 0.16, 0.74, 0.16, 0.66, (205, 24, 26, 170))
        quad(solid, 0.2, 0.58, 0.2, 0.46, (225, 222, 200, 0))
    return solid


def bicycle(mount: Mount, *, sideways: bool) -> Solid:
    """A bicycle, from the side or from one end."""
    solid = Solid("bicycle", closed=False, rough=0.1)
    if sideways:
        for x in (-0.52, 0.52):
            oval(solid, (x, 0.34), (0.34, 0.34), _TYRE)
            oval(solid, (x, 0.34), (0.28, 0.28), (104, 104, 100, 0))
            for angle in (0.0, np.pi / 2):
                dx, dy = 0.28 * np.cos(angle), 0.28 * np.sin(angle)
                limb(solid, (x - dx, 0.34 - dy), (x + dx, 0.34 + dy), 0.03, 0.03, (60, 60, 62, 0))
        frame = (
            (-0.52, 0.34),
            (-0.16, 0.84),
            (0.36, 0.86),
            (0.0, 0.32),
            (-0.52, 0.34),
            (0.0, 0.32),
            (-0.16, 0.84),
        )
        for a, b in (
            *pairwise(frame),
            ((0.52, 0.34), (0.36, 1.0)),
            ((0.3, 1.02), (0.46, 1.0)),
        ):
            limb(solid, a, b, 0.07, 0.07, mount.paint)
        limb(solid, (-0.3, 0.9), (-0.05, 0.9), 0.08, 0.06, mount.seat)
        return solid
    limb(solid, (0, 0.68), (0, 0.0), 0.07, 0.07, _TYRE)
    limb(solid, (0, 0.92), (0, 0.5), 0.1, 0.08, mount.paint)
    limb(solid, (-0.12, 0.9), (0.12, 0.9), 0.08, 0.08, mount.seat)
    limb(solid, (-0.28, 1.02), (0.28, 1.02), 0.06, 0.06, (60, 60, 64, 0))
    quad(solid, 0.07, 0.66, 0.07, 0.6, (210, 24, 24, 120))
    return solid
