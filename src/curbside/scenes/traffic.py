"""`Traffic`: vehicles in their lanes, two-wheelers between them, people on the sidewalks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from .heavy import bus, truck
from .people import Clothes, person, rider
from .solid import Solid
from .street import Lane, Side, Street
from .textures import pick, uniform
from .thing import VIEW_M, Thing
from .two_wheelers import Mount, bicycle, motorcycle
from .vehicles import autorickshaw, car

__all__ = ["Stream", "Traffic"]

_VEHICLES = (car,) * 9 + (truck,) * 3 + (bus,) * 2 + (autorickshaw,) * 4
_WALK_M_PER_S = 1.25
_STEP_PER_S = 6.5  # radians of the stride


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Everyone who moves along one line at one speed, in slots that move along with them."""

    speed: float
    """Metres per second along the street."""
    slot_m: float
    """Length of a slot."""
    ahead_m: float
    """How far ahead of the camera it is filled."""
    fill: Callable[..., list[Thing]]
    """What is in a slot, from a generator and `start`, its place along the street at time 0."""

    def slots(self, s: float, time_s: float) -> range:
        """Numbers of the slots in view of a camera at `s`."""
        start = s - self.speed * time_s
        return range(
            int((start - 8) // self.slot_m), int((start + self.ahead_m) // self.slot_m) + 1
        )


class Traffic:
    """Vehicles in their lanes, two-wheelers between them, people on the sidewalks.

    Args:
        street: The street.
    """

    def __init__(self, street: Street) -> None:
        self._street = street
        self.streams = list(self._streams())

    def _streams(self) -> Iterator[Stream]:
        street = self._street
        for number, lane in enumerate(street.lanes):
            fill = partial(self._vehicle, lane=lane, own=number == street.own_lane)
            yield Stream(speed=lane.speed, slot_m=13.0, ahead_m=VIEW_M, fill=fill)
            for half in (-0.5, 0.5):  # two-wheelers ride between the lanes and along the edges
                x, speed = lane.x + half * street.lane_width * 0.86, lane.speed * 0.93
                riders = partial(self._two_wheelers, x=x, speed=speed)
                yield Stream(speed=speed, slot_m=24.0, ahead_m=60.0, fill=riders)
        for side in street.sides:
            for speed in (-_WALK_M_PER_S, _WALK_M_PER_S):
                walkers = partial(self._walkers, side=side, speed=speed)
                yield Stream(speed=speed, slot_m=22.5, ahead_m=60.0, fill=walkers)

    def _vehicle(
        self, rng: np.random.Generator, start: float, *, lane: Lane, own: bool
    ) -> list[Thing]:
        if rng.random() > self._street.traffic or (own and -12 < start < 6):
            return []  # nobody where the camera is
        yaw = (np.pi if lane.speed < 0 else 0.0) + uniform(rng, -0.04, 0.04)
        x, s = lane.x + uniform(rng, -0.35, 0.35), start + uniform(rng, 5.5, 7.5)
        return [Thing(solid=pick(rng, _VEHICLES)(rng), x=x, s=s, yaw=yaw, speed=lane.speed)]

    def _two_wheelers(
        self, rng: np.random.Generator, start: float, *, x: float, speed: float
    ) -> list[Thing]:
        out = []
        for place in (start, start + 8.0, start + 16.0):
            if rng.random() < 0.1 + 0.3 * self._street.traffic:
                out += _ridden(rng, x, place + uniform(rng, 1, 6), speed)
        return out

    def _walkers(
        self, rng: np.random.Generator, start: float, *, side: Side, speed: float
    ) -> list[Thing]:
        low, high = side.curb_at - 0.3, side.border + 1.2
        if side.walk:
            low, high = side.curb_at + 0.4, side.border - 0.2
        out = []
        for number in range(5):
            if rng.random() > self._street.crowd * 0.75:
                continue
            sideways = rng.random() < 0.3
            pose = partial(_walking, Clothes.of(rng), uniform(rng, 0, 6), sideways)
            yaw = pick(rng, (-1.0, 1.0)) if sideways else uniform(rng, -0.4, 0.4)
            x, s = side.sign * uniform(rng, low, high), start + 4.5 * number + uniform(rng, 0, 4)
            out.append(Thing(solid=pose, x=x, s=s, yaw=yaw, speed=speed))
        return out


def _walking(clothes: Clothes, phase: float, sideways: bool, time_s: float) -> Solid:
    return person(clothes, stride=phase + time_s * _STEP_PER_S, sideways=sideways)


def _ridden(rng: np.random.Generator, x: float, s: float, speed: float) -> list[Thing]:
    """A two-wheeler and whoever is on it."""
    oncoming, slanted, pedals = speed < 0, rng.random() < 0.35, rng.random() < 0.3
    yaw = uniform(rng, -0.25, 0.25)
    if slanted:  # the view from the side, turned
        yaw = pick(rng, (-0.8, np.pi + 0.8)) + (np.pi if oncoming else 0.0)
    mount, seat = Mount.of(rng), 0.95 if pedals else 0.82
    if pedals:
        ridden = bicycle(mount, sideways=slanted)
    else:
        ridden = motorcycle(mount, sideways=slanted, oncoming=oncoming)
    out = [Thing(solid=ridden, x=x, s=s, yaw=yaw, speed=speed)]
    for behind in (0.0, 0.3) if not pedals and rng.random() < 0.3 else (0.0,):
        who = rider(Clothes.of(rng), seat=seat + behind * 0.2, sideways=slanted)
        out.append(Thing(solid=who, x=x, s=s - behind, yaw=yaw, speed=speed, shadow=False))
    return out
