"""Parts of flat cut-outs: limbs, ovals, trunks, in metres, in the plane across their own z.

`k` makes a part larger or smaller about the point where its figure stands.
"""

from __future__ import annotations

import numpy as np

from .solid import Solid
from .textures import Color, mixed

__all__ = ["limb", "oval", "quad", "torso"]


def torso(
    solid: Solid, half: float, top: float, bottom: float, color: Color, k: float = 1.0
) -> None:
    """A trunk with rounded shoulders, darker on the side away from the light and at its hem."""
    tall = top - bottom
    outline = (
        (-0.4, 1.0),
        (0.4, 1.0),
        (0.85, 0.94),
        (1.0, 0.8),
        (0.92, 0.4),
        (0.8, 0.0),
        (-0.8, 0.0),
        (-0.92, 0.4),
        (-1.0, 0.8),
        (-0.85, 0.94),
    )
    solid.face([(x * half * k, (bottom + y * tall) * k, 0.0) for x, y in outline], color)
    shade = mixed(color, (0, 0, 0, 0), 0.2)
    for corners in (
        ((0.35, 0.92), (0.85, 0.92), (0.9, 0.1), (0.5, 0.1)),
        ((-0.8, 0.12), (0.8, 0.12), (0.8, 0.0), (-0.8, 0.0)),
    ):
        solid.detail([(x * half * k, (bottom + y * tall) * k, 0.0) for x, y in corners], shade)


def quad(
    solid: Solid,
    top_width: float,
    top: float,
    width: float,
    bottom: float,
    color: Color,
    k: float = 1.0,
) -> None:
    corners = (
        (-top_width / 2, top),
        (top_width / 2, top),
        (width / 2, bottom),
        (-width / 2, bottom),
    )
    solid.face([(x * k, y * k, 0.0) for x, y in corners], color)


def limb(
    solid: Solid,
    a: tuple[float, float],
    b: tuple[float, float],
    wide_a: float,
    wide_b: float,
    color: Color,
    k: float = 1.0,
) -> None:
    """A bar from `a` to `b`, of one width at each end."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    nx, ny = -dy / length / 2, dx / length / 2
    (ax, ay), (bx, by) = a, b
    corners = (
        (ax + nx * wide_a, ay + ny * wide_a),
        (bx + nx * wide_b, by + ny * wide_b),
        (bx - nx * wide_b, by - ny * wide_b),
        (ax - nx * wide_a, ay - ny * wide_a),
    )
    solid.face([(x * k, max(y, 0.0) * k, 0.0) for x, y in corners], color)


_CIRCLE = tuple(
    (float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, -2 * np.pi, 10, endpoint=False)
)


def oval(
    solid: Solid,
    center: tuple[float, float],
    radii: tuple[float, float],
    color: Color,
    k: float = 1.0,
) -> None:
    solid.face(
        [((center[0] + c * radii[0]) * k, (center[1] + s * radii[1]) * k, 0.0) for c, s in _CIRCLE],
        color,
    )
