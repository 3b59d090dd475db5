"""Depth of a frame: checked arrays, and what people look at."""

from __future__ import annotations

import numpy as np
import pytest

from curbside.imaging import depth_palette
from curbside.results import DepthResult


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 4)), "float64"),
        (np.zeros((1, 3, 4), np.float32), "(1, 3, 4)"),
        (np.zeros((0, 4), np.float32), "(0, 4)"),
        (np.full((3, 4), -1, np.float32), "-1.0"),
        (np.float32([[1, np.nan]]), "nan"),
        (np.float32([[1, np.inf]]), "inf"),
    ],
)
def test_what_is_no_depth_is_refused(array, said):
    with pytest.raises(ValueError, match="dep") as caught:
        DepthResult(depth_m=array)
    assert said in str(caught.value)


def test_an_impossible_limit_is_refused():
    with pytest.raises(ValueError, match="farthest"):
        DepthResult(depth_m=np.ones((2, 2), np.float32), max_m=0.0)


def test_colours_lie_over_the_frame_and_the_unknown_is_darkened():
    result = DepthResult(depth_m=np.float32([[0, 10]]), max_m=80.0)
    frame = np.full((1, 2, 3), 100, np.uint8)
    half_way = depth_palette()[128, ::-1].astype(int)
    assert result.size_hw == (1, 2) and result.known.tolist() == [[False, True]]
    assert result.draw(frame, alpha=1.0).tolist() == [[[0, 0, 0], half_way.tolist()]]
    mixed = result.draw(frame, alpha=0.25)
    assert mixed[0, 0].tolist() == [75, 75, 75]
    assert np.abs(mixed[0, 1] - (75 + half_way / 4)).max() <= 0.5
    assert (result.draw(frame, alpha=0.0) == frame).all() and (frame == 100).all()
