"""`Shape`: what a camera sees of a solid, as a labelled outline and the patches painted into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from .camera import FAR, NEAR_M, Camera, InversePlane
from .solid import Face, Solid
from .textures import NOISE_SIZE, Color, Texture, noise

__all__ = ["Canvas", "Light", "Shape", "flat_shape", "seen"]


@dataclass(frozen=True, kw_only=True)
class Light:
    """Where the light comes from by day."""

    direction: tuple[float, float, float]
    """Towards the sun, of length 1."""
    strength: float
    """0 is an overcast sky, 1 a hard sun."""

    def on(self, normals: np.ndarray) -> np.ndarray:
        """Brightness of faces with these outward normals, (F, 3) to (F,); 1 is level ground."""
        lengths = np.maximum(np.sqrt((normals * normals).sum(axis=1)), 1e-9)
        facing = (normals @ self.direction) / lengths
        from_sky = 0.86 + 0.14 * normals[:, 1] / lengths
        sun = self.strength * 0.62 * np.maximum(facing, 0.0)
        return from_sky * (1.0 - 0.42 * self.strength) + sun


class Patch(NamedTuple):
    """A face in the picture."""

    pixels: np.ndarray
    """(n, 2) int32 corners."""
    color: Color
    plane: InversePlane | None
    """None where its depth is that of the faces before it."""
    hull: bool = True
    """Whether it counts for the outline."""
    texture: Texture | None = None
    to_picture: np.ndarray | None = None
    light: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A labelled outline in the picture and how it is painted."""

    label: str
    outline: tuple[tuple[int, int], ...]
    patches: tuple[Patch, ...]
    rough: float = 0.0
    nearest: float = 1e9
    """Inverse-depth range of the thing, 1 / m: nothing of it is nearer or farther."""
    farthest: float = 0.0
    surface: str = ""
    """What the ground is made of; "sky" for the sky, nothing for things."""

    def paint(self, canvas: Canvas, number: int) -> None:
        """Paint it wherever the canvas shows outline `number`."""
        height, width = canvas.owner.shape
        columns, rows = zip(*self.outline, strict=True)
        left, right = max(min(columns), 0), min(max(columns) + 1, width)
        top, bottom = max(min(rows), 0), min(max(rows) + 1, height)
        if left >= right or top >= bottom:
            return
        box = np.s_[top:bottom, left:right]
        visible = (canvas.owner[box] == number).view(np.uint8)
        color = np.empty((bottom - top, right - left, 4), np.uint8)
        color[:] = self.patches[0].color
        face = np.zeros(visible.shape, np.uint8)
        planes: list[InversePlane] = []
        offset = np.array((left, top), np.int32)
        for patch in self.patches:
            corners = patch.pixels - offset
            if (
                patch.texture is None
                or patch.to_picture is None
                or min(np.ptp(corners, axis=0)) < 5
            ):
                cv2.fillPoly(color, [corners], patch.color)
            else:
                laid = patch.texture.warp(patch.to_picture, (left, top, right, bottom))
                if patch.light != 1.0:
                    gain = (patch.light, patch.light, patch.light, 1.0)
                    laid = cv2.multiply(laid, gain)  # type: ignore[call-overload]
                inside = np.zeros(visible.shape, np.uint8)
                cv2.fillPoly(inside, [corners], 1)
                cv2.copyTo(laid, inside, color)
            if patch.plane is not None:
                if len(planes) and len(planes) < 255:
                    cv2.fillPoly(face, [corners], len(planes))
                planes.append(patch.plane)
        cv2.copyTo(color, visible, canvas.color[box])
        inverse = self._inverse_depth(planes, face, left, top)
        np.copyto(canvas.inverse[box], inverse, where=visible.view(bool))
        if self.rough:
            rows_n, columns_n = visible.shape
            start = (number * 37) % 251
            if max(visible.shape) <= NOISE_SIZE - 251:
                uneven = noise()[start : start + rows_n, start : start + columns_n]
            else:
                uneven = cv2.resize(noise()[start:256, :256], (columns_n, rows_n))
            np.copyto(canvas.uneven[box], uneven * self.rough, where=visible.view(bool))

    def _inverse_depth(
        self, planes: list[InversePlane], face: np.ndarray, left: int, top: int
    ) -> np.ndarray:
        height, width = face.shape
        u = np.arange(left, left + width, dtype=np.float32)[None, :]
        v = np.arange(top, top + height, dtype=np.float32)[:, None]
        if len(planes) == 1:
            a, b, c = planes[0]
            inverse = np.float32(a) * u + (np.float32(b) * v + np.float32(c))
        else:
            table = np.array(planes, np.float32)[face]  # (h, w, 3)
            inverse = table[..., 0] * u + table[..., 1] * v + table[..., 2]
        return np.clip(inverse, self.farthest, self.nearest)


class Canvas:
    """The picture while it is painted.

    Args:
        owner: (H, W) int32, which outline is seen where.
    """

    def __init__(self, owner: np.ndarray) -> None:
        self.owner = owner
        self.color = np.zeros((*owner.shape, 4), np.uint8)
        """RGB and glow."""
        self.inverse = np.zeros(owner.shape, np.float32)
        """Inverse depth, 1 / m; 0 is the sky."""
        self.uneven = np.zeros(owner.shape, np.float32)
        """How much brighter or darker than its colour each pixel is."""


def seen(
    solid: Solid, camera: Camera, light: Light, x: float, z: float, yaw: float, *, y: float = 0.0
) -> Shape | None:
    """What the camera sees of a solid that stands somewhere; None where that is nothing.

    Args:
        solid: The thing.
        camera: The camera.
        light: The light by day.
        x: Metres right of the camera.
        z: Metres in front of the camera.
        yaw: Turn to the right, in radians; 0 looks away from the camera.
        y: Metres above the road.
    """
    reach = solid.reach
    if (
        z + reach <= NEAR_M
        or abs(x - camera.x_m) - reach > (z + reach) * camera.size_hw[1] / camera.focal_px / 2
    ):
        return None
    turn = np.array(
        [[np.cos(yaw), 0.0, -np.sin(yaw)], [0.0, 1.0, 0.0], [np.sin(yaw), 0.0, np.cos(yaw)]]
    )
    points = solid.points @ turn + (x, y, z)
    low, high = points.min(axis=0), points.max(axis=0)
    if high[2] <= NEAR_M:
        return None
    size_px = max(high[0] - low[0], high[1] - low[1]) * camera.focal_px / high[2]
    if size_px < 3:
        return None
    cut = low[2] < NEAR_M
    height, width = camera.size_hw
    if not cut:
        pixels = _whole(camera.project(points))
        left, top = pixels.min(axis=0)
        right, bottom = pixels.max(axis=0)
        if right < 0 or left >= width or bottom < 0 or top >= height:
            return None
    normals = solid.normals @ turn
    count = len(solid.faces) if solid.closed else 1
    planes, facing = camera.planes_of(points[solid.starts[:count]], normals[:count])
    colors = solid.colors
    if solid.closed:
        brightness = light.on(normals)
        colors = colors * np.stack(
            (brightness, brightness, brightness, np.ones_like(brightness)), 1
        )
    table = np.minimum(colors, 255).astype(int).tolist()
    order: list[tuple[int, float, list[Patch]]] = []
    shown: dict[int, list[Patch]] = {}
    fine = size_px > height / 26
    for number, face in enumerate(solid.faces):
        hull = face.owner == number
        if hull:
            if solid.closed and not facing[number]:
                continue
        elif not fine or face.owner not in shown:
            continue
        span = slice(solid.starts[number], solid.ends[number])
        if cut:
            farther = _nearer_cut_off(points[span])
            if len(farther) < 3:
                continue
            corners = _whole(camera.project(farther))
        else:
            corners = pixels[span]
        patch = Patch(
            corners,
            tuple(table[number]),
            planes[number if solid.closed else 0] if hull and (solid.closed or not order) else None,
            hull,
            face.texture,
            _texture_matrix(face, turn, (x, y, z), camera) if face.texture else None,
            float(brightness[number]) if solid.closed else 1.0,
        )
        if hull:
            shown[number] = [patch]
            away = float(points[span, 2].sum()) / len(points[span]) if solid.closed else 0.0
            order.append((face.rank, -away, shown[number]))
        else:
            shown[face.owner].append(patch)
    if solid.closed:
        order.sort(key=lambda group: group[:2])
    patches = tuple(patch for *_, group in order for patch in group)
    outline = _outline(patches, camera.size_hw, solid.convex)
    if outline is None:
        return None
    return Shape(
        label=solid.label,
        outline=outline,
        patches=patches,
        rough=solid.rough,
        nearest=1.0 / max(float(low[2]), NEAR_M),
        farthest=1.0 / float(high[2]),
    )


def flat_shape(
    label: str,
    outline: Sequence[tuple[int, int]],
    color: Color,
    *,
    surface: str,
    plane: InversePlane = FAR,
) -> Shape:
    """A part of the ground or the sky: one flat polygon, given in pixels."""
    patch = Patch(np.array(outline, np.int32), color, plane)
    farthest = 0.0 if plane == FAR else 1e-4  # ground at the very horizon is ground still, not sky
    return Shape(
        label=label, outline=tuple(outline), patches=(patch,), farthest=farthest, surface=surface
    )


def _whole(pixels: np.ndarray) -> np.ndarray:
    """Whole pixels, (n, 2) int32, kept within what the drawing functions can count."""
    return np.rint(np.clip(pixels, -16000, 16000)).astype(np.int32)


def _nearer_cut_off(corners: np.ndarray) -> np.ndarray:
    """The part of a polygon that is farther than `NEAR_M` (Sutherland and Hodgman's clipping)."""
    kept = []
    before = corners[-1]
    for corner in corners:
        if (corner[2] >= NEAR_M) != (before[2] >= NEAR_M):
            share = (NEAR_M - before[2]) / (corner[2] - before[2])
            kept.append(before + share * (corner - before))
        if corner[2] >= NEAR_M:
            kept.append(corner)
        before = corner
    return np.array(kept).reshape(-1, 3)


def _texture_matrix(
    face: Face, turn: np.ndarray, at: tuple[float, float, float], camera: Camera
) -> np.ndarray:
    """(s, t, 1) of a texture to homogeneous pixels."""
    origin, right, below = np.array(face.basis) @ turn + at
    lens = np.array(
        [
            [camera.focal_px, 0.0, camera.center_px],
            [0.0, -camera.focal_px, camera.horizon_px],
            [0.0, 0.0, 1.0],
        ]
    )
    eye = np.array((camera.x_m, camera.height_m, 0.0))
    return lens @ np.stack((right - origin, below - origin, origin - eye), axis=1)


def _outline(
    patches: Sequence[Patch], size_hw: tuple[int, int], convex: bool
) -> tuple[tuple[int, int], ...] | None:
    """The outline of all patches together; None where too little is in the picture."""
    if not patches:
        return None
    points = np.concatenate([patch.pixels for patch in patches])
    height, width = size_hw
    margin = 3
    left, top = np.maximum(points.min(axis=0), -margin)
    right, bottom = np.minimum(points.max(axis=0), (width + margin, height + margin)) + 1
    if right - left < 2 or bottom - top < 2:
        return None
    if convex:
        hull = cv2.convexHull(points)[:, 0]
        return tuple(map(tuple, hull.tolist())) if len(hull) >= 3 else None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    offset = np.array((left, top), np.int32)
    for patch in patches:
        if patch.hull:
            cv2.fillPoly(mask, [patch.pixels - offset], 1)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    if len(largest) < 3:
        return None
    smooth = cv2.approxPolyDP(largest, 0.6, True)
    chosen = (smooth if len(smooth) >= 3 else largest)[:, 0] + offset
    return tuple(map(tuple, chosen.tolist()))
