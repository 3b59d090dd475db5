"""ConfusionMatrix against hand counts, torchmetrics, and what must hold for any picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curbside.errors import LabelError
from curbside.metrics import ConfusionMatrix, histogram

CLASSES = 3
SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def pictures(draw, classes: int = CLASSES):
    """Ids and a truth of one size; ids may be anything, the truth holds classes and 255."""
    shape = draw(SHAPES)
    known = st.sampled_from([*range(classes), 255])
    return draw(hnp.arrays(np.uint8, shape)), draw(hnp.arrays(np.uint8, shape, elements=known))


def counted(*parts: tuple[np.ndarray, np.ndarray], classes: int = CLASSES) -> ConfusionMatrix:
    matrix = ConfusionMatrix(classes)
    for ids, target in parts:
        matrix.update(ids, target)
    return matrix


def test_hand_counted_picture():
    target = np.array([[0, 0, 0, 1], [1, 1, 255, 255]], np.uint8)
    ids = np.array([[0, 0, 1, 1], [1, 0, 0, 2]], np.uint8)
    matrix = counted((ids, target))
    assert matrix.counts.tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(matrix.iou(), [2 / 4, 2 / 4, math.nan])
    assert matrix.miou() == 0.5
    assert matrix.pixel_accuracy() == 4 / 6
    np.testing.assert_allclose(matrix.class_accuracy(), [2 / 3, 2 / 3, math.nan])
    assert matrix.mean_accuracy() == pytest.approx(2 / 3)


def test_class_only_in_the_prediction_counts_in_one_mean_and_not_in_the_other():
    target = np.zeros((1, 4), np.uint8)
    ids = np.array([[0, 0, 0, 2]], np.uint8)
    matrix = counted((ids, target))
    assert matrix.miou() == pytest.approx((3 / 4 + 0) / 2)
    assert matrix.miou(over="truth") == pytest.approx(3 / 4)


def test_prediction_outside_the_classes_is_wrong_and_no_class_s_false_alarm():
    target = np.array([[0, 0, 1, 255]], np.uint8)
    ids = np.array([[0, 200, 255, 200]], np.uint8)
    matrix = counted((ids, target))
    assert matrix.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert matrix.outside.tolist() == [1, 1, 0]
    assert matrix.truth.tolist() == [2, 1, 0]
    np.testing.assert_allclose(matrix.iou(), [1 / 2, 0, math.nan])
    assert matrix.pixel_accuracy() == pytest.approx(1 / 3)


def test_truth_outside_the_classes_is_refused_by_its_id():
    with pytest.raises(LabelError, match=r"holds the id 7, the classes are 0\.\.2"):
        counted((np.zeros((1, 2), np.uint8), np.array([[0, 7]], np.uint8)))


@pytest.mark.parametrize(
    ("ids", "target"),
    [
        (np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8)),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)),
        (np.zeros(4, np.uint8), np.zeros(4, np.uint8)),
    ],
)
def test_maps_of_another_shape_or_type_are_refused(ids, target):
    with pytest.raises(ValueError, match=r"must be|are"):
        counted((ids, target))


def test_nothing_counted_is_nan_everywhere():
    matrix = ConfusionMatrix(2)
    assert math.isnan(matrix.miou()) and math.isnan(matrix.miou(over="truth"))
    assert math.isnan(matrix.pixel_accuracy()) and math.isnan(matrix.mean_accuracy())
    assert np.isnan(matrix.iou()).all()


def test_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    rng = np.random.default_rng(1)
    target = rng.integers(0, 6, (2, 60, 80)).astype(np.uint8)  # class 6 never occurs
    ids = np.where(rng.random(target.shape) < 0.6, target, rng.integers(0, 6, target.shape))
    ids = ids.astype(np.uint8)
    target[rng.random(target.shape) < 0.1] = 255
    matrix = counted(*zip(ids, target, strict=True), classes=7)
    given_them = torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(target.astype(np.int64))
    theirs = classification.MulticlassConfusionMatrix(7, ignore_index=255)(*given_them)
    assert matrix.counts.tolist() == theirs.tolist()
    macro = classification.MulticlassJaccardIndex(7, ignore_index=255)(*given_them)
    assert matrix.miou() == pytest.approx(float(macro), abs=1e-6)
    micro = classification.MulticlassAccuracy(7, ignore_index=255, average="micro")(*given_them)
    assert matrix.pixel_accuracy() == pytest.approx(float(micro), abs=1e-6)


@given(pictures(), pictures())
def test_parts_added_are_the_whole(first, second):
    whole = counted(first, second)
    added = counted(first)
    added += counted(second)
    assert (added.counts == whole.counts).all() and (added.outside == whole.outside).all()


def test_different_classes_are_not_added():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match="cannot add 3 classes to 2"):
        matrix += ConfusionMatrix(3)


@given(pictures(), st.integers(0, 255))
def test_what_is_predicted_on_ignored_pixels_does_not_matter(picture, other):
    ids, target = picture
    changed = np.where(target == 255, np.uint8(other), ids)
    assert (counted((ids, target)).counts == counted((changed, target)).counts).all()


@given(pictures(), st.permutations(range(CLASSES)))
def test_renaming_the_classes_permutes_the_scores(picture, order):
    ids, target = picture
    table = np.arange(256, dtype=np.uint8)
    table[:CLASSES] = order
    before, after = counted((ids, target)), counted((table[ids], table[target]))
    np.testing.assert_allclose(after.iou()[list(order)], before.iou())
    assert (after.counts[np.ix_(order, order)] == before.counts).all()


def test_counts_stay_exact_in_a_picture_larger_than_float32_counts(monkeypatch):
    monkeypatch.setattr(histogram, "_EXACT", 64)  # 6 rows at a time
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 12, (50, 10)).astype(np.uint16)
    expected = np.bincount(pixels.ravel(), minlength=12)[2:9]
    assert histogram.histogram([pixels], [(2, 9)]).tolist() == expected.tolist()
