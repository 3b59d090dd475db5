"""COCO's run-length code: a mask as the lengths of its runs, column after column."""

from __future__ import annotations

import numpy as np

__all__ = ["ColumnRuns", "compress_counts"]


class ColumnRuns:
    """A map of numbers as runs down its columns, found once for all numbers.

    Args:
        numbers: (H, W) of any integer type.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        flat = numbers.T.ravel()  # column after column
        self._size = flat.size
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
        ends = np.append(starts[1:], flat.size)
        values = flat[starts]
        order = np.argsort(values, kind="stable")
        self._values, self._runs = values[order], np.stack([starts, ends], axis=1)[order]

    def counts(self, number: int) -> np.ndarray:
        """The mask of a number as COCO's counts: pixels without, with, without, ... in turns.

        Returns:
            (N,) int64; their sum is the number of pixels.
        """
        low, high = np.searchsorted(self._values, [number, number + 1])
        borders = self._runs[low:high].ravel()
        if not borders.size or borders[-1] < self._size:
            borders = np.append(borders, self._size)
        return np.diff(borders, prepend=0)


def compress_counts(counts: np.ndarray) -> str:
    """Counts as the text that COCO files hold.

    From the fourth on, a count is stored as its difference to the one two before it. A number is
    written five bits at a time, the lowest first, in one character each: a sixth bit says that more
    follow, and 48 is added.

    Args:
        counts: (N,) integers.
    """
    rest = counts.astype(np.int64)
    rest[3:] -= counts[1:-2]
    characters, used = [], []
    open_ = np.ones(len(rest), bool)
    while open_.any():
        low, rest = rest & 31, rest >> 5
        more = np.where(low & 16, rest != -1, rest != 0)
        characters.append(low + 32 * more + 48)
        used.append(open_)
        open_ = open_ & more
    text = np.stack(characters, axis=1)[np.stack(used, axis=1)]
    return text.astype(np.uint8).tobytes().decode("ascii")
