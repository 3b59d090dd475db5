"""Numbers as colours: levels computed by hand, and what the palettes promise."""

from __future__ import annotations

import colorsys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curbside.imaging import depth_palette, doubt_palette, encode_depth, encode_doubt


def test_levels_of_depth_are_254_shares_of_ten_metres_over_depth_and_ten():
    depth = np.array([[0, 1e-6, 2.7, 10, 40, 117, 1e9]], np.float32)
    assert encode_depth(depth).tolist() == [[0, 255, 201, 128, 52, 21, 1]]


@given(depths=st.lists(st.floats(0, 1e6, width=32), min_size=2, max_size=30))
def test_farther_is_never_a_higher_level_and_only_unknown_is_0(depths):
    depth = np.array([sorted(depths)], np.float32)
    levels = encode_depth(depth)[0].astype(int)
    assert ((levels == 0) == (depth[0] == 0)).all()
    assert (np.diff(levels[levels > 0]) <= 0).all()


def test_near_is_warm_and_far_is_cool():
    red, _, blue = (depth_palette()[encode_depth(np.float32([[m]]))[0, 0]] for m in (2, 10, 60))
    assert red[0] > 200 and red[2] < 60 and blue[2] > 150 and blue[0] < 90
    assert depth_palette()[0].tolist() == [0, 0, 0]
    hues = [colorsys.rgb_to_hsv(*(depth_palette()[level] / 255))[0] for level in range(230, 60, -1)]
    assert (np.diff(hues) > -0.02).all()  # from red over green to blue, never back


def test_doubt_is_what_confidence_lacks():
    confidence = np.array([[0, 0.2, 0.5, 1]], np.float32)
    assert encode_doubt(confidence).tolist() == [[255, 204, 127, 0]]


def test_the_less_sure_the_brighter():
    bright = doubt_palette() @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(bright) > -1).all() and bright[0] < 5 and bright[255] > 220
