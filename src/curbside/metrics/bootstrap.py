"""How far a score would move with other pictures of the same kind: the bootstrap over pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = [
    "bootstrap_difference",
    "bootstrap_iou",
    "bootstrap_iou_difference",
    "bootstrap_mean",
    "bootstrap_miou",
]

_CHUNK = 100  # resamples whose draws are held at once
_ENDS = (2.5, 97.5)  # percent: what lies between is the 95 % interval


def bootstrap_miou(
    per_image: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mIoU when the pictures are drawn again, with replacement.

    The classes that count are those in truth or prediction of a resample. Pictures are taken to be
    independent: neighbours of one drive are not, and the true interval is then wider.

    Args:
        per_image: Pixels of each picture, (N, C, C) or (N, C, C + 1) int64: rows are the truth,
            columns the prediction, the last one for pixels that were given no class.
        resamples: How often they are drawn.
        seed: Of the draws.

    Returns:
        Its ends; nan without pictures.

    Source: Efron 1979, Bootstrap Methods: Another Look at the Jackknife (the percentile interval).
    """
    return _interval(_means(per_image, resamples, seed))


def bootstrap_difference(
    first: np.ndarray, second: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of how much more mIoU the second has, the same pictures drawn for both.

    Args:
        first: Pixels of each picture as one network saw it; see `bootstrap_miou`.
        second: The same pictures in the same order as another saw them.
        resamples: How often they are drawn.
        seed: Of the draws.

    Returns:
        Its ends: the difference is beyond chance where 0 lies outside them.

    Raises:
        ValueError: The two are not of the same number of pictures and classes.
    """
    _require_pairs(first, second)
    return _interval(_means(second, resamples, seed) - _means(first, resamples, seed))


def bootstrap_iou(per_image: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """The 95 % interval of the IoU of every class; see `bootstrap_miou`.

    A resample without the class is left out.

    Returns:
        (2, C) float64; nan where a class is nowhere.
    """
    return _intervals(_resampled(per_image, resamples, seed))


def bootstrap_iou_difference(
    first: np.ndarray, second: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """The 95 % interval of how much more IoU the second has, class by class; see
    `bootstrap_difference`.

    A resample in which one of the two has no IoU of the class is left out.

    Returns:
        (2, C) float64; nan where a class is nowhere.
    """
    _require_pairs(first, second)
    return _intervals(_resampled(second, resamples, seed) - _resampled(first, resamples, seed))


def bootstrap_mean(
    sums: np.ndarray, counts: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a mean over the pixels of all pictures when these are drawn again; see
    `bootstrap_miou`.

    Args:
        sums: What the pixels of each picture add up to, (N,) float64.
        counts: How many these are, (N,).
        resamples: How often they are drawn.
        seed: Of the draws.

    Returns:
        Its ends; nan without pixels.
    """
    parts = []
    for weights in _weights(len(sums), resamples, seed):
        with np.errstate(invalid="ignore"):
            parts.append((weights @ sums) / (weights @ counts))
    return _interval(np.concatenate(parts))


def _require_pairs(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(f"these are different pictures: {first.shape} and {second.shape}")


def _means(per_image: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The mIoU of every resample, (R,) float64; nan where it has no pixel."""
    iou = _resampled(per_image, resamples, seed)
    known = ~np.isnan(iou)
    with np.errstate(invalid="ignore"):
        return np.where(known, iou, 0).sum(axis=1) / known.sum(axis=1)


def _resampled(per_image: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The IoU per class of every resample, (R, C) float64; nan without pixels."""
    count, classes = per_image.shape[:2]
    hits = np.diagonal(per_image, axis1=1, axis2=2).astype(np.float64)  # (N, C)
    seen = (per_image.sum(axis=2) + per_image[:, :, :classes].sum(axis=1)).astype(np.float64)
    parts = []
    for weights in _weights(count, resamples, seed):
        found = weights @ hits  # (R, N) @ (N, C) -> (R, C)
        with np.errstate(invalid="ignore"):
            parts.append(found / (weights @ seen - found))
    return np.concatenate(parts)


def _weights(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of N pictures is drawn, (R, N) float64, some resamples at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        rounds = min(_CHUNK, resamples - start)
        drawn = rng.integers(0, max(count, 1), (rounds, count))
        drawn += np.arange(rounds)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rounds * count).reshape(rounds, count)
        yield times.astype(np.float64)


def _intervals(values: np.ndarray) -> np.ndarray:
    """The intervals of columns, (R, C) to (2, C)."""
    return np.array([_interval(column) for column in values.T]).T


def _interval(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, _ENDS)
    return float(low), float(high)
