"""Intervals over pictures: by hand where there are two, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from curbside.metrics import (
    ConfusionMatrix,
    bootstrap_difference,
    bootstrap_iou,
    bootstrap_iou_difference,
    bootstrap_miou,
)


def pictures(seed: int, count: int = 60, classes: int = 4, wrong: float = 0.3) -> np.ndarray:
    """Counts of pictures that differ in content and in how many pixels are wrong."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        target = rng.integers(0, rng.integers(2, classes + 1), (20, 20)).astype(np.uint8)
        noise = rng.random(target.shape) < rng.uniform(0, 2 * wrong)
        ids = np.where(noise, rng.integers(0, classes, target.shape), target).astype(np.uint8)
        ids[rng.random(target.shape) < 0.02] = 255
        matrix = ConfusionMatrix(classes)
        matrix.update(ids, target)
        found.append(np.column_stack([matrix.counts, matrix.outside]))
    return np.stack(found)


def miou(counts: np.ndarray) -> float:
    classes = len(counts)
    hits = counts.diagonal()
    union = counts.sum(axis=1) + counts[:, :classes].sum(axis=0) - hits
    return float(np.mean([h / u for h, u in zip(hits, union, strict=True) if u]))


def test_two_pictures_by_hand():
    # A quarter of the draws takes the first twice, a quarter the second: those are the ends.
    good, bad = np.array([[9, 1], [0, 10]]), np.array([[4, 6], [0, 10]])
    low, high = bootstrap_miou(np.stack([good, bad]))
    assert low == pytest.approx((4 / 10 + 10 / 16) / 2)
    assert high == pytest.approx((9 / 10 + 10 / 11) / 2)
    ends = bootstrap_iou(np.stack([good, bad]))
    assert ends[:, 0] == pytest.approx([4 / 10, 9 / 10])
    assert ends[:, 1] == pytest.approx([10 / 16, 10 / 11])


def test_it_is_what_a_plain_loop_finds():
    counts = pictures(0)
    rng = np.random.default_rng(99)
    drawn = [miou(counts[rng.integers(0, 60, 60)].sum(axis=0)) for _ in range(4000)]
    expected = np.percentile(drawn, (2.5, 97.5))
    width = expected[1] - expected[0]
    assert bootstrap_miou(counts, resamples=4000) == pytest.approx(expected, abs=0.08 * width)
    low, high = bootstrap_miou(counts)
    assert low < miou(counts.sum(axis=0)) < high


def test_the_same_seed_gives_the_same_interval():
    counts = pictures(1)
    assert bootstrap_miou(counts, resamples=250) == bootstrap_miou(counts, resamples=250)
    assert bootstrap_miou(counts, seed=1) != bootstrap_miou(counts)


def test_pixels_without_a_class_count_as_missed():
    plain = np.array([[[6, 2], [1, 7]]])
    beside = np.array([[[6, 2, 4], [1, 7, 0]]])
    assert bootstrap_miou(plain) == pytest.approx([(6 / 9 + 7 / 10) / 2] * 2)
    assert bootstrap_miou(beside) == pytest.approx([(6 / 13 + 7 / 10) / 2] * 2)


def test_differences_are_paired():
    first = pictures(2)
    better = first.copy()
    moved = better[:, 0, 1] // 5  # a fifth of one mistake is made good in every picture
    better[:, 0, 1] -= moved
    better[:, 0, 0] += moved
    low, high = bootstrap_difference(first, better)
    assert 0 < low < miou(better.sum(axis=0)) - miou(first.sum(axis=0)) < high
    alone = bootstrap_miou(first)
    assert high - low < 0.3 * (alone[1] - alone[0])  # though each by itself is far less sure
    assert bootstrap_difference(better, first) == pytest.approx((-high, -low))
    assert bootstrap_difference(first, first) == (0.0, 0.0)
    with pytest.raises(ValueError, match="different pictures"):
        bootstrap_difference(first, first[:-1])
    # Each class by itself is what two classes of which the other is nowhere are together.
    ends = bootstrap_iou_difference(first, better)
    for index in range(4):
        alone = [_only(counts, index) for counts in (first, better)]
        assert ends[:, index] == pytest.approx(bootstrap_difference(*alone))
    with pytest.raises(ValueError, match="different pictures"):
        bootstrap_iou_difference(first, first[:-1])


def _only(counts: np.ndarray, index: int) -> np.ndarray:
    """The pictures as of one class: what it shares with its truth, and what only one of them has."""
    hits = counts[:, index, index]
    union = counts[:, index].sum(axis=1) + counts[:, :, index].sum(axis=1) - hits
    return np.stack([hits, union - hits], axis=1)[:, None]


def test_classes_that_are_nowhere_do_not_count():
    counts = np.zeros((3, 3, 4), np.int64)
    counts[:, 0, 0] = 5
    assert bootstrap_miou(counts) == (1.0, 1.0)
    ends = bootstrap_iou(counts)
    assert ends[:, 0].tolist() == [1, 1] and np.isnan(ends[:, 1:]).all()
    assert np.isnan(bootstrap_miou(np.zeros((3, 2, 2), np.int64))).all()
    assert np.isnan(bootstrap_miou(np.zeros((0, 2, 2), np.int64))).all()
