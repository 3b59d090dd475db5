"""People on foot and people who ride: flat cut-outs that move their limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cutouts import limb, oval, quad, torso
from .solid import Solid
from .textures import Color, hsv, mixed, pick, uniform

__all__ = ["Clothes", "person", "rider"]

_SKIN = (
    (96, 62, 44, 0),
    (134, 90, 64, 0),
    (172, 120, 88, 0),
    (205, 158, 126, 0),
    (228, 190, 160, 0),
)


@dataclass(frozen=True, kw_only=True)
class Clothes:
    """How a person looks."""

    shirt: Color
    legs: Color
    skin: Color
    hair: Color
    skirt: bool
    bag: Color | None
    helmet: bool
    height: float
    girth: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> Clothes:
        """Someone."""
        bare = hsv(rng.random(), rng.random() * 0.15, rng.random())
        shirt = (
            hsv(rng.random(), rng.random(), uniform(rng, 0.15, 1.0)) if rng.random() < 0.7 else bare
        )
        return cls(
            shirt=shirt,
            legs=hsv(uniform(rng, 0.5, 0.75), rng.random() * 0.6, uniform(rng, 0.08, 0.7)),
            skin=pick(rng, _SKIN),
            hair=hsv(
                uniform(rng, 0.02, 0.1), rng.random() * 0.5, pick(rng, (0.07, 0.12, 0.2, 0.6, 0.85))
            ),
            skirt=rng.random() < 0.3,
            bag=hsv(rng.random(), rng.random(), rng.random()) if rng.random() < 0.3 else None,
            helmet=rng.random() < 0.6,
            height=uniform(rng, 1.5, 1.86) if rng.random() < 0.88 else uniform(rng, 1.0, 1.35),
            girth=uniform(rng, 0.85, 1.3),
        )


def person(clothes: Clothes, *, stride: float, sideways: bool) -> Solid:
    """Someone on foot.

    Args:
        clothes: How the person looks.
        stride: Phase of the step, in radians.
        sideways: Seen from the side, walking to the right, rather than from behind.
    """
    solid = Solid("person", closed=False, rough=0.12)
    k, g = clothes.height / 1.72, clothes.girth
    swing = np.sin(stride)
    step = (0.34 if sideways else 0.06) * swing
    apart = 0.02 if sideways else 0.1
    dark = mixed(clothes.legs, (0, 0, 0, 0), 0.35)
    lift = 0.05 * max(0.0, np.cos(stride))
    limb(solid, (-apart, 0.86), (-apart - step, 0.02 + lift), 0.17 * g, 0.11, dark, k)
    limb(solid, (apart, 0.86), (apart + step, 0.02), 0.17 * g, 0.11, clothes.legs, k)
    for x in (-apart - step, apart + step):
        limb(
            solid,
            (x - 0.05, 0.03),
            (x + (0.13 if sideways else 0.05), 0.03),
            0.08,
            0.08,
            (30, 26, 24, 0),
            k,
        )
    if clothes.skirt:
        quad(solid, 0.26 * g, 0.95, 0.42 * g, 0.2, clothes.legs, k)
    arm = -0.8 * step if sideways else 0.0
    wide = 0.16 if sideways else 0.23
    sleeve = mixed(clothes.shirt, (0, 0, 0, 0), 0.22)
    limb(solid, (-wide * g, 1.38), (-wide * g - 0.05 - arm, 0.82), 0.11, 0.08, sleeve, k)
    torso(solid, wide * g, 1.46, 0.8, clothes.shirt, k)
    limb(solid, (wide * g, 1.38), (wide * g + 0.05 + arm, 0.82), 0.11, 0.08, sleeve, k)
    for x in (-wide * g - 0.05 - arm, wide * g + 0.05 + arm):
        oval(solid, (x, 0.8), (0.05, 0.06), clothes.skin, k)
    if clothes.bag is not None:
        oval(solid, (-wide * g if sideways else 0.0, 1.12), (0.15, 0.22), clothes.bag, k)
    _head(solid, clothes, 1.58, k, back=not sideways)
    return solid


def rider(clothes: Clothes, *, seat: float, sideways: bool) -> Solid:
    """Someone who rides; belongs on a two-wheeler whose seat is that many metres high."""
    solid = Solid("rider", closed=False, rough=0.12)
    g = clothes.girth
    dark = mixed(clothes.legs, (0, 0, 0, 0), 0.3)
    if sideways:
        hip, knee, foot, neck, hand = (
            (-0.12, seat),
            (0.28, seat - 0.08),
            (0.16, 0.3),
            (0.02, seat + 0.56),
            (0.5, seat + 0.2),
        )
        limb(solid, hip, knee, 0.18, 0.15, clothes.legs)
        limb(solid, knee, foot, 0.14, 0.1, dark)
        limb(solid, (hip[0], hip[1] - 0.06), neck, 0.3 * g, 0.3 * g, clothes.shirt)
        limb(
            solid,
            (neck[0], neck[1] - 0.1),
            hand,
            0.11,
            0.09,
            mixed(clothes.shirt, (0, 0, 0, 0), 0.25),
        )
    else:
        for sign in (-1, 1):
            limb(
                solid,
                (sign * 0.12, seat - 0.02),
                (sign * 0.27, seat - 0.25),
                0.18,
                0.16,
                clothes.legs,
            )
            limb(solid, (sign * 0.27, seat - 0.2), (sign * 0.24, 0.28), 0.14, 0.12, dark)
            limb(
                solid,
                (sign * 0.22 * g, seat + 0.5),
                (sign * 0.34, seat + 0.16),
                0.12,
                0.1,
                mixed(clothes.shirt, (0, 0, 0, 0), 0.25),
            )
        torso(solid, 0.23 * g, seat + 0.6, seat - 0.1, clothes.shirt)
        if clothes.bag is not None:
            oval(solid, (0.0, seat + 0.26), (0.16, 0.23), clothes.bag)
    _head(solid, clothes, seat + 0.74, 1, back=not sideways, helmet=clothes.helmet)
    return solid


def _head(
    solid: Solid, clothes: Clothes, y: float, k: float, *, back: bool, helmet: bool = False
) -> None:
    limb(solid, (0, y - 0.16), (0, y), 0.1, 0.1, clothes.skin, k)
    oval(solid, (0, y), (0.1, 0.13), clothes.skin, k)
    cover = mixed(clothes.shirt, clothes.hair, 0.6) if helmet else clothes.hair
    grow = 1.25 if helmet else 1.06
    oval(
        solid,
        (0, y + (0.02 if back else 0.05)),
        (0.1 * grow, 0.12 * grow if back else 0.08 * grow),
        cover,
        k,
    )
