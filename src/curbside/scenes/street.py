"""`Street`: the lie of one road: its course, lanes, edges and surfaces, and the camera over it.

Along the street things have `s`, metres from where the drive begins, and `x`, metres to the right
of the camera's line. The line winds; `bend` says how far it has moved sideways at a distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .shape import Light
from .textures import Color, hsv, mixed, pick, uniform

__all__ = ["Lane", "Side", "Street"]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A lane and the speed of everyone in it."""

    x: float
    """Its middle."""
    speed: float
    """Metres per second along the street; negative comes towards the camera."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What lies between the carriageway and the plots, on one side."""

    sign: int
    """-1 is left, 1 is right."""
    edge: float
    """Distance of the carriageway's edge from the camera's line."""
    shoulder: float
    """Width of the strip beside the carriageway."""
    shoulder_label: str
    """`parking` or `drivable fallback`."""
    curb: float
    """Height of the kerb; 0 where there is none."""
    walk: float
    """Width of the sidewalk; 0 where there is none."""

    @property
    def curb_at(self) -> float:
        """Distance of the kerb from the camera's line."""
        return self.edge + self.shoulder

    @property
    def border(self) -> float:
        """Distance of the plots from the camera's line."""
        return self.curb_at + (0.25 if self.curb else 0.0) + self.walk


class Street:
    """The lie of one road.

    Args:
        rng: Draws everything that is left to chance.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.mood = pick(rng, ("city", "city", "market", "suburb", "country"))
        self.ego_speed = uniform(rng, 5.0, 11.0)
        self.lane_width = uniform(rng, 2.7, 3.6)
        self._lay_lanes(rng)
        self._course = [
            (uniform(rng, -1.0, 1.0) * length / 13, length, uniform(rng, 0, 2 * np.pi))
            for length in (uniform(rng, 28, 45), uniform(rng, 60, 140))
        ]
        self.camera_height = (
            uniform(rng, 1.15, 1.7) if rng.random() < 0.75 else uniform(rng, 1.7, 2.6)
        )
        self._focal = uniform(rng, 0.68, 1.05)
        self._horizon = uniform(rng, 0.38, 0.56)
        azimuth, height = uniform(rng, 0, 2 * np.pi), uniform(rng, 0.35, 1.2)
        self.light = Light(
            direction=(
                float(np.cos(azimuth) * np.cos(height)),
                float(np.sin(height)),
                float(np.sin(azimuth) * np.cos(height)),
            ),
            strength=max(0.0, uniform(rng, -0.5, 1.0)),
        )
        self.traffic = uniform(rng, 0.12, 0.75)
        self.crowd = uniform(rng, 0.1, 0.5) * {"market": 1.6, "country": 0.5}.get(self.mood, 1.0)
        self.crossing_every = uniform(rng, 45, 110) if rng.random() < 0.6 else 0.0
        self.crossing_at = uniform(rng, 8, 40)
        self._colors(rng)

    def _lay_lanes(self, rng: np.random.Generator) -> None:
        width = self.lane_width
        own = 1 + int(rng.random() * 2.3)
        other = 0 if rng.random() < 0.15 else max(1, own - int(rng.random() * 2))
        keep_left = rng.random() < 0.65
        self.median = (
            uniform(rng, 0.8, 3.5) if other and own + other > 2 and rng.random() < 0.55 else 0.0
        )
        mine = int(rng.random() * own)
        start = -(mine + 0.5) * width + uniform(rng, -0.4, 0.4)
        sign = 1 if keep_left else -1  # laid out for keeping left, then mirrored
        self.lanes = []
        for k in range(own):
            speed = self.ego_speed + (0.0 if k == mine else uniform(rng, -2.0, 3.0))
            self.lanes.append(Lane(x=sign * (start + (k + 0.5) * width), speed=speed))
        self.own_lane = mine
        middle = start + own * width
        for k in range(other):
            x = middle + self.median + (k + 0.5) * width
            self.lanes.append(Lane(x=sign * x, speed=-uniform(rng, 5.0, 11.0)))
        end = middle + self.median + other * width
        self.median_at = tuple(sorted((sign * middle, sign * (middle + self.median))))
        left, right = sorted((sign * start, sign * end))
        self.sides = (self._side(rng, -1, -left), self._side(rng, 1, right))
        inner = [start + k * width for k in range(1, own)]
        inner += [middle + self.median + k * width for k in range(1, other)]
        self.lane_lines = [sign * x for x in inner]
        self.middle_line = sign * middle if other and not self.median else None

    def _side(self, rng: np.random.Generator, sign: int, edge: float) -> Side:
        country = self.mood == "country"
        walk = 0.0 if rng.random() < (0.8 if country else 0.12) else uniform(rng, 1.6, 5.0)
        curb = uniform(rng, 0.1, 0.24) if walk and rng.random() < 0.88 else 0.0
        shoulder = uniform(rng, 0.8, 2.6) if rng.random() < 0.5 else 0.0
        label = "parking" if shoulder > 1.8 and not country else "drivable fallback"
        return Side(
            sign=sign, edge=edge, shoulder=shoulder, shoulder_label=label, curb=curb, walk=walk
        )

    def _colors(self, rng: np.random.Generator) -> None:
        grey = hsv(pick(rng, (0.08, 0.1, 0.6, 0.65)), rng.random() * 0.16, uniform(rng, 0.22, 0.6))
        self.road_color = grey
        self.shoulder_color = mixed(
            grey,
            hsv(0.09, uniform(rng, 0.1, 0.45), uniform(rng, 0.3, 0.65)),
            uniform(rng, 0.1, 0.9),
        )
        walk: Color = hsv(
            uniform(rng, 0.03, 0.14), uniform(rng, 0.0, 0.35), uniform(rng, 0.3, 0.75)
        )
        self.walk_color = mixed(grey, walk, 0.25 if rng.random() < 0.4 else 0.9)
        self.walk_tile = pick(rng, (0.0, 0.4, 0.6, 1.0, 1.5))
        self.curb_colors = pick(
            rng,
            (
                ((170, 168, 160, 0), (160, 158, 150, 0)),
                ((215, 212, 200, 0), (30, 30, 30, 0)),
                ((225, 200, 60, 0), (35, 35, 35, 0)),
                ((205, 202, 195, 0), (190, 80, 60, 0)),
                (mixed(grey, (255, 255, 255, 0), 0.15), mixed(grey, (255, 255, 255, 0), 0.2)),
            ),
        )
        earth = hsv(uniform(rng, 0.06, 0.12), uniform(rng, 0.15, 0.5), uniform(rng, 0.35, 0.7))
        grass = hsv(uniform(rng, 0.15, 0.32), uniform(rng, 0.25, 0.6), uniform(rng, 0.28, 0.55))
        paved = mixed(grey, walk, uniform(rng, 0, 1))
        green = {"country": 0.9, "suburb": 0.6}.get(self.mood, 0.15)
        self.verge_color = earth if rng.random() < 0.5 else paved
        self.growth_color = (
            grass if rng.random() < green else mixed(self.verge_color, (40, 36, 30, 0), 0.3)
        )
        self.line_color = (235, 232, 222, 0)
        self.middle_color = pick(rng, ((235, 190, 60, 0), (230, 228, 220, 0)))
        self.wear = uniform(rng, 0.1, 0.9) if rng.random() < 0.8 else 1.0
        self.unevenness = uniform(rng, 0.12, 0.4)

    def camera(self, size_hw: tuple[int, int]) -> Camera:
        """The camera, for pictures of this size."""
        height, width = size_hw
        return Camera(
            size_hw=size_hw,
            focal_px=self._focal * width,
            horizon_px=self._horizon * height,
            height_m=self.camera_height,
        )

    def bend(self, s: float, ahead: np.ndarray) -> np.ndarray:
        """How far the road has moved to the right, `ahead` metres in front of a camera at `s`."""
        total = np.zeros_like(ahead, float)
        for amplitude, length, phase in self._course:
            here = phase + s / length
            total += amplitude * (
                np.sin(here + ahead / length) - np.sin(here) - np.cos(here) * ahead / length
            )
        return total

    def course(self, s: float, ahead: float) -> tuple[float, float]:
        """`bend` at one place, and the direction of the road there, in radians to the right."""
        moved = slope = 0.0
        for amplitude, length, phase in self._course:
            here, there = phase + s / length, phase + (s + ahead) / length
            turn = math.cos(here)
            moved += amplitude * (math.sin(there) - math.sin(here) - turn * ahead / length)
            slope += amplitude / length * (math.cos(there) - turn)
        return moved, math.atan(slope)

    def at_crossing(self, s: np.ndarray) -> np.ndarray:
        """Whether a place along the street lies on a zebra crossing."""
        if not self.crossing_every:
            return np.zeros(np.shape(s), bool)
        return (np.asarray(s) - self.crossing_at) % self.crossing_every < 3.2
