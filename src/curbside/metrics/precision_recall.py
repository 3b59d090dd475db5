"""Precision and recall per class, streaming, from histograms fine where probabilities crowd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import DataError, LabelError
from ..imaging import top_class
from ..labels import IGNORE_ID
from .histogram import histogram

__all__ = ["BestThreshold", "PrecisionRecall", "PrecisionRecallCurve"]

# A bin is a float32's exponent and the first 9 bits of its mantissa: of p up to one half, of 1 - p
# above it. So a bin is never wider than 1/512 of its distance from 0 or from 1, down to 2**-64.
# Softmax outputs crowd at both ends: with equal bins, most pixels of a confident network share the
# last one, and their ranking, which is all that average precision looks at, is lost.
_SHIFT = 14  # bits of the mantissa that are dropped
_ZERO = (127 - 64) << 9  # 2**-64 and less share the first bin
_HALF = (127 - 1) << 9  # the last bin counted from 0 starts at 0.5
_ONE = 127 << 9
_FARTHEST = _HALF - 2  # 1 - p for the smallest p counted from 1
_NEAREST = ((127 - 24) << 9) - 1  # 1 - p for p = 1; 2**-24 is float32's smallest step below 1
_LOW_BINS = _HALF - _ZERO + 1
_BINS = _LOW_BINS + _FARTHEST - _NEAREST + 1
_UPPER = np.float32(0.5 + 2.0**-10)  # the smallest p counted from 1
_FLOOR = np.int32(_ZERO << _SHIFT)
_PAST = np.int32(0xFFFF << _SHIFT)  # past the last bin
_ROUNDING = 1e-3  # a softmax may end a little above 1
_FEWEST = 3  # both ends of a curve and its best point
_FARTHER = 1.03  # a step on a curve is as long as it is, by what F1 lacks to this


class PrecisionRecallCurve(NamedTuple):
    """What the rule "of the class where p >= threshold" finds, from the highest threshold down."""

    thresholds: np.ndarray
    """(N,) float64 in 0..1, falling."""
    precision: np.ndarray
    """(N,) float64, share of what is found that is of the class."""
    recall: np.ndarray
    """(N,) float64, share of the class that is found; never falls, ends at 1."""


@dataclass(frozen=True, kw_only=True)
class BestThreshold:
    """The rule "of the class where p >= threshold" with the highest F1, which has the highest IoU, too:
    IoU = F1 / (2 - F1)."""

    threshold: float
    """The probability from which on a pixel is taken for the class; the highest of equally good ones."""
    precision: float
    """Share of what is found that is of the class."""
    recall: float
    """Share of the class that is found."""
    f1: float
    """Harmonic mean of the two."""
    iou: float
    """Intersection over union."""


class PrecisionRecall:
    """Precision and recall of each class against the rest, over 44,033 thresholds.

    Memory is 705 kB per class, whatever the number of pictures.

    Args:
        num_classes: C, at most 255; the classes are 0..C-1.
    """

    bins = _BINS

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE_ID:
            raise ValueError(f"num_classes must be 1..{IGNORE_ID}, not {num_classes}")
        self.num_classes = num_classes
        self._all = np.zeros((num_classes, _BINS), np.int64)
        self._positive = np.zeros((num_classes, _BINS), np.int64)

    def update(
        self,
        probabilities: np.ndarray,
        target: np.ndarray,
        *,
        top: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Count the pixels of a picture.

        Args:
            probabilities: (C, H, W) float32 in 0..1, with sum 1 over the classes; a value below
                0 counts as 0.
            target: True classes, (H, W) uint8; pixels of 255 are ignored.
            top: `top_class(probabilities)`, where it is at hand.

        Raises:
            DataError: The values are no probabilities (not a number, over 1, of a sum over 1).
            LabelError: The truth holds a value that is neither a class nor 255.
        """
        if probabilities.shape != (self.num_classes, *target.shape) or target.ndim != 2:
            raise ValueError(
                f"probabilities are {probabilities.shape}, the target is {target.shape}, "
                f"the classes are {self.num_classes}"
            )
        planes = np.ascontiguousarray(probabilities, np.float32)
        valid = np.flatnonzero(target != IGNORE_ID)
        truth = target.ravel()[valid].astype(np.intp)
        if truth.size and truth.max() >= self.num_classes:
            raise LabelError(
                f"the truth holds the id {truth.max()}, the classes are 0..{self.num_classes - 1}",
                fix=f"score with the label space of the masks; ignored pixels are {IGNORE_ID}",
            )
        ids, confidence = top_class(planes) if top is None else top
        top_ids, best = ids.ravel()[valid].astype(np.intp), confidence.ravel()[valid]
        if best.size and not best.max() <= 1 + _ROUNDING:
            raise _no_probabilities("are not all between 0 and 1")
        bins = _bin_of(best)
        # Counted from 1: at most one class of a pixel can be there, the top one.
        high = np.flatnonzero(best >= _UPPER)
        _count(self._all, top_ids[high], bins[high])
        near_one = np.bincount(top_ids[high], minlength=self.num_classes)
        # Counted from 0: every class of every pixel but those.
        floor = np.where(target == IGNORE_ID, _PAST, _FLOOR)
        for index, bits in enumerate(planes.view(np.int32)):
            leading = np.maximum(bits, floor)
            leading >>= _SHIFT
            counts = histogram([leading.astype(np.uint16)], [(_ZERO, _ONE + 1)])
            self._all[index, :_LOW_BINS] += counts[:_LOW_BINS]
            if counts[_LOW_BINS:].sum() != near_one[index]:
                raise _no_probabilities("sum to more than 1 at some pixels")
        # Positives: the true class of every pixel, which mostly is the top one.
        other = np.flatnonzero(top_ids != truth)
        bins[other] = _bin_of(planes.reshape(-1)[truth[other] * target.size + valid[other]])
        _count(self._positive, truth, bins)

    def __iadd__(self, other: PrecisionRecall) -> PrecisionRecall:
        """Add the pixels that another one of the same classes has counted."""
        if other.num_classes != self.num_classes:
            raise ValueError(f"cannot add {other.num_classes} classes to {self.num_classes}")
        self._all += other._all
        self._positive += other._positive
        return self

    def curve(self, class_id: int, *, points: int | None = None) -> PrecisionRecallCurve:
        """Precision against recall of a class over every bin that holds pixels.

        A threshold is the smallest float32 that falls into a bin: for these thresholds the curve is exact,
        between two of them lie probabilities that are alike but for the width of a bin.

        Args:
            class_id: The class.
            points: Keep at most so many, 3 or more: the ends of the curve, the best threshold, and what lies
                between, the closer together the higher F1 is there. All where not given.

        Returns:
            The curve, of no point where the truth has no pixel of the class.
        """
        if points is not None and points < _FEWEST:
            raise ValueError(f"a curve of {points} points loses its ends or its best point")
        bins, hits, taken = self._ranked(class_id)
        if not bins.size:
            return PrecisionRecallCurve(*np.empty((3, 0)))
        curve = PrecisionRecallCurve(_least_in(bins), hits / taken, hits / hits[-1])
        if points is None or len(bins) <= points:
            return curve
        f1 = _f1(hits, taken)
        steps = np.hypot(np.diff(curve.recall), np.diff(curve.precision))
        way = np.append(0.0, np.cumsum(steps / (_FARTHER - f1[1:])))
        even = np.searchsorted(way, np.linspace(0, way[-1], points - 2))
        kept = np.union1d(even, [np.argmax(f1), len(way) - 1])
        return PrecisionRecallCurve(*(values[kept] for values in curve))

    def counts_at(self, class_id: int, threshold: float) -> tuple[int, int, int]:
        """What the rule "of the class where p >= threshold" takes, up to the width of a bin.

        Args:
            class_id: The class.
            threshold: The probability.

        Returns:
            Pixels that are taken rightly, those that are taken, and those of the class.
        """
        first = int(_bin_of(np.array([threshold], np.float32))[0])
        hits, every = self._positive[class_id, first:].sum(), self._positive[class_id].sum()
        return int(hits), int(self._all[class_id, first:].sum()), int(every)

    def best_threshold(self, class_id: int) -> BestThreshold | None:
        """The threshold with the highest F1 and IoU of a class; None where the truth has none of it."""
        bins, hits, taken = self._ranked(class_id)
        if not bins.size:
            return None
        f1 = _f1(hits, taken)
        best = int(np.argmax(f1))
        found, shown, every = int(hits[best]), int(taken[best]), int(hits[-1])
        return BestThreshold(
            threshold=float(_least_in(bins[best : best + 1])[0]),
            precision=found / shown,
            recall=found / every,
            f1=float(f1[best]),
            iou=found / (shown + every - found),
        )

    def auprc(self) -> np.ndarray:
        """Area under the precision-recall curve per class, (C,) float64; nan if not in the truth.

        It is the average precision, the sum over thresholds of (recall gained) * precision, without
        interpolation, as in scikit-learn.
        """
        hits = self._positive[:, ::-1].cumsum(axis=1)  # (C, bins), from the highest threshold down
        taken = self._all[:, ::-1].cumsum(axis=1)
        precision = hits / np.maximum(taken, 1)
        gained = (precision * self._positive[:, ::-1]).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return gained / hits[:, -1]

    def mean_auprc(self) -> float:
        """Mean of `auprc` over the classes in the truth; nan before the first pixel."""
        areas = self.auprc()
        found = areas[~np.isnan(areas)]
        return float(found.mean()) if found.size else float("nan")

    def _ranked(self, class_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bins that hold pixels from the highest down, (N,) int64, with the pixels of the class and all
        pixels from there on up; none where the truth has no pixel of the class."""
        bins = np.flatnonzero(self._all[class_id])[::-1]
        hits = self._positive[class_id, bins].cumsum()
        if not bins.size or not hits[-1]:
            return bins[:0], hits[:0], hits[:0]
        return bins, hits, self._all[class_id, bins].cumsum()


def _f1(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """F1 of each threshold, from the pixels of the class and all pixels that it takes, both (N,)."""
    return 2 * hits / (taken + hits[-1])


def _least_in(bins: np.ndarray) -> np.ndarray:
    """The smallest float32 of each bin, (N,) float64; 0 of the first. `_bin_of` turned round."""
    from_zero = (np.minimum(bins, _LOW_BINS - 1) + _ZERO).astype(np.int32) << _SHIFT
    low = np.where(bins > 0, from_zero.view(np.float32).astype(np.float64), 0.0)
    # Counted from 1, a bin begins above 1 - (the smallest 1 - p of the bin below it), by float32's step.
    below = (_BINS - bins + _NEAREST).astype(np.int32) << _SHIFT
    high = np.floor((1 - below.view(np.float32).astype(np.float64)) * 2.0**24 + 1) / 2.0**24
    return np.where(bins < _LOW_BINS, low, np.maximum(high, _UPPER))


def _count(table: np.ndarray, classes: np.ndarray, bins: np.ndarray) -> None:
    """Add one to a table, (C, bins), for the class and bin of each pixel."""
    np.add.at(table.reshape(-1), classes * _BINS + bins, 1)


def _bin_of(values: np.ndarray) -> np.ndarray:
    """The bin of each probability, (N,) float32 to (N,) int32, rising with it."""
    from_zero = (np.maximum(values.view(np.int32), _FLOOR) >> _SHIFT) - _ZERO
    from_one = np.maximum((1 - values).view(np.int32) >> _SHIFT, _NEAREST) - _NEAREST
    return np.where(values < _UPPER, from_zero, _BINS - 1 - from_one)


def _no_probabilities(what: str) -> DataError:
    return DataError(
        f"the probabilities of the network {what}",
        fix="the model file is damaged or was quantised badly: export it again",
    )
