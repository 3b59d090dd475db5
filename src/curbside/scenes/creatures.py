"""Cows and dogs: flat cut-outs, from the side."""

from __future__ import annotations

import numpy as np

from .cutouts import limb, oval
from .solid import Solid
from .textures import hsv, mixed, pick, uniform

__all__ = ["animal"]


def animal(rng: np.random.Generator) -> Solid:
    """A cow or a dog, from the side."""
    solid = Solid("animal", closed=False, rough=0.25)
    cow = rng.random() < 0.6
    k = uniform(rng, 0.85, 1.1) if cow else uniform(rng, 0.42, 0.55)
    coat = pick(
        rng,
        (
            (235, 228, 215, 0),
            (150, 105, 70, 0),
            (70, 52, 42, 0),
            (40, 38, 38, 0),
            (190, 160, 120, 0),
        ),
    )
    dark = mixed(coat, (0, 0, 0, 0), 0.35)
    for x, color in ((-0.55, dark), (0.48, dark), (-0.68, coat), (0.58, coat)):
        limb(solid, (x, 0.75), (x + uniform(rng, -0.08, 0.08), 0.0), 0.2, 0.12, color, k)
    limb(solid, (-0.72, 0.98), (0.66, 1.0), 0.56, 0.56, coat, k)
    oval(solid, (-0.6, 0.98), (0.24, 0.3), coat, k)
    spots = mixed(coat, hsv(rng.random(), 0.2, rng.random()), 0.6)
    oval(solid, (uniform(rng, -0.4, 0.4), 1.05), (0.22, 0.16), spots, k)
    down = uniform(rng, -0.5, 0.2)
    limb(solid, (0.6, 1.1), (1.0, 1.25 + down), 0.36, 0.2, coat, k)
    limb(solid, (0.96, 1.28 + down), (1.26, 1.14 + down), 0.24, 0.14, mixed(coat, dark, 0.3), k)
    if cow:
        for x in (0.96, 1.04):
            limb(solid, (x, 1.36 + down), (x - 0.08, 1.6 + down), 0.06, 0.03, (200, 190, 165, 0), k)
    limb(solid, (-0.8, 1.15), (-0.92, 0.5), 0.06, 0.05, dark, k)
    return solid
