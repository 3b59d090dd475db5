"""PrecisionRecall against hand-made curves, scikit-learn, and what must hold for any picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import DataError, LabelError
from curbside.imaging import top_class
from curbside.metrics import PrecisionRecall
from curbside.metrics.precision_recall import _bin_of

CLASSES = 5


def scene(seed: int, *, sharpness: float = 1.0, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Softmax maps of a half-trained network, (C, H, W) float32, and the truth."""
    rng = np.random.default_rng(seed)
    target = np.kron(rng.integers(0, CLASSES - 1, (8, 8)), np.ones((size // 8, size // 8)))
    target = target.astype(np.uint8)  # the last class never occurs
    scores = rng.normal(0, 1.5, (CLASSES, size, size))
    scores += 3.0 * (np.arange(CLASSES)[:, None, None] == target)
    scores *= sharpness
    probabilities = np.exp(scores - scores.max(axis=0))
    probabilities /= probabilities.sum(axis=0)
    target[rng.random(target.shape) < 0.1] = 255
    return probabilities.astype(np.float32), target


def counted(*parts: tuple[np.ndarray, np.ndarray]) -> PrecisionRecall:
    curves = PrecisionRecall(CLASSES)
    for probabilities, target in parts:
        curves.update(probabilities, target)
    return curves


def test_hand_made_ranking():
    # class 0 ranked: 0.9 hit, 0.8 miss, 0.6 hit, 0.3 miss -> (1/1 + 2/3) / 2
    first = np.array([[0.9, 0.8, 0.6, 0.3]], np.float32)
    target = np.array([[0, 1, 0, 1]], np.uint8)
    curves = PrecisionRecall(3)
    curves.update(np.stack([first, 1 - first, np.zeros_like(first)]), target)
    # class 1 ranked: 0.7 hit, 0.4 miss, 0.2 hit, 0.1 miss -> the same
    np.testing.assert_allclose(curves.auprc(), [5 / 6, 5 / 6, np.nan])
    assert curves.mean_auprc() == pytest.approx(5 / 6)


def test_ties_share_one_threshold():
    half = np.full((1, 4), 0.5, np.float32)
    curves = PrecisionRecall(2)
    curves.update(np.stack([half, half]), np.array([[0, 1, 1, 1]], np.uint8))
    np.testing.assert_allclose(curves.auprc(), [1 / 4, 3 / 4])


@pytest.mark.parametrize("sharpness", [0.3, 1, 4, 10])
def test_agrees_with_scikit_learn_from_unsure_to_saturated(sharpness):
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities, target = scene(2, sharpness=sharpness)
    ours = counted((probabilities, target)).auprc()
    valid = target != 255
    for index in range(CLASSES - 1):
        truth, scores = target[valid] == index, probabilities[index][valid]
        assert ours[index] == pytest.approx(
            metrics.average_precision_score(truth, scores), abs=1e-3
        )
    assert np.isnan(ours[-1])


def test_at_least_a_thousand_thresholds_and_bounded_memory():
    curves = counted(scene(0))
    before = curves._all.nbytes + curves._positive.nbytes
    for seed in range(3):
        curves.update(*scene(seed))
    assert curves.bins == 44_033  # what the docstring says
    assert curves._all.nbytes + curves._positive.nbytes == before == CLASSES * curves.bins * 16


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_bins_keep_the_order_and_are_narrow(values):
    ordered = np.sort(np.abs(np.asarray(values, np.float32)))  # abs: -0.0 is no probability
    bins = _bin_of(ordered)
    assert (np.diff(bins) >= 0).all()
    assert bins.min() >= 0 and bins.max() < PrecisionRecall.bins
    for low, high in pairwise(ordered):
        if high > 2.0**-63 and high - low > min(high, 1 - low) / 256:
            assert _bin_of(low[None])[0] < _bin_of(high[None])[0]


@given(st.integers(0, 100))
def test_parts_added_are_the_whole(seed):
    first, second = scene(seed, size=16), scene(seed + 1, size=16)
    added = counted(first)
    added += counted(second)
    np.testing.assert_array_equal(added.auprc(), counted(first, second).auprc())


def test_what_is_predicted_on_ignored_pixels_does_not_matter():
    probabilities, target = scene(5)
    changed = np.where(target == 255, probabilities[::-1], probabilities)
    np.testing.assert_array_equal(
        counted((changed, target)).auprc(), counted((probabilities, target)).auprc()
    )


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ((np.nan, 0.5), "not all between 0 and 1"),
        ((1.5, 0.0), "not all between 0 and 1"),
        ((0.9, 0.9), "sum to more than 1"),
    ],
)
def test_what_is_no_probability_is_refused(values, what):
    probabilities = np.asarray(values, np.float32)[:, None, None]
    with pytest.raises(DataError, match=what):
        PrecisionRecall(2).update(probabilities, np.zeros((1, 1), np.uint8))


def test_rounding_below_zero_and_above_one_is_taken_as_zero_and_one():
    exact = np.array([[[1, 0, 1]], [[0, 1, 0]]], np.float32)
    rounded = exact + np.where(exact == 1, 1e-6, -1e-6).astype(np.float32)
    target = np.array([[0, 0, 1]], np.uint8)
    ours = []
    for probabilities in (exact, rounded):
        curves = PrecisionRecall(2)
        curves.update(probabilities, target)
        ours.append(curves.auprc())
    np.testing.assert_array_equal(*ours)


def test_truth_outside_the_classes_is_refused():
    probabilities, target = scene(0)
    target[0, 0] = 9
    with pytest.raises(LabelError, match="holds the id 9"):
        counted((probabilities, target))


def test_another_shape_is_refused():
    probabilities, target = scene(0)
    with pytest.raises(ValueError, match="probabilities are"):
        counted((probabilities[:, 1:], target))


def test_top_class_is_numpy_s_argmax_ties_included():
    probabilities, _ = scene(7)
    probabilities[1:3, :4] = 0.9  # two classes tie for the top
    ids, confidence = top_class(probabilities)
    np.testing.assert_array_equal(ids, probabilities.argmax(axis=0))
    np.testing.assert_array_equal(confidence, probabilities.max(axis=0))
