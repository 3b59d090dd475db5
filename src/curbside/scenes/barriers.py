"""Walls, fences, guard rails and stalls. Their fronts look along -z."""

from __future__ import annotations

import cv2
import numpy as np

from .buildings import fill_metres, wall_color
from .solid import Corners, Solid
from .textures import Color, Texture, branch, hsv, mixed, noise_patch, pick, uniform

__all__ = ["boundary_wall", "fence", "guard_rail", "stall"]


def boundary_wall(rng: np.random.Generator, *, width: float) -> Solid:
    """A wall around a plot, bare, striped or with posters."""
    solid = Solid("wall", convex=True, rough=0.12)
    height, color = uniform(rng, 1.2, 2.6), wall_color(rng)
    own = branch(rng)
    bricks = Texture(lambda: _wall_front(own(), width, height, color))
    half = width / 2
    solid.face(
        [(-half, height, 0), (half, height, 0), (half, 0, 0), (-half, 0, 0)], color, texture=bricks
    )
    solid.face([(-half, height, 0.25), (-half, height, 0), (-half, 0, 0), (-half, 0, 0.25)], color)
    solid.face([(half, height, 0), (half, height, 0.25), (half, 0, 0.25), (half, 0, 0)], color)
    solid.face(
        [(-half, height, 0.25), (half, height, 0.25), (half, height, 0), (-half, height, 0)],
        mixed(color, (255, 255, 255, 0), 0.1),
    )
    return solid


def _wall_front(rng: np.random.Generator, width: float, height: float, color: Color) -> np.ndarray:
    scale = 14
    pixels = np.full((int(height * scale), int(width * scale), 4), color, np.uint8)
    for x in np.arange(0.0, width, uniform(rng, 2.0, 4.0)):
        fill_metres(pixels, scale, x, 0, x + 0.3, height, mixed(color, (255, 255, 255, 0), 0.18))
    fill_metres(pixels, scale, 0, 0, width, 0.14, mixed(color, (20, 20, 20, 0), 0.35))
    if rng.random() < 0.4:
        fill_metres(
            pixels,
            scale,
            0,
            height - uniform(rng, 0.3, 0.8),
            width,
            height,
            hsv(rng.random(), rng.random(), rng.random()),
        )
    for _ in range(int(rng.random() * 9) if rng.random() < 0.4 else 0):
        x, y = uniform(rng, 0, width), uniform(rng, 0.2, height * 0.5)
        fill_metres(
            pixels, scale, x, y, x + 0.6, y + 0.8, hsv(rng.random(), rng.random(), rng.random())
        )
    stains = cv2.resize(noise_patch(rng, 48, 128), (pixels.shape[1], pixels.shape[0]))
    pixels[..., :3] = np.clip(pixels[..., :3] * (1 + 0.25 * stains[..., None]), 0, 255)
    return pixels


def fence(rng: np.random.Generator, *, width: float) -> Solid:
    """Railings, planks or mesh; what shows through between them counts as fence too."""
    solid = Solid("fence", closed=False, convex=True, rough=0.1)
    height = uniform(rng, 0.9, 1.7)
    color = pick(
        rng,
        (
            hsv(rng.random(), rng.random() * 0.7, uniform(rng, 0.15, 0.85)),
            (150, 152, 150, 0),
            (70, 60, 52, 0),
        ),
    )
    own = branch(rng)
    front = Texture(lambda: _fence_front(own(), width, height, color))
    half = width / 2
    solid.face(
        [(-half, height, 0), (half, height, 0), (half, 0, 0), (-half, 0, 0)], color, texture=front
    )
    return solid


def _fence_front(rng: np.random.Generator, width: float, height: float, color: Color) -> np.ndarray:
    behind = pick(
        rng, (hsv(0.25, 0.4, 0.25), hsv(0.1, 0.3, 0.35), hsv(0.6, 0.05, 0.45), hsv(0.3, 0.45, 0.4))
    )
    scale = 20
    pixels = np.full((int(height * scale), int(width * scale), 4), behind, np.uint8)
    shade = 1 + 0.5 * cv2.resize(noise_patch(rng, 64, 256), (pixels.shape[1], pixels.shape[0]))
    pixels[..., :3] = np.clip(pixels[..., :3] * shade[..., None], 0, 255)
    gap = uniform(rng, 0.2, 0.4)
    for x in np.arange(0, width, gap):
        fill_metres(pixels, scale, x, 0, x + 0.1, height, color)
    for y in (0.1, height * 0.55, height - 0.2):
        fill_metres(pixels, scale, 0, y, width, y + 0.1, color)
    for x in np.arange(0, width, 2.5):
        fill_metres(pixels, scale, x, 0, x + 0.18, height, mixed(color, (0, 0, 0, 0), 0.2))
    return pixels


def guard_rail(rng: np.random.Generator, *, width: float) -> Solid:
    """A crash barrier: a band of steel or striped concrete on short posts."""
    solid = Solid("guard rail", closed=False, convex=True, rough=0.1)
    color = pick(rng, ((168, 172, 176, 0), (120, 122, 126, 0), (205, 200, 185, 0)))
    stripe = pick(
        rng, ((200, 60, 40, 0), (230, 200, 40, 0), mixed(color, (0, 0, 0, 0), 0.2), (40, 40, 40, 0))
    )
    half, height = width / 2, 0.85
    solid.face(
        [(-half, height, 0), (half, height, 0), (half, 0, 0), (-half, 0, 0)], (72, 70, 66, 0)
    )
    solid.detail([(-half, height, 0), (half, height, 0), (half, 0.45, 0), (-half, 0.45, 0)], color)
    solid.detail(
        [(-half, 0.68, 0), (half, 0.68, 0), (half, 0.62, 0), (-half, 0.62, 0)],
        mixed(color, (0, 0, 0, 0), 0.4),
    )
    for x in np.arange(-half, half, 2.0):
        solid.detail(
            [(x, height, 0), (x + 0.35, height, 0), (x + 0.35, 0.45, 0), (x, 0.45, 0)], stripe
        )
        solid.detail(
            [(x, 0.45, 0), (x + 0.14, 0.45, 0), (x + 0.14, 0, 0), (x, 0, 0)],
            mixed(color, (0, 0, 0, 0), 0.3),
        )
    return solid


def stall(rng: np.random.Generator, *, width: float) -> Solid:
    """A stall at the roadside: a cloth roof over crates."""
    solid = Solid("obs-str-bar-fallback", rough=0.15)
    cloth = hsv(rng.random(), rng.random(), uniform(rng, 0.3, 0.95))
    half, high = width / 2, uniform(rng, 1.9, 2.4)
    wood = hsv(0.08, 0.5, uniform(rng, 0.2, 0.5))
    base: Corners = [(-half, 0.8, -0.6), (half, 0.8, -0.6), (half, 0, -0.6), (-half, 0, -0.6)]
    back: Corners = [(-half, high, 0.4), (half, high, 0.4), (half, 0, 0.4), (-half, 0, 0.4)]
    solid.face(back, mixed(cloth, (0, 0, 0, 0), 0.65))
    for _ in range(10):
        x, y = uniform(rng, -half, half - 0.4), uniform(rng, 0.9, high - 0.5)
        solid.detail(
            [(x, y + 0.3, 0.39), (x + 0.4, y + 0.3, 0.39), (x + 0.4, y, 0.39), (x, y, 0.39)],
            hsv(rng.random(), 0.6, rng.random(), 60),
        )
    solid.face(base, wood)
    for _ in range(6):
        x = uniform(rng, -half, half - 0.5)
        solid.detail(
            [(x, 0.8, -0.6), (x + 0.5, 0.8, -0.6), (x + 0.5, 0.45, -0.6), (x, 0.45, -0.6)],
            hsv(rng.random(), 0.7, rng.random()),
        )
    roof: Corners = [
        (-half - 0.2, high + 0.35, 0.4),
        (half + 0.2, high + 0.35, 0.4),
        (half + 0.2, high - 0.25, -0.9),
        (-half - 0.2, high - 0.25, -0.9),
    ]
    solid.face(roof, cloth)
    for side in (-1, 1):
        x = side * half
        solid.face(
            [
                (x - 0.04, high, -0.7),
                (x + 0.04, high, -0.7),
                (x + 0.04, 0, -0.7),
                (x - 0.04, 0, -0.7),
            ],
            wood,
        )
        flank: Corners = [(x, high, 0.4), (x, 0.9, -0.6), (x, 0, -0.6), (x, 0, 0.4)]
        solid.face(flank if side < 0 else flank[::-1], mixed(cloth, (0, 0, 0, 0), 0.4))
    return solid
