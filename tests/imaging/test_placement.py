"""Where a frame stands on a network's input, and the way back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.imaging import Placement

SIDE = st.integers(1, 3000)
SIZES = st.tuples(SIDE, SIDE)
POINTS = st.lists(st.tuples(*[st.floats(-5000, 5000)] * 2), min_size=1, max_size=9)


@given(frame_hw=SIZES, size_hw=SIZES, points=POINTS, kind=st.sampled_from(["letterbox", "stretch"]))
def test_there_and_back_is_where_it_was(frame_hw, size_hw, points, kind):
    place = getattr(Placement, kind)(frame_hw, size_hw)
    points = np.array(points)
    there = place.to_canvas(points)
    scale = max(1.0, *(1 / s for s in place.scale_xy))
    np.testing.assert_allclose(place.to_frame(there), points, rtol=1e-9, atol=1e-9 * scale)


@given(frame_hw=SIZES, size_hw=SIZES)
def test_the_corners_of_the_frame_are_those_of_the_inside(frame_hw, size_hw):
    place = Placement.letterbox(frame_hw, size_hw)
    (left, top), (right, bottom) = place.to_canvas(np.array([(0, 0), frame_hw[::-1]]))
    assert (top, left) == (place.top, place.left)
    assert bottom - top == pytest.approx(place.inside_hw[0])
    assert right - left == pytest.approx(place.inside_hw[1])


@given(frame_hw=SIZES, size_hw=SIZES)
def test_a_letterbox_fits_keeps_the_aspect_and_is_in_the_middle(frame_hw, size_hw):
    place = Placement.letterbox(frame_hw, size_hw)
    borders = [size - inside for size, inside in zip(size_hw, place.inside_hw, strict=True)]
    assert min(borders) == 0
    assert min(place.inside_hw) >= 1
    for border, before in zip(borders, (place.top, place.left), strict=True):
        assert border - 2 * before in (0, 1)  # the larger half is below and to the right
    ratio = min(size / frame for size, frame in zip(size_hw, frame_hw, strict=True))
    for inside, frame in zip(place.inside_hw, frame_hw, strict=True):
        assert abs(inside - frame * ratio) <= 0.5 or inside == 1


def test_ultralytics_numbers():
    # LetterBox(640): 1280 x 720 becomes 640 x 360 with 140 above and below; 960 x 541 becomes
    # 640 x 361 with round(139.5 - 0.1) = 139 above and round(139.5 + 0.1) = 140 below.
    assert Placement.letterbox((720, 1280), (640, 640))[2:] == (140, 0, (360, 640))
    assert Placement.letterbox((541, 960), (640, 640))[2:] == (139, 0, (361, 640))


def test_draws_the_frame_in_grey():
    frame = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)
    canvas = Placement.letterbox((30, 60), (41, 40)).draw(frame)
    assert canvas.shape == (41, 40, 3)
    np.testing.assert_array_equal(canvas[10:30], cv2.resize(frame, (40, 20)))
    assert (canvas[:10] == 114).all()
    assert (canvas[30:] == 114).all()
    stretched = Placement.stretch((30, 60), (41, 40)).draw(frame)
    np.testing.assert_array_equal(stretched, cv2.resize(frame, (40, 41)))
    same = Placement.letterbox((30, 60), (30, 60)).draw(frame)
    np.testing.assert_array_equal(same, frame)
