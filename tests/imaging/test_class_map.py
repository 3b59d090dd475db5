"""The class map of coarse scores, against bilinear interpolation by its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbside.imaging import class_map


def upsampled(scores: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Half-pixel centres, edges repeated, in float64: (C, h, w) to (C, *size_hw)."""
    values = scores.astype(np.float64)
    for axis, new in enumerate(size_hw, start=1):
        old = values.shape[axis]
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape(-1, *[1] * (2 - axis))
        high = np.minimum(low + 1, old - 1)
        values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
    return values


def require_right(scores: np.ndarray, size_hw: tuple[int, int]) -> None:
    """Every pixel whose winner is clear beyond rounding has it."""
    found = class_map(scores, size_hw)
    assert found.shape == size_hw and found.dtype == np.uint8 and found.flags.c_contiguous
    full = upsampled(scores, size_hw)
    order = np.sort(full, axis=0)
    clear = order[-1] - order[-2] > 1e-5 * (1 + np.abs(full).max()) if len(full) > 1 else np.True_
    np.testing.assert_array_equal(np.where(clear, found, 0), np.where(clear, full.argmax(0), 0))
    assert np.mean(clear) > 0.5


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 7),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    factors=st.tuples(st.sampled_from([1, 2, 3, 4, 8]), st.sampled_from([1, 2, 4, 6])),
)
def test_noise_of_any_shape(seed, classes, height, width, factors):
    scores = np.random.default_rng(seed).normal(size=(classes, height, width)).astype(np.float32)
    require_right(scores, (height * factors[0], width * factors[1]))


@pytest.mark.parametrize("size_hw", [(64, 96), (128, 192), (100, 150), (16, 24)])
def test_few_large_regions_as_a_street_has(size_hw):
    rows, columns = np.mgrid[0:16, 0:24]
    planes = [rows - 8, 8 - rows, columns - 20 + 0.3 * rows, np.zeros_like(rows) - 2]
    require_right(np.stack(planes).astype(np.float32), size_hw)


def test_a_class_that_leads_nowhere_on_the_grid_can_lead_between():
    scores = np.array([[[9.0, 0.0]], [[0.0, 9.0]], [[5.8, 5.8]]], np.float32)  # (3, 1, 2)
    assert class_map(scores, (4, 8))[0].tolist() == [0, 0, 0, 2, 2, 1, 1, 1]


def test_one_class_alone():
    assert not class_map(np.zeros((1, 4, 4), np.float32), (16, 16)).any()
