"""Polygons as Pillow draws them, and class colours over frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from curbside.errors import ConfigError
from curbside.imaging import Normalization, blend_classes, colorize, draw_legend, fill_polygon

COORDINATE = st.floats(-40, 60, allow_nan=False)
POLYGON = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=9)


def painted(polygon: list, mode: str = "L", size: int = 20) -> np.ndarray:
    canvas = Image.new(mode, (size, size), 0)
    fill_polygon(canvas, polygon, 1)
    return np.asarray(canvas)


def test_right_and_bottom_edges_are_inclusive():
    mask = painted([(2, 2), (10, 2), (10, 10), (2, 10)])
    assert mask.sum() == 81 and mask[2:11, 2:11].all()


def test_corners_are_truncated_towards_zero():
    assert painted([(-0.9, -0.9), (3.9, -0.9), (3.9, 3.9), (-0.9, 3.9)]).sum() == 16


@pytest.mark.parametrize("corners", [[], [(3, 3)], [(3, 3), (9, 9)]])
def test_what_has_no_area_paints_nothing(corners):
    assert not painted(corners).any()


def test_a_polygon_that_crosses_itself_is_filled_even_odd():
    star = [(10, 0), (16, 19), (0, 7), (19, 7), (3, 19)]  # its middle is enclosed twice
    assert painted(star)[10, 10] == 0 and painted(star)[4, 10] == 1


@given(polygon=POLYGON)
def test_any_polygon_is_pillows_own_in_both_modes(polygon):
    canvas = Image.new("L", (20, 20), 0)
    ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in polygon], fill=1)
    np.testing.assert_array_equal(painted(polygon), np.asarray(canvas))
    np.testing.assert_array_equal(painted(polygon, "I"), np.asarray(canvas))


def test_colours_are_those_of_the_palette_in_bgr():
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = (200, 100, 50)
    ids = np.array([[3, 0], [255, 3]], np.uint8)
    assert colorize(ids, palette).tolist() == [
        [[50, 100, 200], [0, 0, 0]],
        [[0, 0, 0], [50, 100, 200]],
    ]


def test_blending_mixes_by_alpha_and_darkens_what_is_ignored():
    palette = np.zeros((256, 3), np.uint8)
    palette[1] = (200, 100, 0)
    palette[255] = (9, 9, 9)
    frame = np.full((1, 2, 3), 100, np.uint8)
    out = blend_classes(frame, np.array([[1, 255]], np.uint8), palette, alpha=0.25)
    assert out.tolist() == [[[75, 100, 125], [75, 75, 75]]]
    assert frame.min() == 100 and palette[255].tolist() == [9, 9, 9]  # nothing given is changed


def test_the_legend_shows_every_class_in_its_colour():
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    panel = draw_legend(120, ["a", "b", "c"], colors)
    assert panel.shape == (120, 190, 3)
    for red, green, blue in colors:
        assert (panel == (blue, green, red)).all(axis=2).sum() > 50


def test_impossible_normalisation_is_refused():
    with pytest.raises(ConfigError):
        Normalization(std=(0.2, 0.0, 0.2))
    with pytest.raises(ConfigError):
        Normalization(mean=(0.5, 0.5))  # type: ignore[arg-type]
