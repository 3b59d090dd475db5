"""One picture of classes and objects: checked arrays, and what people look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_instances import SPACE as FROM_0

from curbside.results import Disagreement, InstanceResult, MaskCrop, PanopticResult

SPACE = replace(FROM_0, classes=tuple(replace(c, id=c.id + 1) for c in FROM_0.classes))


def _result() -> PanopticResult:
    """Two cars side by side on nothing, and a person that is called a child."""
    ids = np.full((12, 24), 255, np.uint8)
    ids[3:7, 2:14] = 1
    ids[8:10, 20:22] = 2
    disagreement = np.zeros((12, 24), np.uint8)
    disagreement[0, :6] = Disagreement.CLASS
    disagreement[11, :3] = Disagreement.REFUSED
    return PanopticResult(
        ids=ids,
        objects=InstanceResult(
            boxes_xyxy=np.array([[2, 3, 8, 7], [8, 3, 14, 7], [20, 8, 22, 10]], np.float32),
            scores=np.array([0.9, 0.8, 0.7], np.float32),
            class_ids=np.array([1, 1, 2], np.uint8),
            masks=(
                MaskCrop(top=3, left=2, inside=np.ones((4, 6), bool)),
                MaskCrop(top=3, left=8, inside=np.ones((4, 6), bool)),
                MaskCrop(top=8, left=20, inside=np.ones((2, 2), bool)),
            ),
            space=SPACE,
            size_hw=(12, 24),
        ),
        found_as=("car", "bus", "child"),
        track_ids=np.array([7, 9, 0], np.int32),
        disagreement=disagreement,
    )


def test_segments_are_class_times_1000_and_a_number():
    segments = _result().segment_map()
    assert segments.dtype == np.int32
    assert {int(v): int((segments == v).sum()) for v in np.unique(segments)} == {
        255: 12 * 24 - 48 - 4,
        1001: 24,
        1002: 24,
        2001: 4,
    }


def test_shares_and_counts():
    result = _result()
    assert result.counts() == {"car": 2, "person": 1}
    assert result.shares() == {"car": 48 / 288, "person": 4 / 288}
    assert result.disagreement_shares() == {"class": 6 / 288, "no object": 0.0, "refused": 3 / 288}


def test_every_object_has_a_colour_of_its_own_which_goes_by_its_number():
    size, wide = (120, 240), np.ones((40, 60), bool)
    result = PanopticResult(
        ids=np.ones(size, np.uint8),
        objects=InstanceResult(
            boxes_xyxy=np.array([[20, 30, 80, 70], [80, 30, 140, 70]], np.float32),
            scores=np.array([0.9, 0.8], np.float32),
            class_ids=np.ones(2, np.uint8),
            masks=tuple(MaskCrop(top=30, left=left, inside=wide) for left in (20, 80)),
            space=SPACE,
            size_hw=size,
        ),
        found_as=("car", "bus"),
        track_ids=np.array([7, 9], np.int32),
        disagreement=np.zeros(size, np.uint8),
    )
    frame = np.full((*size, 3), 100, np.uint8)
    picture = result.draw(frame, alpha=1.0)
    first, second = picture[55, 50], picture[55, 110]
    assert not np.array_equal(first, second)
    later = replace(result, track_ids=np.array([9, 7], np.int32)).draw(frame, alpha=1.0)
    np.testing.assert_array_equal(later[55, 50], second)
    np.testing.assert_array_equal(later[55, 110], first)
    np.testing.assert_array_equal(result.draw(frame, alpha=0.0)[55, 50], frame[55, 50])
    assert (frame == 100).all()


def test_disagreement_is_coloured_on_grey():
    frame = np.zeros((12, 24, 3), np.uint8)
    frame[:] = (10, 200, 90)
    picture = _result().draw_disagreement(frame, alpha=1.0)
    assert picture[0, 2].tolist() == [50, 60, 235]  # BGR: red
    assert picture[11, 2].tolist() == [250, 140, 60]  # blue
    blue, green, red = picture[5, 5].tolist()
    assert blue == green == red > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": np.zeros((12, 23), np.uint8)}, r"ids must be \(12, 24\) uint8"),
        ({"ids": np.zeros((12, 24), np.int32)}, "ids must be .* not .* int32"),
        ({"track_ids": np.zeros(2, np.int32)}, r"track_ids must be \(3,\) int32"),
        ({"disagreement": np.zeros((12, 24), bool)}, "disagreement must be"),
        ({"found_as": ("car",)}, "3 objects have 1 names"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(_result(), **change)
