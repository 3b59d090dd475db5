"""What the borders between classes tell of a mask: was it interpolated?

A label map that was resized with anything but nearest neighbour (or was a JPEG once) holds ids that
nobody drew: between a class 2 and a class 8 it goes through a 5. True masks hold thin things too,
and some have an id between those of their neighbours. But then it is always the same few pairs of
neighbours, whereas interpolation does it to every border alike: so the two pairs of neighbours that
it happens to most often are left out, and what counts is the share of the other borders.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

__all__ = ["Borders", "interpolated", "run_lengths"]

_LINES = 64  # so many rows and so many columns tell enough of a mask
_SOLID = 3  # pixels that make a run solid
_LEFT_OUT = 2  # pairs of neighbours
_ENOUGH = 12  # borders, that a share of them means something
_SURE = 1.64  # standard errors: the bound holds in 95 of 100 cases

# The bounds of the true masks of CamVid and IDD-Lite are 0.10 at most, their medians 0.01.
_MASK = 0.2  # of a mask by itself
_FOLDER = 0.08  # median of a folder; then each of its masks needs no more than
_IN_SUCH_A_FOLDER = 0.03
_MANY = 8  # masks, that their median says how they were made


class Borders(NamedTuple):
    """Borders between two ids that differ by two or more and are each three pixels wide or more."""

    total: int
    """How many, without those of the pairs of ids that are left out."""
    mixed: int
    """How many of them go through a thin id between the two."""

    @classmethod
    def of(cls, mask: np.ndarray) -> Borders:
        """The borders along some rows and columns of a mask.

        Args:
            mask: (H, W) uint8.
        """
        height, width = mask.shape
        step = max(1, height // _LINES)
        rows = mask[step // 2 :: step]
        step = max(1, width // _LINES)
        columns = mask[:, step // 2 :: step].T
        line = np.empty(rows.size + columns.size, np.uint8)  # one after another
        line[: rows.size].reshape(rows.shape)[:] = rows
        line[rows.size :].reshape(columns.shape)[:] = columns
        begins = np.zeros(line.size, bool)
        begins[: rows.size : width] = True
        begins[rows.size :: height] = True

        starts, lengths = run_lengths(line, begins.copy())
        ids, is_solid = line[starts], lengths >= _SOLID
        solid, thin = np.flatnonzero(is_solid), np.flatnonzero(~is_solid)
        number = np.cumsum(begins[starts])[solid]  # of the row or column
        first, second = ids[solid[:-1]], ids[solid[1:]]
        low, high = np.minimum(first, second), np.maximum(first, second)
        is_border = (high - low >= 2) & (number[:-1] == number[1:])
        pairs = low * np.uint16(256) + high

        before = thin - np.arange(1, thin.size + 1)  # which solid run: thin ones do not count
        between = (before >= 0) & (before < is_border.size)
        thin, before = thin[between], before[between]
        through = is_border[before] & (low[before] < ids[thin]) & (ids[thin] < high[before])
        is_mixed = np.zeros_like(is_border)
        is_mixed[before[through]] = True

        mixed = Counter(pairs[is_mixed].tolist())
        left_out = mixed.most_common(_LEFT_OUT)
        pairs = pairs[is_border]
        total = pairs.size - sum(int(np.count_nonzero(pairs == pair)) for pair, _ in left_out)
        return cls(total, mixed.total() - sum(count for _, count in left_out))

    @property
    def share(self) -> float | None:
        """Share of the borders that are mixed, at least (Wilson's lower bound, one-sided 95 %); None
        where there are too few borders to tell."""
        if self.total < _ENOUGH:
            return None
        n, share, z = self.total, self.mixed / self.total, _SURE
        spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return (share + z * z / (2 * n) - spread) / (1 + z * z / n)


def interpolated(shares: list[float | None]) -> list[bool]:
    """Which masks of a folder were interpolated.

    The masks of a folder were mostly made alike: where half of them are suspect, each needs less.

    Args:
        shares: `Borders.share` of every mask.
    """
    known = [share for share in shares if share is not None]
    alike = len(known) >= _MANY and np.median(known) >= _FOLDER
    least = _IN_SUCH_A_FOLDER if alike else _MASK
    return [share is not None and share >= least for share in shares]


def run_lengths(
    line: np.ndarray, begins: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of equal values begin in a line, and their lengths.

    Args:
        line: (N,), at least one value.
        begins: (N,) bool, where a run begins in any case; it is written to.

    Returns:
        Starts and lengths, (R,) int64 each.
    """
    if begins is None:
        begins = np.zeros(line.size, bool)
    begins[0] = True
    begins[1:] |= line[1:] != line[:-1]
    starts = np.flatnonzero(begins)
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1] = line.size - starts[-1]
    return starts, lengths
