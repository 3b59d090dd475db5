"""The ground: its strips as labelled outlines, and the colours, lines and shadows on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .camera import NEAR_M, Camera
from .population import Population
from .shape import Canvas, Light, Shape, flat_shape
from .solid import Solid
from .street import Side, Street
from .textures import NOISE_SIZE, Color, noise
from .thing import PLOT_M, VIEW_M

__all__ = ["ground_shapes", "paint_ground", "shade_map"]

_END_M = 900.0
_SURFACES = {  # how much fine and coarse unevenness each surface has
    "road": (0.13, 0.22),
    "walk": (0.12, 0.2),
    "earth": (0.3, 0.35),
    "curb": (0.08, 0.1),
}


def ground_shapes(street: Street, population: Population, camera: Camera, s: float) -> list[Shape]:
    """The strips of ground that a camera at `s` sees, in painting order."""
    height, width = camera.size_hw
    top = round(camera.horizon_px)
    everywhere = [(0, top), (width - 1, top), (width - 1, height - 1), (0, height - 1)]
    level = camera.level_plane()
    label = "non-drivable fallback"
    shapes = [flat_shape(label, everywhere, street.verge_color, surface="earth", plane=level)]
    line = _Line(street, camera, s)

    def strip(
        label: str,
        surface: str,
        color: Color,
        inner: tuple[float, float],
        outer: tuple[float, float],
    ) -> None:
        plane = camera.level_plane((inner[1] + outer[1]) / 2)
        outline = line.strip(inner, outer)
        shapes.append(flat_shape(label, outline, color, surface=surface, plane=plane))

    for side in street.sides:
        sign, at, high = side.sign, side.curb_at, side.curb
        if side.shoulder:
            inner, outer = (sign * (side.edge - 0.3), 0.0), (sign * at, 0.0)
            strip(side.shoulder_label, "road", street.shoulder_color, inner, outer)
        if side.walk:
            inner, outer = (sign * (at + (0.22 if high else 0.0)), high), (sign * side.border, high)
            strip("sidewalk", "walk", street.walk_color, inner, outer)
        if high:
            inner, outer = (sign * (at - 0.02), 0.0), (sign * (at + 0.25), high)
            strip("curb", "curb", street.curb_colors[0], inner, outer)
    edges = [(side.sign * side.edge, 0.0) for side in street.sides]
    strip("road", "road", street.road_color, *edges)
    if street.median:
        left, right = street.median_at
        strip("curb", "curb", street.curb_colors[0], (left, 0.0), (right, 0.12))
        strip(label, "earth", street.growth_color, (left + 0.2, 0.15), (right - 0.2, 0.15))
    for side in street.sides:
        for plot in range(int(s // PLOT_M), int((s + VIEW_M) // PLOT_M) + 1):
            if population.is_side_street(side, plot):
                outline = line.side_street(side, plot * PLOT_M + 2.0, (plot + 1) * PLOT_M - 2.0)
                if outline:
                    color = street.road_color
                    shapes.append(flat_shape("road", outline, color, surface="road", plane=level))
    return shapes


class _Line:
    """The street's course as the camera at `s` sees it."""

    def __init__(self, street: Street, camera: Camera, s: float) -> None:
        self.street, self.camera, self.s = street, camera, s
        self.ahead = np.geomspace(NEAR_M, _END_M, 40)
        self.bent = street.bend(s, np.minimum(self.ahead, VIEW_M))

    def strip(
        self, inner: tuple[float, float], outer: tuple[float, float]
    ) -> list[tuple[int, int]]:
        """Between two lines, each an x and a height."""
        edges = []
        for x, y in (inner, outer):
            points = np.stack((self.bent + x, np.full_like(self.bent, y), self.ahead), axis=1)
            edges.append(_pixels(self.camera.project(points)))
        return edges[0] + edges[1][::-1]

    def side_street(self, side: Side, start: float, end: float) -> list[tuple[int, int]]:
        """From the carriageway outwards, between two places along the street."""
        near, far = max(start - self.s, NEAR_M), max(end - self.s, NEAR_M)
        if far - near < 0.5:
            return []
        bent_near, bent_far = self.street.bend(self.s, np.array([near, far]))
        inner, outer = side.sign * (side.edge - 0.2), side.sign * (side.border + 70.0)
        points = [
            (inner + bent_near, 0, near),
            (inner + bent_far, 0, far),
            (outer + bent_far, 0, far),
            (outer + bent_near, 0, near),
        ]
        return _pixels(self.camera.project(np.array(points)))


def _pixels(points: np.ndarray) -> list[tuple[int, int]]:
    clipped = np.rint(np.clip(points, -16000, 16000)).astype(int)
    return list(map(tuple, clipped.tolist()))


def paint_ground(
    canvas: Canvas,
    shapes: Sequence[Shape],
    street: Street,
    camera: Camera,
    s: float,
    shade: np.ndarray,
) -> None:
    """Give the ground its unevenness, lines, tiles and shadows, wherever the canvas shows it.

    Args:
        canvas: The picture; its ground shapes are painted in their plain colours.
        shapes: All shapes of the picture.
        street: The street.
        camera: The camera.
        s: Where the camera stands.
        shade: (H, W) uint8, 255 where the ground is in full light.
    """
    height, width = camera.size_hw
    top = round(camera.horizon_px)
    owner = canvas.owner[top:]
    names = list(_SURFACES)
    codes = [names.index(shape.surface) if shape.surface in names else 255 for shape in shapes]
    kind = np.array(codes, np.uint8)[owner]
    rows = np.arange(top, height, dtype=np.float32)
    ahead = camera.focal_px * camera.height_m / np.maximum(rows - camera.horizon_px, 0.35)
    metres = ahead / camera.focal_px  # of one pixel across
    across = (np.arange(width, dtype=np.float32) - camera.center_px)[None, :] * metres[:, None]
    across -= (street.bend(s, np.minimum(ahead, VIEW_M)) - camera.x_m).astype(np.float32)[:, None]
    along = (ahead + s).astype(np.float32)
    near = np.clip(14.0 / ahead, 0.0, 1.0).astype(np.float32)[:, None]
    fine = _sampled(noise(1.1), across, along, 50.0) * near
    coarse = _sampled(noise(), across, along, 5.0) * np.minimum(2.5 * near, 1.0)
    table = np.array([*_SURFACES.values(), *[(0.0, 0.0)] * (256 - len(names))], np.float32)
    gain = 1.0 + street.unevenness * 3.0 * (table[kind, 0] * fine + table[kind, 1] * coarse)
    road = kind == names.index("road")
    in_lane = np.abs(((across - street.lanes[0].x) / street.lane_width + 0.5) % 1.0 - 0.5)
    gain -= np.where(road, 0.1 * street.wear * np.exp(-(((in_lane - 0.25) / 0.09) ** 2)), 0.0)
    if street.walk_tile:
        share = np.minimum(metres / street.walk_tile * 2.0, 1.0)[:, None]
        joint = 0.05 + 0.5 * share
        lines = ((across / street.walk_tile) % 1.0 < joint) | (
            (along[:, None] / street.walk_tile) % 1.0 < joint
        )
        gain -= np.where((kind == names.index("walk")) & lines, 0.16 * (1.0 - share), 0.0)
    color = canvas.color[top:, :, :3].astype(np.float32)
    earth = kind == names.index("earth")
    grown = np.clip((coarse * 2.2 + 0.6 * fine + 0.25) * 2.0, 0.0, 1.0) * earth
    color += grown[..., None] * (np.array(street.growth_color[:3], np.float32) - color)
    second = (along[:, None] % 1.6 < 0.8) & (kind == names.index("curb"))
    color[second] = street.curb_colors[1][:3]
    color *= gain[..., None]
    _paint_lines(color, street, road, across, along, metres, fine)
    color *= shade[top:, :, None] / np.float32(255.0)
    ground = kind != 255
    np.copyto(
        canvas.color[top:, :, :3], np.clip(color, 0, 255).astype(np.uint8), where=ground[..., None]
    )


def _sampled(
    field: np.ndarray, across: np.ndarray, along: np.ndarray, per_metre: float
) -> np.ndarray:
    """Noise that lies on the ground: (H, W) float32."""
    x = (across * per_metre) % NOISE_SIZE
    y = np.broadcast_to((along[:, None] * per_metre) % NOISE_SIZE, x.shape)
    return cv2.remap(
        field, x, np.ascontiguousarray(y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )


def _paint_lines(
    color: np.ndarray,
    street: Street,
    road: np.ndarray,
    across: np.ndarray,
    along: np.ndarray,
    metres: np.ndarray,
    fine: np.ndarray,
) -> None:
    """Lane lines, edge lines, the middle line and zebra crossings, as worn as the street is."""
    total = np.zeros(road.shape, np.float32)
    dashes = ((along % 9.0) < 3.5).astype(np.float32)
    solid = np.ones_like(dashes)
    white = [(x, 0.13, dashes) for x in street.lane_lines]
    white += [(side.sign * (side.edge - 0.25), 0.12, solid) for side in street.sides]
    crossing = street.at_crossing(along)
    for lines, tint in (
        (white, street.line_color),
        ([(street.middle_line, 0.14, solid)], street.middle_color),
    ):
        total[:] = 0.0
        for x, wide, present in lines:
            if x is not None:
                pixel = metres[:, None]
                cover = np.clip(
                    (wide + pixel - 2.0 * np.abs(across - x)) / (2.0 * pixel),
                    0.0,
                    np.minimum(wide / pixel, 1.0),
                )
                total += cover * (present * ~crossing)[:, None]
        if tint == street.line_color and crossing.any():
            total += (((across % 1.0) < 0.5) & crossing[:, None]) * 0.9
        strength = (
            np.clip(total, 0.0, 1.0) * road * np.clip(street.wear * (1.0 + 1.1 * fine), 0.0, 1.0)
        )
        color += strength[..., None] * (np.array(tint[:3], np.float32) - color)


def shade_map(
    standing: Sequence[tuple[Solid, float, float, float]], light: Light, camera: Camera
) -> np.ndarray:
    """How much light reaches the ground: (H, W) uint8, 255 is all.

    Args:
        standing: What stands on the ground: a solid, metres to the right and ahead, and its turn.
        light: The light; a strength of 0 leaves only the darkness under things.
        camera: The camera.
    """
    thrown = np.full(camera.size_hw, 255, np.uint8)
    contact = np.full(camera.size_hw, 255, np.uint8)
    if standing:
        prints = np.array([solid.footprint for solid, *_ in standing])  # (N, 4, 2)
        _, x, z, yaw = (np.array(values) for values in zip(*standing, strict=True))
        turn = np.stack((np.cos(yaw), -np.sin(yaw), np.sin(yaw), np.cos(yaw)), 1).reshape(-1, 2, 2)
        places = prints @ turn + np.stack((x, z), 1)[:, None]
        heights = np.array([solid.points[:, 1].max() for solid, *_ in standing])
        sun = light.direction
        throw = np.array((sun[0], sun[2])) / -max(sun[1], 0.45)
        ends = places + heights[:, None, None] * throw
        under, over = (_on_ground(corners, camera) for corners in (places, ends))
        dark = int(255 * (1.0 - 0.55 * light.strength))
        for low, high in zip(under, over, strict=True):
            cv2.fillConvexPoly(contact, cv2.convexHull(low), 105)
            if light.strength > 0.05:
                cv2.fillConvexPoly(thrown, cv2.convexHull(np.concatenate((low, high))), dark)
    return cv2.multiply(cv2.blur(thrown, (5, 5)), cv2.blur(contact, (5, 5)), scale=1 / 255)


def _on_ground(places: np.ndarray, camera: Camera) -> np.ndarray:
    """Places (N, 4, 2), x and z in metres, to pixels: (N, 4, 2) int32."""
    flat = places.reshape(-1, 2)
    points = np.stack((flat[:, 0], np.zeros(len(flat)), np.maximum(flat[:, 1], NEAR_M)), axis=1)
    pixels = np.clip(camera.project(points), -16000, 16000).astype(np.int32)
    return pixels.reshape(places.shape)
