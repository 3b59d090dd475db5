"""Boundary IoU against the authors' algorithm, mask by mask, and against a hand's count."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curbside.metrics import BoundaryIoU

CLASSES = 5


def blocks(seed: int, size_hw: tuple[int, int], cells: int = 6) -> np.ndarray:
    """A class map of blocks with ragged contours."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CLASSES, (cells, cells), dtype=np.uint8)
    ids = cv2.resize(ids, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    stray = rng.random(size_hw) < 0.002
    ids[stray] = rng.integers(0, CLASSES, int(stray.sum()))
    return ids


def authors_boundary(mask: np.ndarray, unknown: np.ndarray, ratio: float) -> np.ndarray:
    """What d erosions by 3 x 3 take from a mask, with zeros around the picture.

    Pixels whose truth is unknown are no contour: they count as the mask while it is eroded.
    """
    d = max(1, round(ratio * np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    padded = cv2.copyMakeBorder((mask | unknown).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=d)[1:-1, 1:-1]
    return mask & ~unknown & (eroded == 0)


def authors_iou(pairs: list[tuple[np.ndarray, np.ndarray]], ratio: float) -> list[float]:
    scores = []
    for index in range(CLASSES):
        hits = union = 0
        for ids, target in pairs:
            unknown = target == 255
            ours, truth = (authors_boundary(m == index, unknown, ratio) for m in (ids, target))
            hits += int((ours & truth).sum())
            union += int((ours | truth).sum())
        scores.append(hits / union if union else float("nan"))
    return scores


def counted(*pairs: tuple[np.ndarray, np.ndarray], **options: float) -> BoundaryIoU:
    scores = BoundaryIoU(CLASSES, **options)
    for ids, target in pairs:
        scores.update(ids, target)
    return scores


@pytest.mark.parametrize("ratio", [0.02, 0.07])
@pytest.mark.parametrize("size_hw", [(90, 160), (61, 40), (7, 5), (1, 1)])
def test_it_is_the_authors_algorithm_summed_over_pictures(size_hw, ratio):
    pairs = [(blocks(seed, size_hw), blocks(seed + 1, size_hw)) for seed in (1, 3, 5)]
    pairs += [(blocks(7, size_hw), blocks(7, size_hw))]
    np.testing.assert_array_equal(counted(*pairs, ratio=ratio).iou(), authors_iou(pairs, ratio))


def test_unknown_pixels_are_neither_counted_nor_looked_at():
    rng = np.random.default_rng(0)
    ids, target = blocks(1, (90, 160)), blocks(2, (90, 160))
    target[20:50, 30:90] = 255
    target[rng.random(target.shape) < 0.05] = 255
    scores = counted((ids, target)).iou()
    np.testing.assert_array_equal(scores, authors_iou([(ids, target)], 0.02))
    other = np.where(target == 255, rng.integers(0, CLASSES, ids.shape), ids).astype(np.uint8)
    assert (other != ids).any()
    np.testing.assert_array_equal(counted((other, target)).iou(), scores)
    right = np.where(target == 255, other, target)
    assert counted((right, target)).mean_iou() == 1


def test_two_halves_by_hand():
    # 6 x 8 has the diagonal 10, so a tenth of it is 1 pixel: only pixels on a contour count.
    target = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 6, axis=0).astype(np.uint8)
    ids = np.repeat([[0, 0, 0, 0, 0, 1, 1, 1]], 6, axis=0).astype(np.uint8)
    scores = counted((ids, target), ratio=0.1)
    # Class 0: 24 - 8 inner pixels against 30 - 12, of which 12 are the same; class 1: 16, 14, 10.
    assert scores.iou()[:2].tolist() == [12 / (16 + 18 - 12), 10 / (16 + 14 - 10)]
    assert np.isnan(scores.iou()[2:]).all()
    assert scores.mean_iou() == pytest.approx((12 / 22 + 10 / 20) / 2)
    assert scores.widths == {1}


def test_what_is_given_no_class_is_wrong_and_no_class_of_its_own():
    target = blocks(3, (60, 80))
    ids = target.copy()
    ids[:, :40] = 255
    expected = authors_iou([(ids, np.where(target == 255, 0, target))], 0.02)
    np.testing.assert_array_equal(counted((ids, target)).iou(), expected)
    ids[:, :40] = CLASSES
    np.testing.assert_array_equal(counted((ids, target)).iou(), expected)


def test_parts_added_are_the_whole():
    pairs = [(blocks(s, (40 * s, 70)), blocks(s + 1, (40 * s, 70))) for s in (1, 3)]
    added = counted(pairs[0])
    added += counted(pairs[1])
    whole = counted(*pairs)
    np.testing.assert_array_equal(added.iou(), whole.iou())
    assert added.widths == whole.widths == {2, 3}  # diagonals of 81 and 139 pixels


def test_nothing_seen_is_no_score():
    assert np.isnan(BoundaryIoU(2).mean_iou()) and np.isnan(BoundaryIoU(2).iou()).all()
    void = np.full((4, 4), 255, np.uint8)
    assert np.isnan(counted((void, void)).mean_iou())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="other classes or another ratio"):
        scores = BoundaryIoU(2)
        scores += BoundaryIoU(2, ratio=0.01)
    with pytest.raises(ValueError, match=r"ratio in 0\.\.1"):
        BoundaryIoU(2, ratio=0.0)
    with pytest.raises(ValueError, match=r"must be \(H, W\) uint8"):
        BoundaryIoU(2).update(np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8))
