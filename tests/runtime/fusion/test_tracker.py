"""An object keeps its number while it moves, hides for a moment, or is called by another name."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_instances import SPACE

from curbside.errors import ConfigError
from curbside.results import InstanceResult, MaskCrop
from curbside.runtime.fusion import Tracker, TrackerConfig


def frame(*found: tuple[float, float, int] | tuple[float, float, int, float]) -> InstanceResult:
    """Squares of 20 pixels: left, top, class, score."""
    boxes = [(item[0], item[1], item[0] + 20, item[1] + 20) for item in found]
    return InstanceResult(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([item[3] if len(item) > 3 else 0.9 for item in found], np.float32),
        class_ids=np.array([item[2] for item in found], np.uint8),
        masks=(MaskCrop(top=0, left=0, inside=np.ones((1, 1), bool)),) * len(found),
        space=SPACE,
        size_hw=(400, 400),
    )


def test_two_objects_that_pass_each_other_keep_their_numbers():
    tracker = Tracker()
    numbers = []
    for step in range(20):
        left, right = (10 + 8 * step, 50, 0), (170 - 8 * step, 65, 0)
        found = [left, right] if step % 3 else [right, left]
        given = tracker(frame(*found)).numbers.tolist()
        numbers.append(given if step % 3 else given[::-1])
    assert numbers == [numbers[0]] * 20
    assert sorted(numbers[0]) == [1, 2]


def test_an_object_that_hides_comes_back_where_it_would_be():
    tracker = Tracker(TrackerConfig(patience=5))
    for step in range(4):
        assert tracker(frame((10 + 9 * step, 50, 0))).numbers.tolist() == [1]
    for _ in range(5):
        assert tracker(frame()).numbers.tolist() == []
    assert tracker(frame((10 + 9 * 9, 50, 0))).numbers.tolist() == [1]  # 54 pixels on
    for _ in range(6):
        tracker(frame())
    assert tracker(frame((10 + 9 * 16, 50, 0))).numbers.tolist() == [2]  # too long away


def test_unsure_objects_prolong_a_track_and_begin_none():
    tracker = Tracker(score=0.5)
    assert tracker(frame((10, 10, 0, 0.9), (100, 10, 0, 0.4))).numbers.tolist() == [1, 0]
    assert tracker(frame((12, 10, 0, 0.4), (100, 10, 0, 0.4))).numbers.tolist() == [1, 0]
    assert tracker(frame((100, 10, 0, 0.6), (14, 10, 0, 0.6))).numbers.tolist() == [2, 1]


def test_what_was_shown_stays_while_it_is_followed():
    tracker = Tracker(score=0.5)
    shown = [
        tracker(frame((10, 10, 0, score), (100, 10, 0, 0.4))).shown.tolist()
        for score in (0.4, 0.6, 0.4, 0.4, 0.6)
    ]
    assert shown == [[False, False], *[[True, False]] * 4]
    tracker(frame())
    assert tracker(frame((10, 10, 0, 0.4))).shown.tolist() == [False]  # it was away


def test_sure_objects_choose_first():
    tracker = Tracker(score=0.5)
    tracker(frame((10, 10, 0)))
    # The unsure one overlaps more, the sure one enough.
    assert tracker(frame((15, 10, 0, 0.9), (10, 10, 0, 0.4))).numbers.tolist() == [1, 0]


def test_another_name_needs_more_overlap():
    tracker = Tracker(TrackerConfig(iou=0.3, other_class_iou=0.7))
    tracker(frame((10, 10, 0)))
    assert tracker(frame((11, 10, 1))).numbers.tolist() == [1]
    assert tracker(frame((18, 10, 0))).numbers.tolist() == [2]  # overlap 0.43 of another class


def test_after_a_reset_nothing_is_known_and_no_number_is_given_twice():
    tracker = Tracker()
    tracker(frame((10, 10, 0), (60, 10, 0)))
    tracker.reset()
    assert tracker(frame((60, 10, 0))).numbers.tolist() == [3]


def test_what_was_only_moved_on_teaches_nothing_and_forgets_nothing():
    tracker = Tracker(TrackerConfig(patience=2))
    for step in (0, 3, 6, 9, 12):  # two pixels per frame, looked for at every third
        tracker(frame((10 + 2 * step, 10, 0)))
        speed = tracker.speeds(frame((10 + 2 * step, 10, 0)).boxes_xyxy)[0, 0]
        assert speed == (2.0 if step else 0.0)
        for later in (1, 2):
            there = frame((round(10 + 2 * step + speed * later), 10, 0), (300, 200, 0))
            assert tracker(there, seen=False).numbers.tolist() == [1, 0]
    again = tracker(frame((10 + 2 * 14, 10, 0)), seen=False, passed=0)
    assert again.numbers.tolist() == [1]


def test_memory_is_bounded_by_patience():
    tracker = Tracker(TrackerConfig(patience=2))
    for step in range(50):
        tracker(frame((step * 37 % 380, step * 91 % 380, 0)))
    assert len(tracker._tracks) <= 4


@pytest.mark.parametrize("change", [{"iou": 2.0}, {"other_class_iou": -1.0}, {"patience": -1}])
def test_impossible_settings_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        TrackerConfig(**change)
