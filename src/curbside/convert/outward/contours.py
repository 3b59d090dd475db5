"""From a mask to polygons that are drawn back to the same pixels.

Two kinds of outline, for two rules of filling:

- through the centres of the outermost pixels (`parts_of`), for those who draw a polygon together
  with its edge on whole pixels: OpenCV's `fillPoly`, Pillow, and with them Ultralytics and our own
  readers. Half a pixel added to every corner puts it where the pixel's centre is, and whoever
  truncates to whole pixels gets it back.
- along the pixels' edges (`edges_of`), for those who fill the pixels whose centre lies inside, as
  COCO's tools do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from ...errors import ConfigError

__all__ = ["Part", "check_outlines", "corners_of", "edges_of", "joined", "parts_of"]

_MAX_RINGS = 1_000
_MAX_TRIED = 20_000
_PAIRS_AT_ONCE = 4_000_000


class Part(NamedTuple):
    """One connected piece of a mask, its pixels touching by sides or corners."""

    outer: np.ndarray
    """(N, 2) int32 corners x, y of its outline."""
    holes: list[np.ndarray]
    """The same of each hole in it."""

    @property
    def rings(self) -> list[np.ndarray]:
        """The outline, then the holes."""
        return [self.outer, *self.holes]


def parts_of(mask: np.ndarray, *, every_pixel: bool = False) -> list[Part]:
    """The pieces of a mask, outlined through the centres of their outermost pixels.

    The outline of a hole runs through the pixels around it. A single pixel has one corner.

    Args:
        mask: (H, W) bool.
        every_pixel: Make every pixel of an outline a corner, not only those where it turns.
    """
    chain = cv2.CHAIN_APPROX_NONE if every_pixel else cv2.CHAIN_APPROX_SIMPLE
    rings, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, chain)
    if not rings:
        return []
    found: dict[int, Part] = {}
    parents = tree[0][:, 3].tolist()
    for index, parent in enumerate(parents):
        if parent < 0:
            found[index] = Part(rings[index][:, 0], [])
    for index, parent in enumerate(parents):
        if parent >= 0:
            found[parent].holes.append(rings[index][:, 0])
    return list(found.values())


def edges_of(mask: np.ndarray) -> list[Part]:
    """The pieces of a mask, outlined along the edges of their pixels: (x, y) to (x + 1, y + 1) for one.

    Args:
        mask: (H, W) bool.
    """
    # In a picture of twice the size an outline through pixel centres passes 1/4 pixel inside each
    # edge: rounding up to whole pixels of the first picture moves every corner onto its edge.
    twice = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)

    def moved(ring: np.ndarray) -> np.ndarray:
        corners = (ring + 1) // 2
        return corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]

    return [Part(moved(outer), list(map(moved, holes))) for outer, holes in parts_of(twice)]


def corners_of(ring: np.ndarray, *, simplify: float = 0.0) -> np.ndarray:
    """The corners of a ring as a polygon: three or more, the last one repeated where there are fewer.

    Args:
        ring: (N, 2) int32.
        simplify: Pixels by which the polygon may miss the ring; with 0 only points on the straight
            line between their neighbours go.
    """
    if simplify > 0:
        ring = cv2.approxPolyDP(ring[:, None], simplify, True)[:, 0]
    elif len(ring) > 3:
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        straight = before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]
        ring = ring[~straight | ((before * after).sum(axis=1) <= 0)]
    missing = max(3 - len(ring), 0)
    return np.concatenate([ring, np.repeat(ring[-1:], missing, axis=0)])


def check_outlines(min_area: int, simplify: float) -> None:
    """Refuse options of a format that mean nothing.

    Raises:
        ConfigError: The least area is negative, or the pixels to miss are negative or no number.
    """
    if min_area < 0:
        raise ConfigError(f"min-area is {min_area}, which no area is", fix="give 0 pixels or more")
    if not 0 <= simplify < math.inf:  # NaN too
        raise ConfigError(
            f"simplify is {simplify}, which is no distance", fix="give 0 pixels or more"
        )


def joined(rings: Sequence[np.ndarray]) -> np.ndarray:
    """Several rings as one closed line, for formats with one line per object or without holes.

    Each ring is tied to the nearest other by a bridge that is walked to and fro, so that it encloses
    nothing: parts stay parts and, by the even-odd rule, holes stay holes. Who draws the line with its
    edge draws the bridges too. If every pixel of the outlines is a corner, one to a hole lies inside
    the object; one between two parts is a line of pixels too many.

    Of noise, the first ring and the longest are kept, 1,000 in all, and of more than 20,000 corners
    not every one is tried for a bridge.

    Args:
        rings: One or more of (N, 2) int32.

    Returns:
        (M, 2) int32.
    """
    if len(rings) == 1:
        return rings[0]
    rings = [rings[0], *sorted(rings[1:], key=len, reverse=True)[: _MAX_RINGS - 1]]
    corners = np.concatenate(rings)  # (V, 2)
    starts = np.cumsum([0, *map(len, rings)]).tolist()
    owner = np.repeat(np.arange(len(rings)), np.diff(starts))
    path = list(range(1, len(corners) + 1))  # which corner comes after which
    for start, end in pairwise(starts):
        path[end - 1] = start
    visited = list(range(len(corners)))  # grows by the corners that are passed twice
    step = 1 + len(corners) // _MAX_TRIED
    waiting = np.concatenate([np.arange(*ends, step) for ends in pairwise(starts)])
    distances, nearest = np.full(len(waiting), np.inf), np.zeros(len(waiting), np.int64)
    new = 0
    while (owner[waiting] != new).any():
        tried = waiting[owner[waiting] == new]
        others = owner[waiting] != new
        waiting, distances, nearest = waiting[others], distances[others], nearest[others]
        found, index = _nearest(corners[waiting], corners[tried])
        closer = found < distances
        distances[closer], nearest[closer] = found[closer], tried[index[closer]]
        best = int(distances.argmin())
        here, there = int(nearest[best]), int(waiting[best])
        new = int(owner[there])
        last = there - 1 if there > starts[new] else starts[new + 1] - 1
        # here -> there -> round the ring -> there again -> here again -> on
        again = len(visited)
        visited += [there, here]
        path += [again + 1, path[here]]
        path[here], path[last] = there, again
    line, node = [], 0
    for _ in visited:
        line.append(visited[node])
        node = path[node]
    return corners[line]


def _nearest(some: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of some corners the squared distance to the nearest of the others, and its index."""
    distances, indices = np.zeros(len(some)), np.zeros(len(some), np.int64)
    targets = others.astype(np.float64)
    lengths = (targets**2).sum(axis=1)
    step = max(1, _PAIRS_AT_ONCE // len(others))
    for begin in range(0, len(some), step):
        part = np.s_[begin : begin + step]
        own = some[part].astype(np.float64)
        squared = (own**2).sum(axis=1)[:, None] + lengths - 2 * own @ targets.T
        indices[part] = squared.argmin(axis=1)
        distances[part] = squared.min(axis=1)
    return distances, indices
