"""The objects of a frame: checked arrays, and what people ask of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_instances import SPACE

from curbside.errors import LabelError
from curbside.results import InstanceResult, MaskCrop


def _result() -> InstanceResult:
    """Two cars, of which the second overlaps a person with a better score."""
    return InstanceResult(
        boxes_xyxy=np.array([[2, 3, 8, 7], [10, 2, 20, 12], [12, 4, 18, 12]], np.float32),
        scores=np.array([0.9, 0.6, 0.8], np.float32),
        class_ids=np.array([0, 0, 1], np.uint8),
        masks=(
            MaskCrop(top=3, left=2, inside=np.ones((4, 6), bool)),
            MaskCrop(top=2, left=10, inside=np.ones((10, 10), bool)),
            MaskCrop(top=4, left=12, inside=np.eye(8, 6, dtype=bool)),
        ),
        space=SPACE,
        size_hw=(12, 24),
    )


def test_counts_names_and_masks():
    result = _result()
    assert len(result) == 3
    assert result.names == ("car", "car", "person")
    assert result.counts() == {"car": 2, "person": 1}
    assert [mask.area for mask in result.masks] == [24, 100, 6]
    full = result.full_mask(0)
    assert full.shape == (12, 24)
    assert full[3:7, 2:8].all()
    assert full.sum() == 24


def test_the_best_is_on_top_of_the_class_map():
    ids = _result().class_map()
    assert (ids == 1).sum() == 6
    assert (ids == 0).sum() == 24 + 100 - 6
    assert (ids == 255).sum() == 12 * 24 - 124
    assert _result().shares() == {"car": pytest.approx(118 / 288), "person": pytest.approx(6 / 288)}


def _counted() -> InstanceResult:
    """The same with ids from 1 on."""
    classes = tuple(replace(item, id=item.id + 1) for item in SPACE.classes)
    found = _result()
    return replace(
        found, class_ids=found.class_ids + np.uint8(1), space=replace(SPACE, classes=classes)
    )


def test_the_best_is_on_top_of_the_segments():
    segments = _counted().segment_map()
    assert {int(v): int((segments == v).sum()) for v in np.unique(segments)} == {
        255: 12 * 24 - 124,
        1001: 24,
        1002: 100 - 6,
        2001: 6,
    }
    base = np.full((12, 24), 7, np.uint8)
    assert (_counted().segment_map(base) == 7).sum() == 12 * 24 - 124


def test_objects_that_have_no_number_left_are_of_their_class_alone():
    dot = MaskCrop(top=0, left=0, inside=np.ones((1, 1), bool))
    many = _counted().select(np.zeros(1000, int))
    scores = np.linspace(0.9, 0.1, 1000, dtype=np.float32)
    assert replace(many, scores=scores).segment_map().max() == 1001  # the best is on top
    last = replace(many, scores=scores, masks=(*many.masks[:-1], dot))
    assert last.segment_map()[0, 0] == 1  # the thousandth car


def test_objects_of_the_id_0_make_no_segments():
    with pytest.raises(LabelError, match=r"objects of car \(id 0 of tiny things\)"):
        _result().segment_map()


@pytest.mark.parametrize("keep", [np.array([True, False, True]), np.array([0, 2])])
def test_some_of_them(keep):
    some = _result().select(keep)
    assert some.names == ("car", "person")
    np.testing.assert_array_equal(some.scores, np.array([0.9, 0.8], np.float32))
    np.testing.assert_array_equal(some.full_mask(1), _result().full_mask(2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boxes_xyxy": np.zeros((3, 4))}, r"boxes_xyxy must be \(3, 4\) float32"),
        ({"boxes_xyxy": np.zeros((4, 3), np.float32)}, "boxes_xyxy"),
        ({"scores": np.zeros(2, np.float32)}, r"scores must be \(3,\) float32"),
        ({"class_ids": np.zeros(3, np.int64)}, r"class_ids must be \(3,\) uint8"),
        ({"size_hw": (12, 19)}, "mask 1 ends at row 12, column 20 of a frame of 12 x 19"),
        ({"masks": ()}, "boxes_xyxy"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(_result(), **change)


def test_masks_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"\(h, w\) bool"):
        MaskCrop(top=0, left=0, inside=np.ones((2, 2), np.uint8))
    with pytest.raises(ValueError, match="row -1"):
        MaskCrop(top=-1, left=0, inside=np.ones((2, 2), bool))


def test_drawing_tints_the_mask_alone_and_keeps_the_frame():
    frame = np.random.default_rng(0).integers(0, 256, (120, 240, 3), np.uint8)
    kept = frame.copy()
    mask = np.zeros((40, 50), bool)
    mask[10:30, 10:40] = True
    result = InstanceResult(
        boxes_xyxy=np.array([[60, 50, 110, 90]], np.float32),
        scores=np.array([0.75], np.float32),
        class_ids=np.array([2], np.uint8),
        masks=(MaskCrop(top=50, left=60, inside=mask),),
        space=SPACE,
        size_hw=(120, 240),
    )
    picture = result.draw(frame, alpha=0.25)
    np.testing.assert_array_equal(frame, kept)
    color = np.array(SPACE.classes[2].color[::-1])
    inner = np.s_[62:78, 72:98]  # within the outline
    expected = 0.75 * frame[inner] + 0.25 * color
    assert np.abs(picture[inner] - expected).max() <= 0.51
    assert (picture[60, 70:100] == color).all()  # the outline
    assert (picture[50:90, 60] == color).all()  # the box
    np.testing.assert_array_equal(picture[100:], frame[100:])
    np.testing.assert_array_equal(picture[52:59, 62:108], frame[52:59, 62:108])
    assert (picture[30:49, 60:110] == color).all(2).any()  # the caption stands above


def test_objects_at_the_edges_of_the_frame_are_drawn():
    frame = np.zeros((30, 40, 3), np.uint8)
    result = InstanceResult(
        boxes_xyxy=np.array([[0, 0, 40, 30], [39, 29, 40, 30], [0, 0, 0.3, 0.2]], np.float32),
        scores=np.ones(3, np.float32),
        class_ids=np.zeros(3, np.uint8),
        masks=(
            MaskCrop(top=0, left=0, inside=np.ones((30, 40), bool)),
            MaskCrop(top=29, left=39, inside=np.ones((1, 1), bool)),
            MaskCrop(top=0, left=0, inside=np.ones((0, 0), bool)),
        ),
        space=SPACE,
        size_hw=(30, 40),
    )
    assert result.draw(frame).shape == frame.shape
    assert result.draw(frame, alpha=0)[15, 20].tolist() == [0, 0, 0]
