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
from curbside.metrics.precision_recall import _bin_of, _least_in

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


def counts_from(probabilities, target, class_id, threshold) -> tuple[int, int, int]:
    """Pixels found that are of the class, pixels found, pixels of the class, by the rule itself."""
    valid = target != 255
    found = probabilities[class_id][valid] >= np.float32(threshold)
    true = target[valid] == class_id
    return int((found & true).sum()), int(found.sum()), int(true.sum())


def test_a_bin_begins_at_the_smallest_float32_that_falls_into_it():
    # Counted from 1, the bins next to 1 are finer than float32 and stay empty.
    bins = np.arange(PrecisionRecall.bins)
    least = _least_in(bins)
    own = _bin_of(least.astype(np.float32)) == bins
    assert (least.astype(np.float32) == least).all() and (np.diff(least) >= 0).all()
    assert own[: PrecisionRecall.bins - 6000].all() and own[-1] and own.mean() > 0.85
    below = np.nextafter(least[own][1:].astype(np.float32), np.float32(0))
    assert (_bin_of(below) < bins[own][1:]).all()
    assert (least[0], least[-1]) == (0, 1)


@pytest.mark.parametrize("sharpness", [0.3, 4, 10])
def test_every_point_of_a_curve_is_what_its_rule_gives(sharpness):
    probabilities, target = scene(3, sharpness=sharpness, size=32)
    curves = counted((probabilities, target))
    for index in range(CLASSES - 1):
        curve = curves.curve(index)
        assert (np.diff(curve.thresholds) < 0).all() and curve.recall[-1] == 1
        assert all(values.dtype == np.float64 for values in curve)
        for threshold, precision, recall in zip(*curve, strict=True):
            hits, found, every = counts_from(probabilities, target, index, threshold)
            assert (precision, recall) == (hits / found, hits / every)


def test_curve_is_scikit_learn_s_where_no_two_pixels_share_a_bin():
    metrics = pytest.importorskip("sklearn.metrics")
    first = np.linspace(0.01, 0.99, 61, dtype=np.float32)[None]
    target = (np.random.default_rng(0).random(first.shape) > first).astype(np.uint8)
    curves = PrecisionRecall(2)
    curves.update(np.stack([first, 1 - first]), target)
    ours = curves.curve(0)
    precision, recall, thresholds = metrics.precision_recall_curve(target[0] == 0, first[0])
    assert len(ours.thresholds) == first.size
    np.testing.assert_allclose(ours.precision, precision[-2::-1])
    np.testing.assert_allclose(ours.recall, recall[-2::-1])
    np.testing.assert_allclose(ours.thresholds, thresholds[::-1], atol=1 / 512)


@pytest.mark.parametrize("sharpness", [0.3, 1, 10])
def test_best_threshold_is_as_good_as_any_and_a_real_rule(sharpness):
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities, target = scene(4, sharpness=sharpness)
    curves = counted((probabilities, target))
    valid = target != 255
    for index in range(CLASSES - 1):
        best = curves.best_threshold(index)
        hits, found, every = counts_from(probabilities, target, index, best.threshold)
        assert (best.precision, best.recall) == (hits / found, hits / every)
        assert best.f1 == pytest.approx(2 * hits / (found + every), rel=1e-12)
        assert best.iou == pytest.approx(hits / (found + every - hits), rel=1e-12)
        precision, recall, _ = metrics.precision_recall_curve(
            target[valid] == index, probabilities[index][valid]
        )
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        assert f1.max() - 2e-3 < best.f1 <= f1.max() + 1e-12


def test_best_threshold_by_hand():
    # Class 0 ranked: 0.9 hit, 0.8 miss, 0.6 hit, 0.3 miss. F1 2/3, 1/2, 4/5, 2/3: the third it is.
    first = np.array([[0.9, 0.8, 0.6, 0.3]], np.float32)
    curves = PrecisionRecall(3)
    curves.update(
        np.stack([first, 1 - first, np.zeros_like(first)]), np.array([[0, 1, 0, 1]], np.uint8)
    )
    best = curves.best_threshold(0)
    assert best.threshold == pytest.approx(0.6, abs=1 / 512) and best.threshold <= first[0, 2]
    assert (best.precision, best.recall) == (2 / 3, 1)
    assert (best.f1, best.iou) == pytest.approx((4 / 5, 2 / 3))


def test_a_class_that_the_truth_lacks_has_no_curve():
    curves = counted(scene(0))
    assert curves.best_threshold(CLASSES - 1) is None
    assert all(values.size == 0 for values in curves.curve(CLASSES - 1))
    assert PrecisionRecall(2).best_threshold(0) is None


@pytest.mark.parametrize("points", [3, 4, 20, 100])
def test_a_thinned_curve_keeps_its_ends_its_best_point_and_its_course(points):
    curves = counted(scene(6, sharpness=0.5))
    whole, thin = curves.curve(1), curves.curve(1, points=points)
    assert points // 2 < len(thin.thresholds) <= points < len(whole.thresholds)
    places = np.flatnonzero(np.isin(whole.thresholds, thin.thresholds))
    assert places[0] == 0 and places[-1] == len(whole.thresholds) - 1
    for ours, all_of_it in zip(thin, whole, strict=True):
        np.testing.assert_array_equal(ours, all_of_it[places])
    best = curves.best_threshold(1)
    assert (best.threshold, best.precision, best.recall) in list(zip(*thin, strict=True))
    if points == 100:
        between = np.interp(whole.recall, thin.recall, thin.precision)
        assert np.abs(between - whole.precision)[whole.recall > 0.05].max() < 0.03


def test_a_curve_that_is_short_enough_stays_whole():
    curves = counted(scene(6, size=16))
    whole = curves.curve(0)
    for ours, theirs in zip(curves.curve(0, points=10_000), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="2 points"):
        curves.curve(0, points=2)


def test_curves_of_parts_added_are_those_of_the_whole():
    first, second = scene(1, size=32), scene(2, size=32)
    added = counted(first)
    added += counted(second)
    whole = counted(first, second)
    assert added.best_threshold(2) == whole.best_threshold(2)
    np.testing.assert_array_equal(added.curve(2), whole.curve(2))
