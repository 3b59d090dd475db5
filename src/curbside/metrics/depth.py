"""How far predicted depth is from the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

__all__ = ["DepthBand", "DepthScores", "DepthSummary"]

_SUMS = ("pixels", "abs_rel", "sq_rel", "square", "log", "log_square", "log10", "d1", "d2", "d3")
_DELTA = 1.25


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
    """Standard deviation of the difference of logarithms: what is left once a common factor is free."""
    log10: float | None
    """Mean difference of decimal logarithms, without sign."""
    delta1: float | None
    """Share of pixels at which the larger is less than 1.25 times the smaller, 0..1."""
    delta2: float | None
    """The same for 1.25^2."""
    delta3: float | None
    """The same for 1.25^3."""
    pixels: int
    """How many pixels were scored."""
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
    """Counts depth errors picture by picture, in constant memory; every pixel counts the same.

    Source: Eigen et al. 2014, Depth Map Prediction from a Single Image using a Multi-Scale Deep Network.

    Args:
        bands_m: Ends of the bands of true distance, rising; the last band goes on from the last of them.
        max_m: Farthest true depth that counts, to which predictions are cut as well, as KITTI's evaluation
            does with 80 m; no limit where None.
        min_m: Nearest true depth that counts; predictions are cut to it.
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
        self._edges = np.array(bands_m, np.float64)
        self._max_m, self._min_m = max_m, min_m
        # Of what is nearer than the first band, then of every band.
        self._sums = np.zeros((len(bands_m) + 1, len(_SUMS)))
        self._known = np.zeros(len(bands_m) + 1)

    def update(
        self, depth_m: np.ndarray, true_m: np.ndarray, trusted: np.ndarray | None = None
    ) -> None:
        """Count a picture.

        Args:
            depth_m: Predicted, (H, W) float32 metres, 0 = unknown.
            true_m: True, (H, W) float32 metres, 0 = unknown.
            trusted: (H, W) bool, where the truth counts; everywhere where None.
        """
        if depth_m.shape != true_m.shape:
            raise ValueError(f"depth is {depth_m.shape}, its truth {true_m.shape}")
        counts = true_m >= self._min_m
        if self._max_m is not None:
            counts &= true_m <= self._max_m
        if trusted is not None:
            counts &= trusted
        true, said = true_m[counts].astype(np.float64), depth_m[counts].astype(np.float64)
        bands = np.searchsorted(self._edges, true, side="right")
        self._known += np.bincount(bands, minlength=len(self._known))
        there = said > 0
        true, bands = true[there], bands[there]
        said = np.clip(said[there], self._min_m, self._max_m)
        apart, log = said - true, np.log(said) - np.log(true)
        ratio = np.maximum(said / true, true / said)
        values = (
            np.ones_like(true),
            np.abs(apart) / true,
            apart**2 / true,
            apart**2,
            log,
            log**2,
            np.abs(log) / np.log(10),
            *((ratio < _DELTA**power).astype(np.float64) for power in (1, 2, 3)),
        )
        for column, value in enumerate(values):
            self._sums[:, column] += np.bincount(bands, value, minlength=len(self._sums))

    def __iadd__(self, other: DepthScores) -> Self:
        if not np.array_equal(self._edges, other._edges):
            raise ValueError("counts of other bands cannot be added")
        self._sums += other._sums
        self._known += other._known
        return self

    def summary(self) -> DepthSummary:
        """The scores over all distances."""
        return _summary(self._sums.sum(axis=0), float(self._known.sum()))

    @property
    def bands(self) -> tuple[DepthBand, ...]:
        """The scores of every band."""
        ends = [*self._edges[1:].tolist(), None]
        return tuple(
            DepthBand(low_m=low, high_m=high, summary=_summary(sums, float(known)))
            for low, high, sums, known in zip(
                self._edges.tolist(), ends, self._sums[1:], self._known[1:], strict=True
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
        delta1=mean("d1"),
        delta2=mean("d2"),
        delta3=mean("d3"),
        pixels=int(count),
        coverage=count / known if known else None,
    )
