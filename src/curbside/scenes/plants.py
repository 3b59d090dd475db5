"""Trees, hedges and the woods far away: flat cut-outs with leaves laid on them."""

from __future__ import annotations

import numpy as np

from .solid import Solid
from .textures import Color, Texture, foliage, hsv, uniform

__all__ = ["hedge", "leaf_color", "leaf_textures", "tree", "treeline"]


def leaf_color(rng: np.random.Generator) -> Color:
    """Many greens, dusty and dark, and the browns of dry and autumn leaves."""
    if rng.random() < 0.72:
        return hsv(uniform(rng, 0.18, 0.4), uniform(rng, 0.15, 0.75), uniform(rng, 0.22, 0.6))
    return hsv(uniform(rng, 0.02, 0.17), uniform(rng, 0.25, 0.75), uniform(rng, 0.22, 0.65))


def tree(rng: np.random.Generator, leaves: Texture) -> Solid:
    """A tree or palm with its own outline."""
    solid = Solid("vegetation", closed=False, rough=0.15)
    bark = hsv(uniform(rng, 0.05, 0.12), uniform(rng, 0.1, 0.5), uniform(rng, 0.15, 0.45))
    palm = rng.random() < 0.15
    trunk = uniform(rng, 4.0, 8.0) if palm else uniform(rng, 0.8, 3.4)
    thick = uniform(rng, 0.16, 0.5)
    lean = uniform(rng, -0.4, 0.4)
    solid.face(
        [
            (lean - thick * 0.35, trunk + 0.6, 0),
            (lean + thick * 0.35, trunk + 0.6, 0),
            (thick / 2, 0, 0),
            (-thick / 2, 0, 0),
        ],
        bark,
    )
    if palm:
        for angle in np.linspace(-0.5, np.pi + 0.5, 7) + uniform(rng, -0.2, 0.2):
            x, y = lean + 2.0 * np.cos(angle), trunk + 0.5 + 1.6 * np.sin(angle) - 0.3
            middle = lean + 1.0 * np.cos(angle), trunk + 0.9 + 1.2 * np.sin(angle)
            frond = [
                (lean, trunk + 0.7, 0),
                (middle[0], middle[1] + 0.25, 0),
                (x, y, 0),
                (middle[0], middle[1] - 0.35, 0),
            ]
            box = [(lean - 3, trunk + 3, 0), (lean + 3, trunk + 3, 0), (lean - 3, trunk - 2, 0)]
            solid.face(frond, bark, texture=leaves, basis=box)
        return solid
    radius = uniform(rng, 1.1, 3.2)
    tall = radius * uniform(rng, 0.7, 1.5)
    _crown(solid, rng, (lean, trunk + tall * 0.85), (radius, tall), leaves)
    for _ in range(int(rng.random() * 3)):
        x, y = lean + uniform(rng, -0.8, 0.8) * radius, trunk + uniform(rng, 0.5, 1.7) * tall
        _crown(solid, rng, (x, y), (radius * 0.6, tall * 0.55), leaves)
    return solid


def hedge(rng: np.random.Generator, leaves: Texture, *, width: float) -> Solid:
    """Bushes in a row, or one bush."""
    solid = Solid("vegetation", closed=False, rough=0.15)
    height = uniform(rng, 0.5, 1.8)
    count = max(int(width * 2), 4)
    tops = [
        (-width / 2 + width * k / count, height * uniform(rng, 0.75, 1.1), 0.0)
        for k in range(count + 1)
    ]
    outline = [(-width / 2 - 0.1, 0.0, 0.0), *tops, (width / 2 + 0.1, 0.0, 0.0)]
    box = [(-width / 2, height, 0.0), (width / 2, height, 0.0), (-width / 2, 0.0, 0.0)]
    solid.face(outline, (70, 90, 50, 0), texture=leaves, basis=box)
    return solid


def treeline(rng: np.random.Generator, leaves: Texture, *, width: float, height: float) -> Solid:
    """Woods or hills far away, as one dark edge."""
    solid = Solid("vegetation", closed=False, rough=0.12)
    count = 60
    steps = np.cumsum(rng.standard_normal(count + 1)) * 0.13
    steps -= np.linspace(steps[0], steps[-1], count + 1)
    tops = height * np.clip(0.75 + steps + 0.1 * rng.random(count + 1), 0.12, 1.6)
    x = np.linspace(-width / 2, width / 2, count + 1)
    outline = [
        (-width / 2, 0.0, 0.0),
        *((float(a), float(b), 0.0) for a, b in zip(x, tops, strict=True)),
        (width / 2, 0.0, 0.0),
    ]
    box = [
        (-width / 2, height * 1.5, 0.0),
        (width / 2, height * 1.5, 0.0),
        (-width / 2, -height, 0.0),
    ]
    solid.face(outline, (70, 90, 60, 0), texture=leaves, basis=box)
    return solid


def leaf_textures(rng: np.random.Generator, count: int) -> list[Texture]:
    """A choice of leaves for the trees of one street."""
    return [foliage(rng, leaf_color(rng)) for _ in range(count)]


def _crown(
    solid: Solid,
    rng: np.random.Generator,
    center: tuple[float, float],
    radii: tuple[float, float],
    leaves: Texture,
) -> None:
    (x, y), (a, b) = center, radii
    count = 40
    reach = 1 + 0.2 * rng.standard_normal(count)
    reach = np.clip(0.5 * reach + 0.3 * np.roll(reach, 1) + 0.2 * np.roll(reach, 2), 0.6, 1.35)
    outline = [
        (x + a * r * float(np.sin(t)), max(y + b * r * float(np.cos(t)), 0.1), 0.0)
        for r, t in zip(
            reach.tolist(), np.linspace(0, 2 * np.pi, count, endpoint=False).tolist(), strict=True
        )
    ]
    box = [
        (x - 1.3 * a, y + 1.3 * b, 0.0),
        (x + 1.3 * a, y + 1.3 * b, 0.0),
        (x - 1.3 * a, y - 1.3 * b, 0.0),
    ]
    solid.face(outline, (70, 90, 50, 0), texture=leaves, basis=box)
