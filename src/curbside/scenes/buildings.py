"""Buildings. Their fronts look along -z, at whoever stands before them."""

from __future__ import annotations

import cv2
import numpy as np

from .solid import Corners, Solid
from .textures import Color, Texture, branch, hsv, mixed, noise_patch, pick, uniform

__all__ = ["building", "fill_metres", "wall_color"]

_PIXELS_PER_M = 11


def wall_color(rng: np.random.Generator) -> Color:
    """Plaster, brick, concrete, and now and then any colour at all."""
    kind = rng.random()
    if kind < 0.3:
        return hsv(uniform(rng, 0.05, 0.16), uniform(rng, 0.05, 0.4), uniform(rng, 0.5, 0.95))
    if kind < 0.5:
        return hsv(uniform(rng, 0.0, 0.06), uniform(rng, 0.35, 0.7), uniform(rng, 0.3, 0.65))
    if kind < 0.75:
        return hsv(rng.random(), rng.random() * 0.1, uniform(rng, 0.25, 0.9))
    return hsv(rng.random(), uniform(rng, 0.15, 0.55), uniform(rng, 0.35, 0.9))


def building(rng: np.random.Generator, *, width: float, depth: float, height: float) -> Solid:
    """A house, a shop or a block, with windows, shop fronts, balconies and stains."""
    solid = Solid("building", convex=True, rough=0.07)
    color = wall_color(rng)
    style = _Style(rng, color)
    half = width / 2
    front: Corners = [(-half, height, 0), (half, height, 0), (half, 0, 0), (-half, 0, 0)]
    solid.face(front, color, texture=style.facade(rng, width, height, shops=True))
    flank = style.facade(rng, depth, height, shops=False, blank=rng.random() < 0.45)
    solid.face(
        [(-half, height, depth), (-half, height, 0), (-half, 0, 0), (-half, 0, depth)],
        color,
        texture=flank,
    )
    solid.face(
        [(half, height, 0), (half, height, depth), (half, 0, depth), (half, 0, 0)],
        color,
        texture=flank,
    )
    if height < 9 and rng.random() < 0.55:
        roof = pick(
            rng,
            (hsv(0.03, 0.6, 0.5), hsv(0.6, 0.1, 0.35), hsv(0.07, 0.4, 0.4), hsv(0.55, 0.15, 0.6)),
        )
        ridge, eave = height + uniform(rng, 0.8, 2.2), 0.35
        solid.face(
            [
                (-half, ridge, depth / 2),
                (half, ridge, depth / 2),
                (half, height, -eave),
                (-half, height, -eave),
            ],
            roof,
        )
        solid.face(
            [(-half, ridge, depth / 2), (-half, height, -eave), (-half, height, depth)], color
        )
        solid.face([(half, ridge, depth / 2), (half, height, depth), (half, height, -eave)], color)
    return solid


class _Style:
    """What the windows and floors of one building look like."""

    def __init__(self, rng: np.random.Generator, color: Color) -> None:
        self.color = color
        self.storey = uniform(rng, 2.8, 3.8)
        self.bay = uniform(rng, 1.8, 3.6)
        self.window = uniform(rng, 0.35, 0.9), uniform(rng, 0.35, 0.65)
        self.glass = hsv(uniform(rng, 0.5, 0.65), uniform(rng, 0, 0.4), uniform(rng, 0.08, 0.55))
        self.frame = mixed(
            color, pick(rng, ((255, 255, 255, 0), (20, 20, 20, 0))), uniform(rng, 0.2, 0.9)
        )
        self.balcony = rng.random() < 0.3
        self.bands = rng.random() < 0.5
        self.bricks = rng.random() < 0.25
        self.lit = uniform(rng, 0.15, 0.6)
        self.dirt = uniform(rng, 0.1, 0.4)
        self.shops = rng.random() < 0.55

    def facade(
        self,
        rng: np.random.Generator,
        width: float,
        height: float,
        *,
        shops: bool,
        blank: bool = False,
    ) -> Texture:
        own = branch(rng)
        return Texture(lambda: self._paint(own(), width, height, shops, blank))

    def _paint(
        self, rng: np.random.Generator, width: float, height: float, shops: bool, blank: bool
    ) -> np.ndarray:
        scale = min(_PIXELS_PER_M, 220 / max(width, height))
        w, h = max(int(width * scale), 8), max(int(height * scale), 8)
        pixels = np.full((h, w, 4), self.color, np.uint8)
        if self.bricks:
            pixels[:: max(int(0.35 * scale), 2)] = mixed(self.color, (0, 0, 0, 0), 0.22)
        floors = max(int(height / self.storey), 1)
        bays = max(int(width / self.bay), 1)
        for floor in range(0 if blank else floors):
            bottom = height - floor * self.storey
            if floor == 0 and shops and self.shops:
                continue
            top = bottom - self.storey
            if self.bands:
                fill_metres(pixels, scale, 0, top, width, top + 0.25, self.frame)
            for bay in range(bays):
                if rng.random() < 0.06:
                    continue
                middle = (bay + 0.5) * width / bays
                wide, tall = self.window[0] * width / bays, self.window[1] * self.storey
                left, upper = middle - wide / 2, top + 0.25 * self.storey
                fill_metres(
                    pixels,
                    scale,
                    left - 0.12,
                    upper - 0.12,
                    left + wide + 0.12,
                    upper + tall + 0.12,
                    self.frame,
                )
                glass = mixed(self.glass, hsv(rng.random(), 0.3, rng.random()), rng.random() * 0.5)
                if rng.random() < self.lit:
                    r, g, b, _ = mixed(glass, (250, 205, 130, 0), 0.25)
                    glass = (r, g, b, int(uniform(rng, 110, 255)))
                fill_metres(pixels, scale, left, upper, left + wide, upper + tall, glass)
                if wide > 0.9:
                    fill_metres(
                        pixels, scale, middle - 0.04, upper, middle + 0.04, upper + tall, self.frame
                    )
                if self.balcony and floor:
                    fill_metres(
                        pixels,
                        scale,
                        left - 0.3,
                        bottom - 0.95,
                        left + wide + 0.3,
                        bottom,
                        mixed(self.frame, self.color, 0.3),
                    )
                elif rng.random() < 0.12:
                    fill_metres(
                        pixels,
                        scale,
                        left,
                        upper + tall + 0.1,
                        left + 0.8,
                        upper + tall + 0.6,
                        (200, 200, 196, 0),
                    )
        if shops and self.shops and not blank:
            self._shops(rng, pixels, scale, width, height)
        stains = cv2.resize(noise_patch(rng, 64, 64), (w, h))
        streaks = cv2.resize(noise_patch(rng, 4, 96), (w, h))
        shade = 1 + self.dirt * 0.5 * (stains + 0.6 * streaks)
        shade *= np.linspace(1.06, 0.9, h, dtype=np.float32)[:, None]
        pixels[..., :3] = np.clip(pixels[..., :3] * shade[..., None], 0, 255)
        return pixels

    def _shops(
        self,
        rng: np.random.Generator,
        pixels: np.ndarray,
        scale: float,
        width: float,
        height: float,
    ) -> None:
        left = 0.15
        while left < width - 1.2:
            wide = min(uniform(rng, 2.0, 4.5), width - left - 0.15)
            upper = height - self.storey
            board = hsv(
                rng.random(), rng.random(), uniform(rng, 0.2, 1.0), int(uniform(rng, 40, 200))
            )
            fill_metres(pixels, scale, left, upper + 0.1, left + wide, upper + 0.85, board)
            ink = (250, 250, 245, 160) if sum(board[:3]) < 400 else (40, 20, 20, 60)
            cursor = left + 0.3
            while cursor < left + wide - 0.4:
                fill_metres(
                    pixels,
                    scale,
                    cursor,
                    upper + 0.3,
                    cursor + uniform(rng, 0.12, 0.35),
                    upper + 0.68,
                    ink,
                )
                cursor += 0.42
            if rng.random() < 0.4:
                shutter = hsv(rng.random(), rng.random() * 0.6, uniform(rng, 0.3, 0.8))
                fill_metres(
                    pixels, scale, left + 0.1, upper + 0.95, left + wide - 0.1, height, shutter
                )
                for line in np.arange(upper + 1.0, height, 0.24):
                    fill_metres(
                        pixels,
                        scale,
                        left + 0.1,
                        line,
                        left + wide - 0.1,
                        line + 0.08,
                        mixed(shutter, (0, 0, 0, 0), 0.3),
                    )
            else:
                inside = hsv(rng.random(), 0.3, uniform(rng, 0.1, 0.4), 150)
                fill_metres(
                    pixels, scale, left + 0.1, upper + 0.95, left + wide - 0.1, height, inside
                )
                for _ in range(14):
                    x, y = (
                        uniform(rng, left + 0.1, left + wide - 0.6),
                        uniform(rng, upper + 1.0, height - 0.4),
                    )
                    goods = hsv(rng.random(), rng.random(), rng.random(), 120)
                    fill_metres(
                        pixels,
                        scale,
                        x,
                        y,
                        x + uniform(rng, 0.15, 0.5),
                        y + uniform(rng, 0.2, 0.5),
                        goods,
                    )
            left += wide + 0.15


def fill_metres(
    pixels: np.ndarray,
    scale: float,
    left: float,
    top: float,
    right: float,
    bottom: float,
    color: Color,
) -> None:
    """A rectangle in metres from the texture's top left; at least one pixel wide and high."""
    x0, y0 = max(int(left * scale), 0), max(int(top * scale), 0)
    x1, y1 = max(int(right * scale), x0 + 1), max(int(bottom * scale), y0 + 1)
    pixels[y0:y1, x0:x1] = color
