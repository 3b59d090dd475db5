"""`Kerbside`: what stands between the plots, and in the middle of the road."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import barriers, creatures, furniture, people, plants, two_wheelers, vehicles
from .heavy import cart, truck
from .solid import Solid
from .street import Side, Street
from .textures import Texture, hsv, pick, uniform
from .thing import PLOT_M, Thing

__all__ = ["Kerbside"]


class Kerbside:
    """What stands between the plots, and in the middle of the road.

    Args:
        street: The street.
        leaves: The choice of leaves for its trees.
        rng: Draws what is the same along the whole street.
    """

    def __init__(self, street: Street, leaves: Sequence[Texture], rng: np.random.Generator) -> None:
        self._street = street
        self._leaves = leaves
        self._post_color = hsv(0.1, rng.random() * 0.3, uniform(rng, 0.2, 0.75))
        self._lamps_every = pick(rng, (2, 3, 4))
        self.lamp_height = uniform(rng, 5.5, 9.0)
        self._trees = rng.random() * (0.3 if street.mood == "market" else 0.5)
        self._rail = pick(rng, (None, None, None, barriers.guard_rail, barriers.fence))
        self._rail_sign = pick(rng, (-1, 1))
        self._bridge_at = uniform(rng, 25, 110) if rng.random() < 0.12 else -1e9

    def has_lamp(self, side: Side, plot: int) -> bool:
        """Whether a street lamp stands in the middle of the plot's kerb."""
        return self._street.mood != "country" and (plot + (side.sign > 0)) % self._lamps_every == 0

    def fill(self, rng: np.random.Generator, *, side: Side, plot: int, kind: str) -> list[Thing]:
        """Poles, signs, trees, parked vehicles and animals along a plot of a kind."""
        sign, line, middle = side.sign, side.curb_at + 0.5, (plot + 0.5) * PLOT_M
        out: list[Thing] = []

        def put(solid: Solid, away: float, s: float, yaw: float = 0.0, behind: float = 0.0) -> None:
            out.append(Thing(solid=solid, x=sign * away, s=s, yaw=yaw, behind=behind))

        if self.has_lamp(side, plot):
            high, color = self.lamp_height, self._post_color
            put(furniture.lamp_post(rng, height=high, reach=-sign * 1.6, color=color), line, middle)
        elif rng.random() < 0.45:
            s = middle + uniform(rng, -2, 2)
            put(self._post(rng, uniform(rng, 5.5, 9)), line + uniform(rng, 0, 0.8), s)
        if rng.random() < 0.28:
            plate = furniture.traffic_sign(rng)
            out += self._on_post(rng, plate, sign * line, middle + uniform(rng, -4, 4), 2.3)
        if self._street.at_crossing(np.array(middle + 4.0)) or rng.random() < 0.05:
            head = furniture.signal_head(int(rng.random() * 3))
            out += self._on_post(rng, head, sign * line, middle + 5, 3.0)
        if rng.random() < 0.1:
            wide = uniform(rng, 2.5, 6.0)
            high, low = wide * uniform(rng, 0.4, 0.7), uniform(rng, 2.5, 6.0)
            away = side.border + wide / 2 + 0.3
            put(self._post(rng, 5.0), away, middle - 3.95, behind=0.2)
            put(furniture.billboard(rng, width=wide, height=high, low=low), away, middle - 4)
        if kind == "street":
            if rng.random() < 0.4:
                waiting = pick(rng, (vehicles.car, vehicles.car, vehicles.autorickshaw))(rng)
                put(waiting, side.border + uniform(rng, 2, 8), middle, -sign * np.pi / 2)
            return out
        if rng.random() < self._trees:
            plant = plants.tree(rng, pick(rng, self._leaves))
            put(plant, line + uniform(rng, 0.4, 1.2), middle + uniform(rng, -5, 5))
        if self._rail is not None and self._rail_sign == sign:
            rail = self._rail(rng, width=PLOT_M)
            put(rail, side.curb_at + 0.15, middle, sign * np.pi / 2, PLOT_M / 2)
        if rng.random() < (0.2 if self._street.mood == "country" else 0.1):
            away, s = side.curb_at + uniform(rng, -0.8, 1.0), middle + uniform(rng, -5, 5)
            put(creatures.animal(rng), away, s, pick(rng, (0.0, np.pi, 0.7, -0.7)))
        out += self._parked(rng, side, middle)
        return out

    def carriageway(self, rng: np.random.Generator, *, plot: int) -> list[Thing]:
        """The median's plants and posts, people who cross, a bridge overhead."""
        street, middle = self._street, (plot + 0.5) * PLOT_M
        out = []
        if street.median:
            x = sum(street.median_at) / 2
            if self._rail is barriers.fence:
                rail, yaw = barriers.fence(rng, width=PLOT_M), np.sign(x) * np.pi / 2
                out.append(Thing(solid=rail, x=x, s=middle, yaw=yaw, behind=PLOT_M / 2))
            elif street.median > 1.4 and rng.random() < 0.6:
                for along in (-4, 0, 4):
                    leaves = pick(rng, self._leaves)
                    bushes = plants.hedge(rng, leaves, width=street.median * 0.7)
                    out.append(Thing(solid=bushes, x=x, s=middle + along))
            if plot % 3 == 0:
                out.append(Thing(solid=self._post(rng, 7.0), x=x, s=middle))
        if street.at_crossing(np.array(middle)) or rng.random() < 0.06 * street.crowd:
            for _ in range(1 + int(rng.random() * 3)):
                clothes, stride = people.Clothes.of(rng), uniform(rng, 0, 6)
                walker = people.person(clothes, stride=stride, sideways=True)
                x = uniform(rng, -street.sides[0].edge, street.sides[1].edge)
                yaw, s = pick(rng, (0.0, np.pi)), middle + uniform(rng, -1, 1)
                if abs(x) > 1.7:  # nobody stands where the camera drives
                    out.append(Thing(solid=walker, x=x, s=s, yaw=yaw))
        if int(self._bridge_at // PLOT_M) == plot:
            deck = furniture.bridge(rng, width=70)
            out.append(Thing(solid=deck, x=0, s=self._bridge_at, shadow=False))
        return out

    def _parked(self, rng: np.random.Generator, side: Side, middle: float) -> list[Thing]:
        sign = side.sign
        if side.shoulder > 1.5 and rng.random() < 0.55:
            kinds = (vehicles.car, vehicles.car, vehicles.autorickshaw, truck, cart)
            x, s = sign * (side.edge + side.shoulder / 2 + 0.1), middle + uniform(rng, -2, 2)
            return [Thing(solid=pick(rng, kinds)(rng), x=x, s=s, yaw=pick(rng, (0.0, np.pi)))]
        if rng.random() < 0.08:
            yaw, x = uniform(rng, -0.2, 0.2), sign * (side.curb_at + 0.9)
            if rng.random() < 0.5:
                return [Thing(solid=cart(rng), x=x, s=middle, yaw=yaw)]
            stall = barriers.stall(rng, width=2.4)
            return [Thing(solid=stall, x=x, s=middle, yaw=yaw + sign * np.pi / 2)]
        out = []
        if rng.random() < 0.3:
            for number in range(1 + int(rng.random() * 4)):
                make = two_wheelers.motorcycle if rng.random() < 0.7 else two_wheelers.bicycle
                bike = make(two_wheelers.Mount.of(rng), sideways=True)
                yaw = pick(rng, (0.0, 0.6, -0.6, np.pi)) + uniform(rng, -0.2, 0.2)
                x, s = sign * (side.curb_at - 0.2), middle - 3 + number * 0.9
                out.append(Thing(solid=bike, x=x, s=s, yaw=yaw))
        return out

    def _post(self, rng: np.random.Generator, height: float) -> Solid:
        return furniture.pole(rng, height=height, color=self._post_color)

    def _on_post(
        self, rng: np.random.Generator, head: Solid, x: float, s: float, low: float
    ) -> list[Thing]:
        """A sign or signal, and the post behind it."""
        top = low + uniform(rng, 0, 0.6)
        post = furniture.pole(rng, height=top + 0.5, color=self._post_color, arms=False)
        return [
            Thing(solid=post, x=x, s=s + 0.06),
            Thing(solid=head, x=x, s=s, y=top, shadow=False),
        ]
