"""Interpolated masks are told from true ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curbside.prepared.borders import Borders, interpolated, run_lengths

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}


@cache
def drawn(seed: int, *, size_hw: tuple[int, int] = (240, 320), classes: int = 11) -> np.ndarray:
    """A map of patches with curved borders, and thin poles across them."""
    rng = np.random.default_rng(seed)
    centres = rng.random((40, 2)) * size_hw
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    distance = [(y - cy) ** 2 + 0.7 * (x - cx) ** 2 + 300 * np.sin(x / 9) for cy, cx in centres]
    ids = rng.integers(0, classes, 40)[np.argmin(distance, axis=0)].astype(np.uint8)
    for left in rng.integers(0, size_hw[1] - 2, 5):
        ids[rng.integers(0, 60) :, left : left + 2] = 5
    return ids


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_run_lengths_are_those_of_a_loop(values):
    line = np.array(values, np.uint8)
    starts, lengths = run_lengths(line)
    assert np.repeat(line[starts], lengths).tolist() == values
    assert all(line[i] != line[i - 1] for i in starts[1:].tolist())


def test_borders_by_hand():
    # Each row goes 0 0 0 | 2 | 4 4 4: a border of 0 and 4, through a 2, in each of 40 rows; and so
    # down the columns, where 1 1 1 follows on 8 8 8 without anything between, in each of 7 columns.
    mask = np.repeat(np.array([[0, 0, 0, 2, 4, 4, 4]], np.uint8), 40, axis=0)
    assert Borders.of(mask) == Borders(0, 0)  # the one pair that is mixed is left out
    below = np.repeat(np.array([[8], [8], [8], [1], [1], [1]], np.uint8), 7, axis=1)
    found = Borders.of(np.concatenate([mask, below]))
    # Down the columns: 0 or 2 or 4 to 8 (3 + 1 + 3), and 8 to 1 (7): none of them mixed.
    assert found == Borders(14, 0)


def test_all_but_the_two_commonest_mixed_pairs_count():
    rows = (
        [[0, 0, 0, 2, 4, 4, 4]] * 20 + [[0, 0, 0, 3, 6, 6, 6]] * 15 + [[1, 1, 1, 4, 8, 8, 8]] * 12
    )
    # Along the rows 0-4 and 0-6 are left out, 12 of 1-8 stay; down three columns 4-6 and 6-8, whole.
    assert Borders.of(np.array(rows, np.uint8)) == Borders(12 + 6, 12)


def test_a_ragged_border_goes_through_no_other_id():
    rows = [[2, 2, 2, 8, 2, 8, 8, 8]] * 40
    assert Borders.of(np.array(rows, np.uint8)) == Borders(40, 0)


def test_the_end_of_a_line_and_the_start_of_the_next_are_no_border():
    # Read one after another, the rows would say 8 8 8 | 2 2 2 at each of their ends.
    rows = [[2, 2, 2, 2, 8, 8, 8, 8]] * 30
    assert Borders.of(np.array(rows, np.uint8)) == Borders(30, 0)
    assert Borders.of(np.array(rows, np.uint8).T.copy()) == Borders(30, 0)


def test_columns_that_end_and_begin_alike_are_still_two():
    rows = [[2, 2, 2, 8, 8, 8, 2, 2, 2]] * 30
    assert Borders.of(np.array(rows, np.uint8)) == Borders(60, 0)
    assert Borders.of(np.array(rows, np.uint8).T.copy()) == Borders(60, 0)


def test_the_share_is_a_lower_bound():
    assert Borders(5, 5).share is None
    for total, mixed in ((40, 20), (4000, 2000)):
        share = Borders(total, mixed).share
        assert share is not None and 0.3 < share < 0.5
    assert Borders(4000, 2000).share > Borders(40, 20).share
    assert Borders(100, 0).share == pytest.approx(0)


def test_many_suspect_masks_make_each_other_more_so():
    assert interpolated([]) == [] and interpolated([None, 0.19, 0.2]) == [False, False, True]
    assert interpolated([0.1] * 7) == [False] * 7  # too few to say how they were made
    assert interpolated([0.1] * 8 + [0.03, 0.02, None]) == [True] * 9 + [False] * 2
    assert interpolated([0.1] * 4 + [0.0] * 5) == [False] * 9


def test_a_true_mask_is_believed_and_its_nearest_neighbours_too():
    shares = [Borders.of(drawn(seed)).share for seed in range(12)]
    assert not any(interpolated(shares))
    for size in ((160, 120), (480, 360), (512, 512)):
        resized = [
            cv2.resize(drawn(seed), size, interpolation=cv2.INTER_NEAREST) for seed in range(12)
        ]
        assert not any(interpolated([Borders.of(mask).share for mask in resized]))


@pytest.mark.parametrize("how", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(160, 120), (250, 190), (512, 512), (480, 400)])
def test_an_interpolated_mask_is_noticed(how, size):
    masks = [cv2.resize(drawn(seed), size, interpolation=INTERPOLATIONS[how]) for seed in range(12)]
    assert all(interpolated([Borders.of(mask).share for mask in masks]))


def test_one_interpolated_mask_among_true_ones_is_noticed():
    masks = [drawn(seed) for seed in range(12)]
    masks[7] = cv2.resize(masks[7], (480, 360), interpolation=cv2.INTER_LINEAR)
    assert np.flatnonzero(interpolated([Borders.of(mask).share for mask in masks])).tolist() == [7]


def test_a_mask_that_was_a_jpeg_is_noticed():
    shares = []
    for seed in range(12):
        _, data = cv2.imencode(".jpg", drawn(seed) * 20, [cv2.IMWRITE_JPEG_QUALITY, 90])
        shares.append(Borders.of(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)).share)
    assert all(interpolated(shares))


def test_a_kerb_between_road_and_pavement_is_no_interpolation():
    """One thin class with an id between those of its neighbours, all along their border."""
    masks = []
    for seed in range(12):
        mask = drawn(seed).copy()
        mask[150:152], mask[152:], mask[:150] = 1, 2, np.where(mask[:150] > 2, mask[:150], 0)
        mask[120:150] = 0
        masks.append(mask)
    assert not any(interpolated([Borders.of(mask).share for mask in masks]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (700, 5)])
def test_small_masks_say_nothing(shape):
    assert Borders.of(np.zeros(shape, np.uint8)).share is None


def real_masks(shared: Path) -> dict[str, list[np.ndarray]]:
    found = {}
    for name, pattern in (
        ("camvid", "camvid/*annot/*.png"),
        ("idd-lite", "idd20k_lite/gtFine/*/*/*_label.png"),
    ):
        files = sorted((shared / "data").glob(pattern))
        found[name] = [np.asarray(Image.open(file)) for file in files[::4]]
    return found


def test_real_masks_are_believed_and_interpolated_ones_are_not(shared):
    for name, masks in real_masks(shared).items():
        assert len(masks) > 100
        assert not any(interpolated([Borders.of(mask).share for mask in masks])), name
        for interpolation in INTERPOLATIONS.values():
            resized = [cv2.resize(mask, (256, 192), interpolation=interpolation) for mask in masks]
            noticed = interpolated([Borders.of(mask).share for mask in resized])
            assert np.mean(noticed) > 0.97, name
