"""Light and weather: what the air, the lamps and the lens make of a painted street."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .textures import Color, grain, hsv, mixed, noise, pick, uniform

__all__ = ["Sky", "expose", "paint_sky", "under_weather"]


@dataclass(frozen=True, kw_only=True)
class Sky:
    """The sky over one street, and the weather's own numbers."""

    zenith: Color
    horizon: Color
    cloud: Color
    clouds: float
    """Share of the sky that they cover."""
    tint: tuple[float, float, float]
    """Colour of the daylight."""
    exposure: float
    sight_m: float
    """How far one sees."""
    amount: float
    """How heavy the weather is, 0..1."""
    drift: tuple[int, int]
    """Where the noise of the clouds is cut."""
    softness_px: float
    """Blur of the lens at a picture 512 pixels wide."""
    noise: float
    """Grain of the camera, in grey levels."""

    @classmethod
    def of(cls, rng: np.random.Generator, condition: str) -> Sky:
        """The sky for a condition."""
        amount = rng.random()
        kind = rng.random()
        if kind < 0.4:
            blue = hsv(uniform(rng, 0.54, 0.62), uniform(rng, 0.3, 0.7), uniform(rng, 0.65, 0.95))
            zenith, horizon = blue, mixed(blue, (235, 240, 245, 0), uniform(rng, 0.4, 0.9))
            tint, cloud = (1.04, 1.0, 0.94), (246, 246, 248, 0)
        elif kind < 0.78:
            grey = hsv(0.6, rng.random() * 0.1, uniform(rng, 0.6, 1.0))
            zenith, horizon = mixed(grey, (120, 125, 135, 0), 0.3), grey
            tint, cloud = (0.98, 1.0, 1.03), (205, 207, 212, 0)
        else:
            low = hsv(uniform(rng, 0.02, 0.12), uniform(rng, 0.3, 0.7), uniform(rng, 0.75, 1.0))
            zenith, horizon = (
                hsv(uniform(rng, 0.58, 0.7), uniform(rng, 0.2, 0.5), uniform(rng, 0.4, 0.75)),
                low,
            )
            tint, cloud = (1.12, 0.98, 0.84), mixed(low, (120, 90, 100, 0), 0.5)
        clouds, exposure, sight = rng.random(), uniform(rng, 0.95, 1.4), uniform(rng, 300, 3000)
        if condition in ("fog", "rain", "snow"):
            value = {
                "fog": uniform(rng, 0.62, 0.92),
                "rain": uniform(rng, 0.42, 0.75),
                "snow": uniform(rng, 0.68, 0.95),
            }[condition]
            zenith = hsv(pick(rng, (0.6, 0.1, 0.55)), rng.random() * 0.08, value)
            horizon = mixed(zenith, (255, 255, 255, 0), 0.1)
            cloud, clouds, tint = (
                mixed(zenith, (90, 95, 105, 0), 0.3),
                uniform(rng, 0.3, 1.0),
                (0.97, 1.0, 1.04),
            )
            sight = {
                "fog": 190 - 145 * amount,
                "rain": uniform(rng, 180, 600),
                "snow": uniform(rng, 120, 450),
            }[condition]
        if condition == "night":
            zenith = hsv(uniform(rng, 0.58, 0.72), uniform(rng, 0.2, 0.7), uniform(rng, 0.02, 0.12))
            horizon = mixed(zenith, hsv(uniform(rng, 0.05, 0.7), 0.5, 0.35), uniform(rng, 0.2, 0.7))
            cloud, tint, sight = mixed(zenith, (60, 55, 60, 0), 0.4), (0.78, 0.86, 1.12), 900.0
            exposure = uniform(rng, 0.16, 0.4)
        return cls(
            zenith=zenith,
            horizon=horizon,
            cloud=cloud,
            clouds=clouds,
            tint=tint,
            exposure=exposure,
            sight_m=sight,
            amount=amount,
            drift=(int(rng.random() * 400), int(rng.random() * 400)),
            softness_px=uniform(rng, 0.35, 0.8),
            noise=uniform(rng, 4.0, 9.0) if condition == "night" else uniform(rng, 1.5, 5.0),
        )


def paint_sky(color: np.ndarray, sky: Sky, camera: Camera) -> None:
    """Paint the sky down to the horizon, in place; things are painted over it later.

    Args:
        color: (H, W, 4) uint8.
        sky: The sky.
        camera: The camera.
    """
    width = color.shape[1]
    rows = min(max(int(camera.horizon_px) + 2, 1), color.shape[0])
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.5
    zenith, horizon, cloud = (
        np.array(c[:3], np.float32) for c in (sky.zenith, sky.horizon, sky.cloud)
    )
    field = np.broadcast_to(zenith + share * (horizon - zenith), (rows, width, 3)).copy()
    cut = noise()[sky.drift[0] : sky.drift[0] + 100, sky.drift[1] : sky.drift[1] + 110]
    soft = cv2.resize(cut, (width, rows), interpolation=cv2.INTER_CUBIC)
    cover = np.clip((soft + sky.clouds * 1.2 - 0.6) * 1.6, 0.0, 1.0)[..., None] * (
        0.3 + 0.7 * (1 - share)
    )
    field += cover * (cloud * (0.92 + 0.08 * soft[..., None]) - field)
    color[:rows, :, :3] = np.clip(field, 0, 255)
    color[rows:, :, :3] = sky.horizon[:3]


def under_weather(
    canvas_color: np.ndarray,
    inverse: np.ndarray,
    *,
    ground: np.ndarray,
    sky: Sky,
    condition: str,
    camera: Camera,
    lamps: Sequence[tuple[float, float, float]],
    rng: np.random.Generator,
) -> np.ndarray:
    """The street in its light and weather.

    Args:
        canvas_color: (H, W, 4) uint8, RGB by plain daylight, and glow.
        inverse: (H, W) float32 inverse depth, 1 / m.
        ground: (H, W) bool.
        sky: The sky.
        condition: One of `CONDITIONS`.
        camera: The camera.
        lamps: Street lamps near the camera: x, z and height of each, in metres.
        rng: For what changes from frame to frame.

    Returns:
        (H, W, 3) float32 RGB, 0..255 and beyond where it is brighter than the camera can see.
    """
    rgb = canvas_color[..., :3].astype(np.float32)
    if condition == "snow":
        _lay_snow(rgb, inverse, ground, sky, camera)
    if condition == "rain":
        _wet(rgb, ground, sky, camera)
    is_sky = inverse <= 0
    if condition == "night":
        light = _lamp_light(inverse, camera, lamps)
        glow = canvas_color[..., 3:].astype(np.float32) / 255.0
        ambient = np.array(sky.tint, np.float32) * sky.exposure
        lit = rgb * np.maximum(ambient + light, glow * 1.15)
        rgb = np.where(is_sky[..., None], rgb, lit)
        rgb += _bloom(rgb * glow, 0.9)
    else:
        rgb *= np.array(sky.tint, np.float32) * np.float32(sky.exposure)
        if condition != "clear":
            glow = canvas_color[..., 3:].astype(np.float32) / 255.0
            rgb += 0.5 * _bloom(rgb * glow, 0.5)
    through = np.exp(np.float32(-3.0 / sky.sight_m) / np.maximum(inverse, np.float32(1e-4)))
    through[is_sky] = 0.04 if condition == "fog" else 1.0
    air = np.array(sky.horizon[:3], np.float32) * np.float32(
        min(sky.exposure, 1.0) if condition != "night" else 1.0
    )
    rgb = air + through[..., None] * (rgb - air)
    if condition == "rain":
        rgb = _fall(rgb, sky, rng, streaks=True)
    elif condition == "snow":
        rgb = _fall(rgb, sky, rng, streaks=False)
    return rgb


def expose(rgb: np.ndarray, sky: Sky, rng: np.random.Generator) -> np.ndarray:
    """What the camera makes of the light: blur, vignette, grain, 8 bits.

    Args:
        rgb: (H, W, 3) float32.
        sky: For how soft and noisy the camera is.
        rng: For the grain.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = rgb.shape[:2]
    sigma = sky.softness_px * width / 512
    soft = np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.float32)
    x = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    y = np.linspace(-1, 1, height, dtype=np.float32) ** 2
    soft *= (1.0 - 0.16 * (x[None, :] + y[:, None]))[..., None] * np.float32(1.06)
    tile = grain()
    if height > tile.shape[0] or width > tile.shape[1]:
        tile = np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1])))
    top = int(rng.random() * (tile.shape[0] - height + 1))
    left = int(rng.random() * (tile.shape[1] - width + 1))
    soft += (tile[top : top + height, left : left + width] * np.float32(sky.noise))[..., None]
    return np.clip(soft, 0, 255).astype(np.uint8)


def _lamp_light(
    inverse: np.ndarray, camera: Camera, lamps: Sequence[tuple[float, float, float]]
) -> np.ndarray:
    """Light of our headlamps and the street lamps: (H, W, 3) float32, made at half size."""
    height, width = inverse.shape
    small = np.maximum(
        cv2.resize(inverse, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST), 1e-3
    )
    z = 1.0 / small
    u = np.linspace(0, width - 1, width // 2, dtype=np.float32)[None, :] - camera.center_px
    v = np.linspace(0, height - 1, height // 2, dtype=np.float32)[:, None] - camera.horizon_px
    x = u * z / camera.focal_px + camera.x_m
    y = camera.height_m - v * z / camera.focal_px
    beam = np.exp(-((x / (1.6 + 0.2 * z)) ** 2) - np.clip(y - 0.9, 0, None) * 0.9)
    head = 0.95 * beam * np.minimum(14.0 / (z + 4.0), 1.0)
    street = np.zeros_like(head)
    for lamp_x, lamp_z, high in lamps[:12]:
        away = (x - lamp_x) ** 2 + (z - lamp_z) ** 2
        street += np.exp(-away / (2 * (0.6 * high) ** 2)) * np.where(
            y < high, 0.35 + 0.65 * y / high, 0.1
        ).clip(0.3, 1)
    light = head[..., None] * np.array((1.0, 0.97, 0.9), np.float32)
    light += (0.6 * np.minimum(street, 1.4))[..., None] * np.array((1.0, 0.78, 0.5), np.float32)
    return cv2.resize(light.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _bloom(bright: np.ndarray, strength: float) -> np.ndarray:
    """Light that spills around what shines: (H, W, 3) float32."""
    height, width = bright.shape[:2]
    small = cv2.resize(
        bright, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA
    )
    scale = width / 512
    halo = cv2.GaussianBlur(small, (0, 0), 1.4 * scale) + 0.8 * cv2.GaussianBlur(
        small, (0, 0), 5.0 * scale
    )
    return cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(strength)


def _lay_snow(
    rgb: np.ndarray, inverse: np.ndarray, ground: np.ndarray, sky: Sky, camera: Camera
) -> None:
    """Snow on the ground in patches, and on whatever has an upper edge."""
    height, width = inverse.shape
    z = np.float32(1.0) / np.maximum(inverse, np.float32(1e-3))
    x = (np.arange(width, dtype=np.float32) - camera.center_px)[None, :] * z / camera.focal_px
    x += np.float32(camera.x_m)
    patches = cv2.remap(
        noise(), (x * 9) % 512, (z * 5) % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    share = np.clip((patches + 1.7 * sky.amount - 0.65) * 2.2, 0, 0.93) * ground
    thick = max(int(height / 110), 1)
    above = np.empty_like(inverse)
    above[thick:], above[:thick] = inverse[:-thick], inverse[:thick]
    rims = (inverse > above * 1.06) & ~ground & (inverse > 1 / 90)
    share = np.maximum(share, rims * np.float32(0.35 + 0.5 * sky.amount))[..., None]
    rgb += share * ((rgb * 0.12 + np.array((208, 212, 220), np.float32)) - rgb)


def _wet(rgb: np.ndarray, ground: np.ndarray, sky: Sky, camera: Camera) -> None:
    """A wet road: darker, and it mirrors what stands above the horizon."""
    height = rgb.shape[0]
    top = min(max(round(camera.horizon_px), 1), height - 1)
    rows = np.clip(2 * top - np.arange(top, height), 0, top)
    mirrored = cv2.GaussianBlur(rgb[rows], (0, 0), sigmaX=1.2, sigmaY=6.0 * height / 288)
    waves = cv2.resize(noise()[:128, :64], (rgb.shape[1], height - top))
    share = (ground[top:] * np.clip(0.22 + 0.3 * sky.amount + 0.25 * waves, 0, 0.7))[..., None]
    below = rgb[top:]
    below *= 1 - 0.3 * ground[top:, :, None]
    below += share * (mirrored - below)


def _fall(rgb: np.ndarray, sky: Sky, rng: np.random.Generator, *, streaks: bool) -> np.ndarray:
    """Rain as slanted streaks, snow as flakes of several sizes."""
    height, width = rgb.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    count = int((120 + 380 * sky.amount) * width * height / (288 * 512))
    places = rng.random((count, 4))
    slant = (sky.drift[0] / 400 - 0.5) * 0.7
    scale = width / 512
    for x, y, size, bright in places.tolist():
        corner = int(x * width * 1.2 - 0.1 * width), int(y * height)
        if streaks:
            length = (6 + 22 * size) * scale
            end = int(corner[0] + slant * length), int(corner[1] + length)
            cv2.line(layer, corner, end, int(40 + 90 * bright), 1)
        else:
            cv2.circle(
                layer,
                corner,
                max(int((0.4 + 2.6 * size**4) * scale), 0),
                int(110 + 145 * bright),
                cv2.FILLED,
            )
    soft = cv2.GaussianBlur(layer, (0, 0), 0.6 * scale).astype(np.float32)[..., None] / 255
    return rgb + soft * (np.float32(225.0) - rgb) * np.float32(0.6 if streaks else 0.9)
