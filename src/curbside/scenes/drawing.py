"""One picture: the street in front of a camera, as outlines, colours, depth and weather."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .camera import Camera
from .config import check_condition, check_seed, check_size
from .ground import ground_shapes, paint_ground, shade_map
from .population import Population
from .scene import LabelledPolygon, Scene, index_map
from .shape import Canvas, Light, Shape, flat_shape, seen
from .solid import Solid
from .street import Street
from .thing import VIEW_M, Thing
from .weather import Sky, expose, paint_sky, under_weather

__all__ = ["World", "draw_scene"]


def draw_scene(
    seed: int, index: int, condition: str = "clear", *, size_hw: tuple[int, int] = (288, 512)
) -> Scene:
    """Draw one street.

    Args:
        seed: Seed of the set.
        index: Number of the street in the set; another index is another street.
        condition: One of `CONDITIONS`; the street stays the same.
        size_hw: Height and width of the picture.

    Raises:
        ConfigError: A negative number, an unknown condition, an impossible size.
    """
    return World(seed, index, condition).scene(size_hw=size_hw)


class World:
    """A street that can be looked at from anywhere along it, at any time.

    Args:
        seed: Seed of the set.
        index: Number of the street in the set.
        condition: One of `CONDITIONS`.

    Raises:
        ConfigError: A negative number or an unknown condition.
    """

    def __init__(self, seed: int, index: int = 0, condition: str = "clear") -> None:
        check_seed(seed)
        check_seed(index)
        check_condition(condition)
        self.condition = condition
        self._key = (seed, index)
        self.street = Street(np.random.default_rng(self._key))
        self.population = Population(self.street, self._key)
        self.sky = Sky.of(np.random.default_rng([*self._key, 7]), condition)

    def scene(
        self, *, size_hw: tuple[int, int] = (288, 512), time_s: float = 0.0, x_m: float = 0.0
    ) -> Scene:
        """What the camera sees after driving for a time.

        Args:
            size_hw: Height and width of the picture.
            time_s: Seconds since the start.
            x_m: How far to the right of its place the camera stands, as the right one of a
                stereo pair does.

        Raises:
            ConfigError: An impossible size.
        """
        check_size(size_hw)
        street = self.street
        camera, s = replace(street.camera(size_hw), x_m=x_m), street.ego_speed * time_s
        height, width = size_hw
        everything = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
        shapes = [flat_shape("sky", everything, self.sky.horizon, surface="sky")]
        shapes += ground_shapes(street, self.population, camera, s)
        things, standing = self._things(camera, s, time_s)
        shapes += things
        owner = index_map([shape.outline for shape in shapes], size_hw)
        # What is wholly hidden gets no polygon: an annotator would not have seen it either.
        shown = np.bincount(owner.ravel(), minlength=len(shapes)) > 0
        owner = (np.cumsum(shown, dtype=np.int32) - 1)[owner]
        shapes = [shape for shape, keep in zip(shapes, shown, strict=True) if keep]
        canvas = Canvas(owner)
        grounds = sum(bool(shape.surface) for shape in shapes)
        for number, shape in enumerate(shapes):
            shape.paint(canvas, number)
            if shape.surface == "sky":
                paint_sky(canvas.color, self.sky, camera)
            if number == grounds - 1:
                shade = shade_map(standing, self._light(), camera)
                paint_ground(canvas, shapes, street, camera, s, shade)
        return self._finish(canvas, shapes, camera, s, time_s)

    def _light(self) -> Light:
        """The light on the ground: clouds, fog and night leave no shadows."""
        sunny = self.condition in ("clear", "snow")
        return self.street.light if sunny else replace(self.street.light, strength=0.0)

    def _things(
        self, camera: Camera, s: float, time_s: float
    ) -> tuple[list[Shape], list[tuple[Solid, float, float, float]]]:
        """Everything that stands on the ground, far things first; and what throws shadows."""
        placed: list[tuple[float, Shape]] = []
        standing = []
        for thing in self.population.things(s, time_s):
            z, x, yaw = self._place(thing, s, time_s)
            if (z > VIEW_M and not thing.far) or z < -14.0:
                continue
            solid = thing.solid if isinstance(thing.solid, Solid) else thing.solid(time_s)
            if not solid.closed and not solid.convex and z < 2.0:
                continue  # a flat cut-out shows that it is one when it is this near
            shape = seen(solid, camera, self.street.light, x, z, yaw, y=thing.y)
            if shape is not None:
                placed.append((z + thing.behind, shape))
            if thing.shadow and z < 50:
                standing.append((solid, x, z, yaw))
        placed.sort(key=lambda item: -item[0])
        return [shape for _, shape in placed], standing

    def _place(self, thing: Thing, s: float, time_s: float) -> tuple[float, float, float]:
        """Metres ahead, metres to the right, and turn, against the camera."""
        if thing.far:
            return thing.s, thing.x, thing.yaw
        z = thing.s + thing.speed * time_s - s
        moved, heading = self.street.course(s, z)
        return z, thing.x + moved, thing.yaw + heading

    def _finish(
        self, canvas: Canvas, shapes: list[Shape], camera: Camera, s: float, time_s: float
    ) -> Scene:
        """The painted street in its weather, as a scene."""
        ground = np.array([shape.surface not in ("", "sky") for shape in shapes])[canvas.owner]
        uneven = 1.0 + canvas.uneven
        color = canvas.color
        color[..., :3] = np.clip(color[..., :3] * uneven[..., None], 0, 255)
        lamps = []
        for x, at, high in self.population.lamps(s):
            moved, _ = self.street.course(s, at - s)
            lamps.append((x + moved, at - s, high))
        grain = [8, int(time_s * 1000), *([1] if camera.x_m else [])]  # no two lenses share it
        rng = np.random.default_rng([*self._key, *grain])
        rgb = under_weather(
            color,
            canvas.inverse,
            ground=ground,
            sky=self.sky,
            condition=self.condition,
            camera=camera,
            lamps=lamps,
            rng=rng,
        )
        inverse = canvas.inverse
        depth = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0)
        return Scene(
            rgb=expose(rgb, self.sky, rng),
            polygons=tuple(LabelledPolygon(label=s.label, points=s.outline) for s in shapes),
            depth_m=depth,
            condition=self.condition,
        )
