"""Temperatures: a known one is found again, by another way, too; and nothing gets worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from curbside.imaging import top_class
from curbside.metrics import Calibration, SegmentationScores
from curbside.metrics.temperature import (
    SampledPixels,
    calibration_at,
    confidence_before,
    fit_temperature,
    negative_log_likelihood,
)


def believable(seed: int, count: int = 40_000, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Scores, (N, C), and classes drawn with exactly the probabilities that they tell."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (count, classes))
    chances = softmax(scores, axis=1).cumsum(axis=1)
    target = (rng.random((count, 1)) > chances[:, :-1]).sum(axis=1)
    return scores, target.astype(np.uint8)


def loss(scores: np.ndarray, target: np.ndarray, temperature: float) -> float:
    return float(-log_softmax(scores / temperature, axis=1)[np.arange(len(target)), target].mean())


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(factor):
    scores, target = believable(0)
    assert fit_temperature(factor * scores, target) == pytest.approx(factor, rel=0.02)


def test_it_is_the_minimum_that_another_search_finds():
    scores, target = believable(1, count=3000)
    scores[:, 2] += 0.5  # no temperature is exactly right
    best = minimize_scalar(
        lambda t: loss(3 * scores, target, t), bounds=(0.05, 20), options={"xatol": 1e-10}
    )
    assert fit_temperature(3 * scores, target) == pytest.approx(best.x, rel=1e-5)


def test_logarithms_of_probabilities_do_as_well_as_scores():
    scores, target = believable(2, count=3000)
    logs = np.log(softmax(3 * scores, axis=1))
    assert fit_temperature(logs, target) == pytest.approx(fit_temperature(3 * scores, target))


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 50), count=st.integers(1, 40))
def test_the_loss_is_never_worse_after(seed, scale, count):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, scale, (count, 4)).astype(np.float32)
    target = rng.integers(0, 4, count).astype(np.uint8)
    temperature = fit_temperature(scores, target)
    assert 0.05 * (1 - 1e-6) <= temperature <= 20 * (1 + 1e-6)
    before, after = (negative_log_likelihood(scores, target, t) for t in (1.0, temperature))
    assert after <= before + 1e-9


def test_pixels_without_a_best_temperature_end_at_a_bound():
    scores = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert 0.05 <= fit_temperature(scores, np.array([0, 1])) < 0.06  # all right
    assert 19 < fit_temperature(scores, np.array([1, 0])) <= 20.001  # all wrong
    assert np.isfinite(fit_temperature(np.zeros((3, 2)), np.array([0, 1, 1])))


def test_the_loss_is_the_one_of_another_library():
    scores, target = believable(3, count=70_000)  # more than are looked at at once
    for temperature in (0.3, 1.0, 4.0):
        expected = loss(scores, target, temperature)
        assert negative_log_likelihood(scores, target, temperature) == pytest.approx(expected)


def test_the_calibration_error_of_a_temperature_by_bins():
    scores, target = believable(4, count=5000)
    shares = softmax(3 * scores / 1.7, axis=1)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == target
    bins = np.minimum((sure * 15).astype(int), 14)
    error = sum(
        abs(right[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean()
        for b in range(15)
        if (bins == b).any()
    )
    assert calibration_at(3 * scores, target, 1.7).ece() == pytest.approx(error, abs=1e-6)
    assert calibration_at(scores, target, 1.0).ece() < 0.02 < calibration_at(3 * scores, target, 1.0).ece()  # fmt: skip


def picture(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, (C, H, W), and a truth with ignored pixels."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 4, (24, 40)).astype(np.uint8)
    scores = rng.normal(0, 3, (4, 24, 40)) + 3 * (np.arange(4)[:, None, None] == target)
    target[:3] = 255
    return scores, target


@pytest.mark.parametrize("temperature", [0.4, 1.8, 900.0])
def test_the_confidence_before_is_found_again(temperature):
    scores, _ = picture()
    probabilities = softmax(scores / temperature, axis=0).astype(np.float32)
    _, sure = top_class(probabilities)
    before = confidence_before(probabilities, sure, temperature)
    tolerance = max(1e-5, 1e-6 * temperature)  # float32 of nearly equal probabilities
    np.testing.assert_allclose(before, softmax(scores, axis=0).max(axis=0), rtol=10 * tolerance)


def test_probabilities_of_zero_stay_zero():
    certain = np.array([1, 0, 0], np.float32).reshape(3, 1, 1)
    assert confidence_before(certain, certain[0], 2.5).tolist() == [[1.0]]


def test_scores_know_the_calibration_without_the_temperature():
    scores, target = picture()
    probabilities = softmax(scores / 2.2, axis=0).astype(np.float32)
    found = SegmentationScores(4, temperature=2.2)
    found.update(target, probabilities=probabilities)
    ids, sure = top_class(softmax(scores, axis=0).astype(np.float32))
    plain = Calibration()
    plain.update(sure, ids, target)
    assert found.summary().ece_uncalibrated == pytest.approx(plain.ece(), abs=1e-6)
    assert found.summary().ece != pytest.approx(plain.ece(), abs=0.01)
    twice = SegmentationScores(4, temperature=2.2)
    twice += found
    twice += found
    assert twice.summary().ece_uncalibrated == pytest.approx(plain.ece(), abs=1e-6)
    assert twice.uncalibrated.count == 2 * plain.count
    without = SegmentationScores(4)
    without.update(target, probabilities=probabilities)
    assert without.summary().ece_uncalibrated is None


def test_pixels_are_drawn_evenly_and_the_same_ones_each_time():
    height, width = 60, 90
    rows, columns = np.mgrid[:height, :width]
    place = (rows * width + columns + 1.0) / (height * width + 1)  # tells where a pixel is from
    probabilities = np.stack([place, 1 - place]).astype(np.float32)
    target = np.zeros((height, width), np.uint8)
    target[:30] = 255

    drawn = []
    for _ in range(2):
        pixels = SampledPixels(2, pictures=3, budget=2 * 3 * 150)
        for _ in range(3):
            pixels.update(probabilities, target)
        drawn.append(pixels)
    scores, classes = drawn[0].of()
    np.testing.assert_array_equal(scores, drawn[1].of()[0])
    assert 200 < len(scores) == len(classes) <= 225  # 150 of each, half of them ignored
    one, _ = drawn[0].of(np.array([False, True, False]))
    assert 60 < len(one) <= 75
    flat = np.rint(np.exp(one[:, 0].astype(np.float64)) * (height * width + 1) - 1).astype(int)
    assert flat.min() >= 30 * width and len(set(flat)) == len(flat)
    # 10 x 15 cells of 6 x 6 pixels: each of the lower half gave one.
    cells = {(index // width // 6, index % width // 6) for index in flat.tolist()}
    assert cells == {(row, column) for row in range(5, 10) for column in range(15)}
    assert not np.array_equal(one, drawn[0].of(np.array([True, False, False]))[0])


def test_a_picture_smaller_than_its_share_gives_what_it_has():
    scores, target = picture()
    pixels = SampledPixels(4, pictures=1)
    pixels.update(softmax(scores, axis=0).astype(np.float32), target)
    logs, classes = pixels.of()
    assert len(classes) == (target != 255).sum() and (classes < 4).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-5)
    nothing, none = SampledPixels(4, pictures=0).of()
    assert nothing.shape == (0, 4) and none.shape == (0,)
