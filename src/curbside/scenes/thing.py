"""`Thing`: something in its place on a street."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .solid import Solid

__all__ = ["PLOT_M", "VIEW_M", "Thing"]

PLOT_M = 12.0
"""Length of a plot along the street."""

VIEW_M = 110.0
"""How far ahead a street is filled; beyond it are woods and hills."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something in its place."""

    solid: Solid | Callable[[float], Solid]
    """What it is; or what it is at a time in seconds, where it moves its limbs."""
    x: float
    """Metres right of the camera's line."""
    s: float
    """Metres along the street, at time 0."""
    yaw: float = 0.0
    """Turn to the right against the street, in radians."""
    y: float = 0.0
    """Metres above the road."""
    speed: float = 0.0
    """Metres per second along the street."""
    behind: float = 0.0
    """Added to its distance when things are put in order: long things lie behind short ones."""
    far: bool = False
    """Whether it stays `s` metres ahead of the camera, wherever that goes."""
    shadow: bool = True
    """Whether it throws a shadow onto the ground."""
