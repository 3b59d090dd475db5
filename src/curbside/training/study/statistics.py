"""Means over a few seeds, and how far they can be trusted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Interval", "mean_interval", "t_quantile"]

_HALVINGS = 80


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and the interval that holds the true one, with a probability of 95 %."""

    value: float
    """The estimate."""
    low: float
    """The lower end."""
    high: float
    """The upper end."""

    @property
    def half(self) -> float:
        """Half the width."""
        return (self.high - self.low) / 2


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t, exact to rounding.

    Args:
        probability: Between 0.5 and 1.
        degrees: Degrees of freedom, 1 or more.

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    wanted = 2 * probability - 1  # of the middle
    low, high = 0.0, math.pi / 2  # t = tan(angle) * sqrt(degrees)
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        low, high = (angle, high) if _middle(angle, degrees) < wanted else (low, angle)
    return math.tan(low) * math.sqrt(degrees)


def _middle(angle: float, degrees: int) -> float:
    """Probability of |T| <= t, for t = tan(angle) * sqrt(degrees): a sum of a few powers of cosines."""
    odd = degrees % 2
    power = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, degrees, 2):  # the exponents rise by 2
        total += power
        power *= math.cos(angle) ** 2 * k / (k + 1)
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + math.sin(angle) * total)


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of at least two values with its 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) / math.sqrt(len(values))
    half = t_quantile(0.975, len(values) - 1) * spread
    return Interval(value=mean, low=mean - half, high=mean + half)
