"""`Population`: what stands along a street and what moves on it.

The street is cut into plots and its lanes into slots. Each is filled from its own seed, so any part
of an endless street can be had at any time and is always the same. Slots move with their lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .kerbside import Kerbside
from .plants import leaf_textures
from .plots import PLOT_KINDS, Plots
from .street import Side, Street
from .textures import pick
from .thing import PLOT_M, VIEW_M, Thing
from .traffic import Traffic

__all__ = ["Population"]

_STYLE, _KINDS, _PLOTS, _KERBS, _ROAD, _HORIZON, _STREAMS = range(7)  # first number of every seed


class Population:
    """What stands along a street and what moves on it.

    Args:
        street: The street.
        key: The seeds of the world.
    """

    def __init__(self, street: Street, key: tuple[int, int]) -> None:
        self._street = street
        self._key = key
        rng = self._rng(_STYLE)
        leaves = leaf_textures(rng, 7)
        self._plots = Plots(street, leaves)
        self._kerbs = Kerbside(street, leaves, rng)
        self._traffic = Traffic(street)
        self._made: dict[tuple[int, ...], list[Thing]] = {}
        self._kinds: dict[tuple[int, int], str] = {}

    def things(self, s: float, time_s: float) -> Iterator[Thing]:
        """Everything in view of a camera that is at `s` at the time; the place of what moves is
        that at time 0."""
        for plot in range(int((s - 14) // PLOT_M), int((s + VIEW_M) // PLOT_M) + 1):
            for side in self._street.sides:
                kind, place = self._kind(side, plot), (side.sign, plot)
                for what, room in ((_PLOTS, self._plots), (_KERBS, self._kerbs)):
                    fill = partial(room.fill, side=side, plot=plot, kind=kind)
                    yield from self._once((what, *place), fill)
            yield from self._once((_ROAD, plot), partial(self._kerbs.carriageway, plot=plot))
        for number, stream in enumerate(self._traffic.streams):
            for slot in stream.slots(s, time_s):
                moving = partial(stream.fill, start=slot * stream.slot_m)
                yield from self._once((_STREAMS, number, slot), moving)
        yield from self._once((_HORIZON,), self._plots.horizon)

    def is_side_street(self, side: Side, plot: int) -> bool:
        """Whether a side street leaves there."""
        return self._kind(side, plot) == "street"

    def lamps(self, s: float) -> list[tuple[float, float, float]]:
        """Street lamps near a camera at `s`: x, s and height of each."""
        return [
            (side.sign * (side.curb_at - 1.1), (plot + 0.5) * PLOT_M, self._kerbs.lamp_height)
            for plot in range(int((s - 14) // PLOT_M), int((s + 90) // PLOT_M))
            for side in self._street.sides
            if self._kerbs.has_lamp(side, plot)
        ]

    def _rng(self, *where: int) -> np.random.Generator:
        return np.random.default_rng([*self._key, *(number + 100_000 for number in where)])

    def _once(
        self, place: tuple[int, ...], make: Callable[[np.random.Generator], list[Thing]]
    ) -> list[Thing]:
        if place not in self._made:
            self._made[place] = make(self._rng(*place))
        return self._made[place]

    def _kind(self, side: Side, plot: int) -> str:
        place = (side.sign, plot)
        if place not in self._kinds:
            self._kinds[place] = pick(self._rng(_KINDS, *place), PLOT_KINDS[self._street.mood])
        return self._kinds[place]
