"""Masks to polygons, and back by decoders of our own."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from curbside.convert.outward.contours import corners_of, edges_of, joined, parts_of

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
RING = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool)


def filled(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Polygons drawn with their edges, even-odd."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, rings, 1)
    return canvas.astype(bool)


def centres_inside(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre a ray to the left finds inside a polygon: COCO's rule, by hand."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 != y2:
            crosses = (np.minimum(y1, y2) < y) & (y < np.maximum(y1, y2))
            inside ^= crosses & (x1 + (y - y1) * (x2 - x1) / (y2 - y1) < x)
    return inside


def as_set(ring: np.ndarray) -> set[tuple[int, int]]:
    return set(map(tuple, ring.tolist()))


def test_a_ring_has_an_outline_and_a_hole():
    (part,) = parts_of(RING)
    assert as_set(part.outer) == {(0, 0), (3, 0), (3, 3), (0, 3)}
    assert len(part.holes) == 1
    (part,) = edges_of(RING)
    assert as_set(part.outer) == {(0, 0), (4, 0), (4, 4), (0, 4)}
    assert as_set(part.holes[0]) == {(1, 1), (3, 1), (3, 3), (1, 3)}


def test_nothing_has_no_parts_and_one_pixel_one_corner():
    assert parts_of(np.zeros((3, 3), bool)) == [] == edges_of(np.zeros((3, 3), bool))
    (part,) = parts_of(np.ones((1, 1), bool))
    assert part.outer.tolist() == [[0, 0]] and part.holes == []
    assert corners_of(part.outer).tolist() == [[0, 0]] * 3
    (part,) = edges_of(np.ones((1, 1), bool))
    assert as_set(part.outer) == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_points_on_a_straight_line_are_no_corners():
    (part,) = parts_of(np.ones((3, 5), bool), every_pixel=True)
    assert len(part.outer) == 12
    assert as_set(corners_of(part.outer)) == {(0, 0), (4, 0), (4, 2), (0, 2)}


def test_simplifying_drops_small_steps():
    mask = np.ones((20, 20), bool)
    mask[0, 7:9] = False
    (part,) = parts_of(mask)
    assert len(part.outer) > 4
    assert len(corners_of(part.outer, simplify=1.5)) == 4


def test_a_bridge_between_two_parts_is_the_shortest():
    mask = np.zeros((9, 9), bool)
    mask[1:3, 1:8] = mask[6:8, 1:8] = True
    line = joined([part.outer for part in parts_of(mask, every_pixel=True)])
    extra = filled([corners_of(line)], mask.shape) & ~mask
    assert extra.sum() == 3 and len(set(np.argwhere(extra)[:, 1])) == 1


def test_noise_is_joined_too():
    mask = np.random.default_rng(0).random((200, 200)) < 0.2
    parts = parts_of(mask, every_pixel=True)
    assert len(parts) > 1_000
    line = corners_of(joined([part.outer for part in parts]))
    longest = sorted((len(part.outer) for part in parts[1:]), reverse=True)[:999]
    assert len(line) <= len(parts[0].outer) + sum(longest) + 2 * 999
    pixels = filled([line], mask.shape)
    for part in sorted(parts, key=lambda part: -len(part.outer))[:500]:
        assert pixels[part.outer[:, 1], part.outer[:, 0]].all()


@settings(deadline=None)
@given(MASKS)
def test_outlines_give_every_pixel_again(mask):
    rings = [ring for part in parts_of(mask) for ring in part.rings]
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)


@settings(deadline=None)
@given(MASKS)
def test_one_line_gives_a_part_with_its_holes_again(mask):
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    for number in range(1, pieces.max() + 1):
        piece = pieces == number
        (part,) = parts_of(piece, every_pixel=True)
        line = corners_of(joined(part.rings))
        np.testing.assert_array_equal(filled([line], mask.shape), piece)


@settings(deadline=None)
@given(MASKS)
def test_one_line_for_all_loses_no_pixel(mask):
    rings = [ring for part in parts_of(mask, every_pixel=True) for ring in part.rings]
    if rings:
        assert not (mask & ~filled([corners_of(joined(rings))], mask.shape)).any()


@settings(deadline=None)
@given(MASKS)
def test_edges_enclose_the_centres_of_the_pixels(mask):
    found = np.zeros(mask.shape, bool)
    for part in edges_of(mask):
        found |= centres_inside(joined(part.rings), mask.shape)
    np.testing.assert_array_equal(found, mask)
