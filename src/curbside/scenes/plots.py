"""`Plots`: the houses, gardens, woods and fields on both sides of a street."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import barriers, buildings, furniture, plants
from .solid import Solid
from .street import Side, Street
from .textures import Texture, pick, uniform
from .thing import PLOT_M, Thing

__all__ = ["PLOT_KINDS", "Plots"]

PLOT_KINDS = {  # what stands on a plot, by the street's mood; "street" is a side street
    "city": ("building",) * 9 + ("walled", "trees", "street", "fenced"),
    "market": ("building",) * 10 + ("walled", "street", "stalls"),
    "suburb": ("building",) * 4
    + ("walled", "walled", "trees", "trees", "fenced", "street", "open"),
    "country": ("trees",) * 4
    + ("open", "open", "building", "walled", "fenced", "fenced", "street"),
}

_HEIGHTS_M = {"city": (6, 24), "market": (5, 14), "suburb": (3.2, 10), "country": (3, 7)}


class Plots:
    """The houses, gardens, woods and fields on both sides of a street.

    Args:
        street: The street.
        leaves: The choice of leaves for its trees.
    """

    def __init__(self, street: Street, leaves: Sequence[Texture]) -> None:
        self._street = street
        self._leaves = leaves

    def fill(self, rng: np.random.Generator, *, side: Side, plot: int, kind: str) -> list[Thing]:
        """What stands on a plot of a kind."""
        middle, border = (plot + 0.5) * PLOT_M, side.border
        facing = side.sign * np.pi / 2  # fronts look at the street
        out: list[Thing] = []

        def put(solid: Solid, away: float, along: float, behind: float, yaw: float) -> None:
            x, s = side.sign * (border + away), middle + along
            out.append(Thing(solid=solid, x=x, s=s, yaw=yaw, behind=behind))

        if kind == "building":
            if rng.random() < 0.25 and self._street.mood != "country":
                for along in (-3, 3):
                    put(self._house(rng, 5.9, 8), 0.3, along, 3.0, facing)
            else:
                width = uniform(rng, 8.5, 12.0)
                house = self._house(rng, width, uniform(rng, 7, 13))
                put(house, uniform(rng, 0.1, 2.5), 0, width / 2, facing)
            if rng.random() < 0.35:
                size, low = (uniform(rng, 1.0, 2.6), uniform(rng, 0.6, 1.6)), uniform(rng, 2.4, 4.5)
                board = furniture.billboard(rng, width=size[0], height=size[1], low=low)
                put(board, -0.4, uniform(rng, -4, 4), 0.0, pick(rng, (0.0, 0.0, facing)))
        elif kind in ("walled", "fenced"):
            make = barriers.boundary_wall if kind == "walled" else barriers.fence
            put(make(rng, width=PLOT_M), 0.2, 0, PLOT_M / 2, facing)
            if rng.random() < 0.5:
                size = uniform(rng, 7, 11), uniform(rng, 3.2, 9)
                house = buildings.building(rng, width=size[0], depth=8, height=size[1])
                put(house, uniform(rng, 4, 9), 0, 12, facing)
            out += self._trees(rng, side, middle, (1.5, 8), 4)
        elif kind == "trees":
            out += self._trees(rng, side, middle, (0.8, 14), 8)
            for _ in range(3):
                bushes = plants.hedge(rng, pick(rng, self._leaves), width=uniform(rng, 2, 5))
                put(bushes, uniform(rng, 0.5, 4), uniform(rng, -5, 5), 0.0, 0.0)
        elif kind == "stalls":
            for along in (-4, 0, 4):
                put(barriers.stall(rng, width=uniform(rng, 2, 3.4)), 0.8, along, 1.5, facing)
        elif kind == "open":
            out += self._trees(rng, side, middle, (12, 45), 4)
        if rng.random() < 0.35:  # a second row
            dense = self._street.mood in ("city", "market")
            width, height = uniform(rng, 9, 16), uniform(rng, *((8, 34) if dense else (5, 12)))
            house = buildings.building(rng, width=width, depth=10, height=height)
            put(house, uniform(rng, 20, 42), uniform(rng, -5, 5), 30, facing)
        return out

    def horizon(self, rng: np.random.Generator) -> list[Thing]:
        """Woods and hills that stay as far away as they are."""
        out = []
        for distance, width, height in ((420.0, 900, (6, 40)), (260.0, 700, (5, 14))):
            leaves = pick(rng, self._leaves)
            edge = plants.treeline(rng, leaves, width=width, height=uniform(rng, *height))
            out.append(Thing(solid=edge, x=0.0, s=distance, y=-0.5, far=True, shadow=False))
        return out

    def _house(self, rng: np.random.Generator, width: float, depth: float) -> Solid:
        low, high = _HEIGHTS_M[self._street.mood]
        height = low + (high - low) * rng.random() ** 1.6
        return buildings.building(rng, width=width, depth=depth, height=height)

    def _trees(
        self,
        rng: np.random.Generator,
        side: Side,
        middle: float,
        away: tuple[float, float],
        most: int,
    ) -> list[Thing]:
        out = []
        for _ in range(int(rng.random() * most)):
            x, s = uniform(rng, *away), middle + uniform(rng, -6, 6)
            plant = plants.tree(rng, pick(rng, self._leaves))
            out.append(Thing(solid=plant, x=side.sign * (side.border + x), s=s, behind=0.4 * x))
        return out
