"""Calibration against hand-made bins, torchmetrics, and what must hold for any picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.metrics import Calibration


def counted(confidence, ids, target, **options) -> Calibration:
    calibration = Calibration(**options)
    calibration.update(
        np.atleast_2d(np.asarray(confidence, np.float32)),
        np.atleast_2d(np.asarray(ids, np.uint8)),
        np.atleast_2d(np.asarray(target, np.uint8)),
    )
    return calibration


def picture(seed: int, size: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    confidence = rng.beta(4, 1.5, (1, size)).astype(np.float32).clip(0, 0.9999)
    target = rng.integers(0, 5, (1, size)).astype(np.uint8)
    right = rng.random((1, size)) < confidence**1.5
    ids = np.where(right, target, (target + 1) % 5).astype(np.uint8)
    target[rng.random((1, size)) < 0.1] = 255
    return confidence, ids, target


def test_hand_made_bins():
    # bin 1 of 2: 0.25 and 0.45, one of them right; bin 2: 0.5, 0.9 and 1.0, all right
    calibration = counted(
        [0.25, 0.45, 0.5, 0.9, 1.0, 0.7], [0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 1, 255]
    )
    assert calibration.count == 5
    first, second = abs(1 - 0.7) / 5, abs(3 - 2.4) / 5
    assert calibration.ece(2) == pytest.approx(first + second, abs=1e-6)
    diagram = calibration.reliability(2)
    np.testing.assert_allclose(diagram.edges, [0, 0.5, 1])
    np.testing.assert_allclose(diagram.share, [2 / 5, 3 / 5])
    np.testing.assert_allclose(diagram.confidence, [0.35, 0.8], rtol=1e-6)
    np.testing.assert_allclose(diagram.accuracy, [0.5, 1])


def test_empty_bins_are_nan_in_the_diagram_and_cost_nothing():
    calibration = counted([0.95, 0.95], [1, 1], [1, 0])
    diagram = calibration.reliability(4)
    assert np.isnan(diagram.accuracy[:3]).all() and diagram.accuracy[3] == 0.5
    assert calibration.ece(4) == pytest.approx(0.45)


def test_nothing_counted_is_nan():
    assert math.isnan(Calibration().ece())
    assert math.isnan(counted([0.4], [1], [255]).ece())


def test_bins_that_do_not_nest_are_refused():
    with pytest.raises(ValueError, match="7 bins do not divide the 1500"):
        Calibration().ece(7)


@pytest.mark.parametrize("bins", [15, 300])
def test_agrees_with_torchmetrics(bins):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    confidence, ids, target = picture(3)
    calibration = counted(confidence, ids, target)
    valid = target != 255
    theirs = functional.binary_calibration_error(
        torch.from_numpy(confidence[valid]),
        torch.from_numpy((ids == target)[valid].astype(int)),
        n_bins=bins,
    )
    assert calibration.ece(bins) == pytest.approx(float(theirs), abs=2e-6)


def test_fine_error_is_that_of_a_sort_into_1500_bins():
    confidence, ids, target = picture(4)
    valid = target != 255
    error = 0.0
    bins = np.digitize(confidence[valid].astype(np.float64), np.linspace(0, 1, 1501))
    for index in np.unique(bins):
        inside = bins == index
        error += abs((ids == target)[valid][inside].sum() - confidence[valid][inside].sum())
    assert counted(confidence, ids, target).fine_ece() == pytest.approx(
        error / valid.sum(), abs=1e-4
    )


@given(st.integers(0, 1000), st.integers(1, 199))
def test_parts_added_are_the_whole(seed, cut):
    parts = picture(seed, 200)
    added = counted(*(part[:, :cut] for part in parts))
    added += counted(*(part[:, cut:] for part in parts))
    whole = counted(*parts)
    assert added.count == whole.count
    assert added.ece() == pytest.approx(whole.ece(), abs=1e-12)
    assert added.fine_ece() == pytest.approx(whole.fine_ece(), abs=1e-12)


@given(st.integers(0, 1000))
def test_coarser_bins_never_show_more_error(seed):
    calibration = counted(*picture(seed, 200))
    assert calibration.ece(15) <= calibration.ece(300) + 1e-12 <= calibration.fine_ece() + 2e-12
