"""SegmentationScores: one update, whatever the predictor gives."""

from __future__ import annotations

import numpy as np
import pytest

from curbside.imaging import top_class
from curbside.metrics import SegmentationScores


def softmax_picture(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, (20, 30)).astype(np.uint8)
    scores = rng.normal(0, 1, (4, 20, 30)) + 2 * (np.arange(4)[:, None, None] == target)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=0)
    target[:2] = 255
    return probabilities.astype(np.float32), target


def test_ids_alone_give_no_calibration_and_no_curves():
    target = np.array([[0, 1]], np.uint8)
    scores = SegmentationScores(2)
    alone = scores.update(target, ids=np.array([[0, 0]], np.uint8))
    assert alone.counts.tolist() == [[1, 0], [1, 0]]
    summary = scores.summary()
    assert (summary.miou, summary.pixel_accuracy, summary.pixels) == (0.25, 0.5, 2)
    assert summary.ece is None and summary.ece_fine is None and summary.mean_auprc is None
    assert summary.auprc == (None, None) and summary.truth == (1, 1)


def test_probabilities_alone_give_what_ids_and_confidence_give_and_the_curves():
    probabilities, target = softmax_picture()
    ids, confidence = top_class(probabilities)
    full, less = SegmentationScores(4), SegmentationScores(4)
    full.update(target, probabilities=probabilities)
    less.update(target, ids=ids, confidence=confidence)
    assert full.summary().ece == less.summary().ece is not None
    assert full.summary().iou == less.summary().iou
    assert less.summary().mean_auprc is None and 0.5 < full.summary().mean_auprc < 1


def test_ids_that_are_shown_are_scored_even_beside_probabilities():
    probabilities, target = softmax_picture()
    wrong = np.full(target.shape, 3, np.uint8)
    scores = SegmentationScores(4)
    scores.update(target, ids=wrong, probabilities=probabilities)
    assert scores.summary().pixel_accuracy == 0
    assert scores.summary().mean_auprc > 0.5


def test_parts_added_are_the_whole():
    whole, added = SegmentationScores(4), SegmentationScores(4)
    for seed in range(3):
        probabilities, target = softmax_picture(seed)
        whole.update(target, probabilities=probabilities)
        part = SegmentationScores(4)
        part.update(target, probabilities=probabilities)
        added += part
    ours, theirs = added.summary(), whole.summary()
    assert (ours.miou, ours.mean_auprc, ours.truth) == (
        theirs.miou,
        theirs.mean_auprc,
        theirs.truth,
    )
    assert ours.ece == pytest.approx(theirs.ece, abs=1e-12)


def test_nothing_given_is_refused():
    with pytest.raises(ValueError, match="give ids or probabilities"):
        SegmentationScores(2).update(np.zeros((1, 1), np.uint8))


def test_every_score_of_the_summary_is_the_one_that_its_name_says():
    scores = SegmentationScores(2)
    scores.update(
        np.array([[0, 0, 0, 1]], np.uint8),
        ids=np.array([[0, 0, 1, 1]], np.uint8),
        confidence=np.array([[0.61, 0.64, 0.61, 0.64]], np.float32),
    )
    summary = scores.summary()
    assert summary.iou == pytest.approx((2 / 3, 1 / 2))
    assert summary.miou == summary.miou_truth == pytest.approx(7 / 12)
    assert summary.accuracy == pytest.approx((2 / 3, 1))
    assert summary.mean_accuracy == pytest.approx(5 / 6)
    assert summary.precision == pytest.approx((1, 1 / 2))
    assert summary.f1 == pytest.approx((4 / 5, 2 / 3))
    assert summary.pixel_accuracy == pytest.approx(3 / 4)
    # One of 15 bins holds all four (3 right, 2.5 expected); fine bins hold the two values apart.
    assert summary.ece == pytest.approx(0.5 / 4, abs=1e-6)
    assert summary.ece_fine == pytest.approx((abs(1 - 1.22) + abs(2 - 1.28)) / 4, abs=1e-6)


def test_precision_and_f1_are_none_where_there_is_nothing_to_tell():
    # Truth: 3 of class 0, 2 of class 1, 1 of class 2. Class 2 is never shown; class 3 only shown, once; one
    # pixel is shown as no class at all; class 4 is nowhere.
    scores = SegmentationScores(5)
    scores.update(
        np.array([[0, 0, 0, 1, 1, 2, 255]], np.uint8),
        ids=np.array([[0, 0, 255, 1, 0, 3, 0]], np.uint8),
    )
    summary = scores.summary()
    assert summary.precision == (pytest.approx(2 / 3), 1, None, 0, None)
    assert summary.accuracy == (pytest.approx(2 / 3), 1 / 2, 0, None, None)
    assert summary.f1 == (pytest.approx(2 / 3), pytest.approx(2 / 3), 0, 0, None)
