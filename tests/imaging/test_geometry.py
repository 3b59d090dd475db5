"""Resizing: ids are never invented, pixel centres stay on pixel centres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curbside.imaging import resize_frame, resize_ids, resize_scores

SIDE = st.integers(1, 24)
IDS = st.one_of(
    arrays(np.uint8, st.tuples(SIDE, SIDE)),
    arrays(np.uint16, st.tuples(SIDE, SIDE)),
)


@given(ids=IDS, size_hw=st.tuples(SIDE, SIDE))
def test_no_id_is_invented(ids, size_hw):
    out = resize_ids(ids, size_hw)
    assert out.shape == size_hw and out.dtype == ids.dtype
    assert set(np.unique(out)) <= set(np.unique(ids))


@given(ids=IDS, factor=st.integers(1, 5))
def test_up_by_a_whole_factor_repeats_pixels_and_back_is_the_same(ids, factor):
    up = resize_ids(ids, (ids.shape[0] * factor, ids.shape[1] * factor))
    np.testing.assert_array_equal(up, ids.repeat(factor, 0).repeat(factor, 1))
    np.testing.assert_array_equal(resize_ids(up, ids.shape), ids)


@given(size_hw=st.tuples(SIDE, SIDE), factor=st.sampled_from([3, 5]))
def test_down_by_an_odd_factor_takes_the_middle_pixel(size_hw, factor):
    height, width = size_hw
    big = np.arange(height * width * factor**2, dtype=np.uint16)
    big = big.reshape(height * factor, width * factor)
    middle = big[factor // 2 :: factor, factor // 2 :: factor]
    np.testing.assert_array_equal(resize_ids(big, size_hw), middle)


@given(ids=IDS, size_hw=st.tuples(SIDE, SIDE))
def test_a_mirrored_map_gives_the_mirrored_result_away_from_ties(ids, size_hw):
    # Alignment by centres has no preferred side; by corners it would shift. Ties may go either way.
    out, mirrored = resize_ids(ids, size_hw), resize_ids(ids[:, ::-1].copy(), size_hw)[:, ::-1]
    centres = (np.arange(size_hw[1]) + 0.5) * ids.shape[1] / size_hw[1]
    clear = np.abs(centres - np.rint(centres)) > 1e-6
    np.testing.assert_array_equal(out[:, clear], mirrored[:, clear])


@pytest.mark.parametrize("resize", ["frame", "scores"])
def test_a_ramp_halved_lies_between_its_pixels(resize):
    # u = (x + 0.5) * 2 - 0.5 = 2x + 0.5, the middle of pixels 2x and 2x + 1.
    ramp = np.tile(np.arange(0, 64, 4), (8, 1))
    want = np.arange(0, 64, 8) + 2
    if resize == "frame":
        out = resize_frame(np.dstack([ramp] * 3).astype(np.uint8), (4, 8))
        assert out.shape == (4, 8, 3) and out.dtype == np.uint8
        np.testing.assert_array_equal(out[0, :, 1], want)
    else:
        out = resize_scores(np.stack([ramp, -ramp]).astype(np.float32), (4, 8))
        assert out.shape == (2, 4, 8) and out.flags.c_contiguous
        np.testing.assert_allclose(out[0, 0], want)
        np.testing.assert_allclose(out[1, 2], -want)


def test_scores_are_resized_channel_by_channel_as_torch_does():
    torch = pytest.importorskip("torch")
    scores = np.random.default_rng(1).normal(size=(5, 7, 9)).astype(np.float32)
    want = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], size=(21, 30), mode="bilinear", align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(resize_scores(scores, (21, 30)), want, atol=1e-5)


def test_the_same_size_costs_nothing():
    frame = np.zeros((4, 5, 3), np.uint8)
    assert resize_frame(frame, (4, 5)) is frame
    assert resize_ids(frame[..., 0], (4, 5)).shape == (4, 5)
