"""Masks to run lengths, and back by a decoder of our own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curbside.imaging import ColumnRuns, compress_all, compress_counts, crop_counts

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def decompressed(text: str) -> list[int]:
    """COCO's text as counts, character by character."""
    counts: list[int] = []
    number = bits = 0
    for character in text:
        code = ord(character) - 48
        number |= (code & 31) << bits
        bits += 5
        if not code & 32:
            if code & 16:
                number -= 1 << bits
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = bits = 0
    return counts


def test_counts_go_down_the_columns_and_start_with_what_is_without():
    runs = ColumnRuns(np.array([[7, 7, 1], [1, 7, 1]], np.uint16))
    assert runs.counts(7).tolist() == [0, 1, 1, 2, 2]
    assert runs.counts(1).tolist() == [1, 1, 2, 2]
    assert runs.counts(5).tolist() == [6]


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=20))
def test_text_says_the_counts(counts):
    assert decompressed(compress_counts(np.array(counts))) == counts


@given(st.lists(st.lists(st.integers(0, 2**20), min_size=1, max_size=8), max_size=5))
def test_several_at_once_are_those_of_each(masks):
    texts = compress_all([np.array(counts) for counts in masks])
    assert [decompressed(text.decode()) for text in texts] == masks


@settings(deadline=None)
@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6)),
    st.tuples(*[st.integers(0, 2)] * 4),
)
def test_a_piece_counts_as_in_its_picture(inside, around):
    top, bottom, left, right = around
    whole = np.pad(inside, ((top, bottom), (left, right)))
    counts = crop_counts(inside, top, left, whole.shape)
    if whole.size:
        assert counts.tolist() == ColumnRuns(whole).counts(1).tolist()


@settings(deadline=None)
@given(
    hnp.arrays(
        np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
    )
)
def test_counts_give_every_number_again(numbers):
    runs = ColumnRuns(numbers)
    for number in range(4):
        counts = runs.counts(number)
        mask = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(numbers.shape, order="F")
        np.testing.assert_array_equal(mask, numbers == number)


@settings(deadline=None)
@given(MASKS)
def test_cocos_own_tools_write_the_same_text(mask):
    coco = pytest.importorskip("faster_coco_eval.core.mask")
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    ours = compress_counts(ColumnRuns(mask).counts(1))
    assert ours == (theirs.decode() if isinstance(theirs, bytes) else theirs)
