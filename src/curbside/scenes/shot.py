"""`Shot`: one street of a set, as it goes into a file or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from .drawing import World, draw_scene
from .scene import Scene

__all__ = ["Files", "Shot"]

Files = Mapping[str, Callable[[], bytes]]
"""Paths below the root of a dataset, and what makes the bytes of each."""

_FIRST_INDEX = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # no two splits share a street


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One street of a set. It is drawn when its scene is asked for, and but once."""

    seed: int
    """Seed of the set."""
    split: str
    """`train`, `val` or `test`."""
    number: int
    """Its number within the split."""
    condition: str
    """One of `CONDITIONS`."""
    size_hw: tuple[int, int]
    """Height and width of the picture."""

    @property
    def index(self) -> int:
        """The number of the street, which no other of the set has."""
        return _FIRST_INDEX[self.split] + self.number

    @property
    def world(self) -> World:
        """The street itself."""
        return World(self.seed, self.index, self.condition)

    @cached_property
    def scene(self) -> Scene:
        """The street as it is drawn."""
        return self.under(self.condition)

    def under(self, condition: str) -> Scene:
        """The street in another weather; its truth is the same."""
        return draw_scene(self.seed, self.index, condition, size_hw=self.size_hw)
