"""`Solid`: a thing made of flat faces, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .textures import Color, Texture

__all__ = ["Corners", "Face", "Solid", "part_of"]

Corners = Sequence[tuple[float, float, float]]
"""Corners of a flat polygon (x right, y up, z forward), clockwise for who looks at its front."""


class Face(NamedTuple):
    """A flat polygon of a solid."""

    color: Color
    owner: int
    """Number of the face it lies on; its own number for a face that is part of the hull."""
    texture: Texture | None = None
    basis: tuple[tuple[float, float, float], ...] = ()
    """Top left, top right and bottom left corner of the texture."""
    rank: int = 0
    """A face of a higher rank is painted after all of a lower one, wherever it is."""


@dataclass
class Solid:
    """A thing made of flat faces, in its own metres: x right, y up from the ground, z forward."""

    label: str
    """One of IDD's labels."""
    closed: bool = True
    """Whether faces that look away are hidden and nearer ones cover others; a flat cut-out is open
    and painted in the order in which its faces were given."""
    convex: bool = False
    """Whether its outline is the convex hull of its corners."""
    rough: float = 0.1
    """How uneven its colour is."""
    faces: list[Face] = field(default_factory=list)
    corners: list[tuple[float, float, float]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def face(
        self,
        corners: Corners,
        color: Color,
        *,
        texture: Texture | None = None,
        basis: Corners | None = None,
        rank: int = 0,
    ) -> None:
        """Add a face of the hull."""
        self._add(corners, color, len(self.faces), texture, basis, rank)

    def detail(self, corners: Corners, color: Color, *, texture: Texture | None = None) -> None:
        """Add something that lies on the face given last: paint, a window, a lamp."""
        self._add(corners, color, self.faces[-1].owner, texture, None, 0)

    def _add(
        self,
        corners: Corners,
        color: Color,
        owner: int,
        texture: Texture | None,
        basis: Corners | None,
        rank: int,
    ) -> None:
        frame = tuple(basis) if basis else (corners[0], corners[1], corners[-1])
        self.faces.append(Face(color, owner, texture, frame if texture is not None else (), rank))
        self.starts.append(len(self.corners))
        self.corners.extend(corners)

    @cached_property
    def points(self) -> np.ndarray:
        """All corners: (N, 3) float64."""
        return np.array(self.corners, float)

    @cached_property
    def ends(self) -> list[int]:
        """Where the corners of each face end."""
        return [*self.starts[1:], len(self.corners)]

    @cached_property
    def reach(self) -> float:
        """How far it reaches from its origin on the ground, in metres."""
        return float(np.sqrt((self.points[:, ::2] ** 2).sum(axis=1).max()))

    @cached_property
    def footprint(self) -> np.ndarray:
        """Corners (x, z) of the ground it stands on, with a little room: (4, 2) float64."""
        low, high = self.points.min(axis=0) - 0.12, self.points.max(axis=0) + 0.12
        return np.array(
            [(low[0], low[2]), (high[0], low[2]), (high[0], high[2]), (low[0], high[2])]
        )

    @cached_property
    def colors(self) -> np.ndarray:
        """Colour of each face: (F, 4) float64."""
        return np.array([face.color for face in self.faces], float)

    @cached_property
    def normals(self) -> np.ndarray:
        """One normal per face, outwards, as long as twice the face's area: (F, 3) float64.

        A face that lies on another has the other's.
        """
        if not self.closed:  # a cut-out faces whoever looks at it
            return np.tile((0.0, 0.0, -1.0), (len(self.faces), 1))
        following = np.arange(1, len(self.corners) + 1)
        following[np.array(self.ends) - 1] = self.starts
        a = self.points - np.repeat(
            self.points[self.starts], np.diff([*self.starts, len(self.corners)]), axis=0
        )
        b = a[following]
        crossed = np.empty_like(a)
        crossed[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
        crossed[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
        crossed[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        return np.add.reduceat(crossed, self.starts, axis=0)[[face.owner for face in self.faces]]


def part_of(quad: Corners, left: float, top: float, right: float, bottom: float) -> Corners:
    """A rectangle on a face of four corners, in shares 0..1 from its top left."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), (dx, dy, dz) = quad
    out = []
    for s, t in ((left, top), (right, top), (right, bottom), (left, bottom)):
        p, q, r, w = (1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t
        out.append((
            p * ax + q * bx + r * cx + w * dx,
            p * ay + q * by + r * cy + w * dy,
            p * az + q * bz + r * cz + w * dz,
        ))  # fmt: skip
    return out
