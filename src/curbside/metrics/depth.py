"""How far predicted depth is from the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

__all__ = ["DepthBand", "DepthScores", "DepthSummary"]

_DELTA = 1.25
_CHUNK = 1 << 15  # pixels whose sums stay in the cache
_SHARES = ("delta1", "delta2", "delta3")
_SUMS = ("pixels", "abs_rel", "sq_rel", "square", "log", "log_square", "log10", *_SHARES)
_SCORES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "log10", *_SHARES, "coverage")


@dataclass(frozen=True, kw_only=True)
class DepthSummary:
    """Scores over pixels whose depth is known and predicted; None where there is no such pixel."""

    abs_rel: float | None
    """Mean of |predicted - true| / true."""
    sq_rel: float | None
    """Mean of (predicted - true)^2 / true, metres."""
    rmse: float | None
    """Root of the mean squared difference, metres."""
    rmse_log: float | None
    """The same of natural logarithms."""
    silog: float | None
    """Standard deviation of the difference of natural logarithms: what is left once a common factor is
    free. KITTI's benchmark shows 100 times this."""
    log10: float | None
    """Mean difference of decimal logarithms, without sign."""
    delta1: float | None
    """Share of pixels at which the larger is less than 1.25 times the smaller, 0..1."""
    delta2: float | None
    """The same for 1.25^2."""
    delta3: float | None
    """The same for 1.25^3."""
    pixels: int
    """How many pixels were scored: those with a known depth, and a predicted one; the sum of their weights
    where they count differently."""
    coverage: float | None
    """Share of the pixels with known depth that the network gave a depth for, 0..1."""


@dataclass(frozen=True, kw_only=True)
class DepthBand:
    """The scores of what is truly so far away."""

    low_m: float
    """From this distance on."""
    high_m: float | None
    """Up to this one, not included; None where the band has no end."""
    summary: DepthSummary
    """The scores."""


class DepthScores:
    """Counts depth errors picture by picture, in constant memory.

    Source: Eigen et al. 2014, Depth Map Prediction from a Single Image using a Multi-Scale Deep Network.

    Args:
        bands_m: Ends of the bands of true distance, rising; the last band goes on from the last of them.
        max_m: Farthest true depth that counts, and then predictions are cut to `min_m` and to this, as
            KITTI's evaluation does with 80 m. Where None, all of both count as they are.
        min_m: Nearest true depth that counts.
    """

    def __init__(
        self,
        bands_m: Sequence[float] = (0, 10, 20, 40, 80),
        *,
        max_m: float | None = None,
        min_m: float = 1e-3,
    ) -> None:
        if not bands_m or list(bands_m) != sorted(set(bands_m)) or bands_m[0] < 0:
            raise ValueError(f"bands of depth must rise from 0 or more, not {tuple(bands_m)}")
        if not 0 < min_m < (float("inf") if max_m is None else max_m):
            raise ValueError(f"no true depth is between {min_m} m and {max_m} m")
        self.bands_m, self.max_m, self.min_m = tuple(map(float, bands_m)), max_m, min_m
        # Of what is nearer than the first band, then of every band.
        self._sums = np.zeros((len(bands_m) + 1, len(_SUMS)))
        self._known = np.zeros(len(bands_m) + 1)
        self._pictures = np.zeros(
            (len(_SCORES), 2)
        )  # the sum over pictures, and how many there were

    def update(
        self, depth_m: np.ndarray, target_m: np.ndarray, weight: np.ndarray | None = None
    ) -> DepthScores:
        """Count a picture.

        Args:
            depth_m: Predicted, (H, W) float32 metres, 0 = unknown: not scored, and not covered.
            target_m: True, (H, W) float32 metres, 0 = unknown.
            weight: (H, W) bool or float, what each pixel counts in all scores, 0 for nothing; all 1 where
                None.

        Returns:
            The scores of this picture alone.
        """
        alone = DepthScores(self.bands_m, max_m=self.max_m, min_m=self.min_m)
        alone._count(depth_m, target_m, weight)
        self += alone
        return alone

    def _count(self, depth_m: np.ndarray, target_m: np.ndarray, weight: np.ndarray | None) -> None:
        if depth_m.shape != target_m.shape:
            raise ValueError(f"depth is {depth_m.shape}, its truth {target_m.shape}")
        counts = target_m >= self.min_m
        if self.max_m is not None:
            counts &= target_m <= self.max_m
        if weight is not None:
            counts &= weight > 0
        true, said = target_m[counts], depth_m[counts]
        weights = None if weight is None else weight[counts].astype(np.float64)
        for start in range(0, len(true), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._add(
                said[part].astype(np.float64),
                true[part].astype(np.float64),
                None if weights is None else weights[part],
            )
        found = self.summary()
        for row, name in zip(self._pictures, _SCORES, strict=True):
            value = getattr(found, name)
            row += (0, 0) if value is None else (value, 1)

    def _add(self, said: np.ndarray, true: np.ndarray, weight: np.ndarray | None) -> None:
        """Count pixels whose true depth is known, (P,) float64 each."""
        bands = np.searchsorted(self.bands_m, true, side="right")
        self._known += np.bincount(bands, weight, minlength=len(self._known))
        there = said > 0
        if not there.all():
            true, said, bands = true[there], said[there], bands[there]
            weight = None if weight is None else weight[there]
        if self.max_m is not None:
            said = np.clip(said, self.min_m, self.max_m)
        apart, share = said - true, said / true
        log, ratio = np.log(share), np.maximum(share, true / said)
        without_sign, square = np.abs(apart), apart**2
        values = {
            "abs_rel": without_sign / true,
            "sq_rel": square / true,
            "square": square,
            "log": log,
            "log_square": log**2,
            "log10": np.abs(log) / np.log(10),
            **{f"delta{power}": ratio < _DELTA**power for power in (1, 2, 3)},
        }
        count = len(self._sums)
        self._sums[:, 0] += np.bincount(bands, weight, minlength=count)
        for column, name in enumerate(_SUMS[1:], start=1):
            value = values[name] if weight is None else values[name] * weight
            self._sums[:, column] += np.bincount(bands, value, minlength=count)

    def __iadd__(self, other: DepthScores) -> Self:
        """Add what others with the same bands and limits have counted."""
        if self._limits() != other._limits():
            raise ValueError(f"cannot add counts of {other._limits()} to those of {self._limits()}")
        self._sums += other._sums
        self._known += other._known
        self._pictures += other._pictures
        return self

    def _limits(self) -> tuple[object, ...]:
        return self.bands_m, self.max_m, self.min_m

    def summary(self) -> DepthSummary:
        """The scores over all distances, every pixel counting the same."""
        return _summary(self._sums.sum(axis=0), float(self._known.sum()))

    def mean_of_pictures(self) -> DepthSummary:
        """The mean of what each picture scores by itself, as papers on KITTI report; its `pixels` are those
        of all."""
        means = {
            name: total / count if count else None
            for name, (total, count) in zip(_SCORES, self._pictures.tolist(), strict=True)
        }
        return DepthSummary(**means, pixels=round(self._sums[:, 0].sum()))

    @property
    def bands(self) -> tuple[DepthBand, ...]:
        """The scores by true distance, every pixel counting the same."""
        ends = [*self.bands_m[1:], None]
        return tuple(
            DepthBand(low_m=low, high_m=high, summary=_summary(sums, float(known)))
            for low, high, sums, known in zip(
                self.bands_m, ends, self._sums[1:], self._known[1:], strict=True
            )
        )


def _summary(sums: np.ndarray, known: float) -> DepthSummary:
    found = dict(zip(_SUMS, sums.tolist(), strict=True))
    count = found["pixels"]

    def mean(name: str) -> float | None:
        return found[name] / count if count else None

    def root(name: str) -> float | None:
        value = mean(name)
        return None if value is None else value**0.5

    log, square = mean("log"), mean("log_square")
    spread = None if log is None or square is None else max(0.0, square - log**2) ** 0.5
    return DepthSummary(
        abs_rel=mean("abs_rel"),
        sq_rel=mean("sq_rel"),
        rmse=root("square"),
        rmse_log=root("log_square"),
        silog=spread,
        log10=mean("log10"),
        delta1=mean("delta1"),
        delta2=mean("delta2"),
        delta3=mean("delta3"),
        pixels=round(count),
        coverage=count / known if known else None,
    )
