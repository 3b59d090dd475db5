"""COCO's run-length code: a mask as the lengths of its runs, column after column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["ColumnRuns", "compress_all", "compress_counts", "crop_counts"]


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


def crop_counts(inside: np.ndarray, top: int, left: int, size_hw: tuple[int, int]) -> np.ndarray:
    """The counts of a mask that is given as a piece of its picture, which is never made whole.

    Args:
        inside: Whether a pixel belongs to the mask, (h, w) bool; h or w may be 0.
        top: First row of the picture that the piece shows.
        left: First column.
        size_hw: Height and width of the picture.

    Returns:
        (N,) int64; see `ColumnRuns.counts`.
    """
    height, width = size_hw
    down = np.zeros((inside.shape[1], inside.shape[0] + 2), bool)  # a column a row, framed
    down[:, 1:-1] = inside.T
    changes = np.flatnonzero(down[:, 1:] != down[:, :-1])  # starts and ends in turns
    column, row = np.divmod(changes, inside.shape[0] + 1)
    borders = (left + column) * height + top + row
    if inside.shape[0] == height:  # a run may go on in the next column
        joins = np.flatnonzero(borders[1:] == borders[:-1])
        borders = np.delete(borders, np.concatenate([joins, joins + 1]))
    if not borders.size or borders[-1] < height * width:
        borders = np.append(borders, height * width)
    return np.diff(borders, prepend=0)


def compress_counts(counts: np.ndarray) -> str:
    """Counts as the text that COCO files hold; see `compress_all`.

    Args:
        counts: (N,) integers.
    """
    return compress_all([counts])[0].decode("ascii")


def compress_all(masks: Sequence[np.ndarray]) -> list[bytes]:
    """The counts of several masks as the texts that COCO files hold.

    From the fourth on, a count is stored as its difference to the one two before it. A number is
    written five bits at a time, the lowest first, in one character each: a sixth bit says that more
    follow, and 48 is added.

    Args:
        masks: Counts, (N,) integers, N at least 1.
    """
    if not masks:
        return []
    lengths = np.array([len(counts) for counts in masks])
    counts = np.concatenate(masks).astype(np.int64)
    ends = lengths.cumsum()
    later = np.arange(len(counts)) - np.repeat(ends - lengths, lengths) >= 3
    rest = counts.copy()
    rest[later] -= counts[np.flatnonzero(later) - 2]
    characters, used = [], []
    open_ = np.ones(len(rest), bool)
    while open_.any():
        low, rest = rest & 31, rest >> 5
        more = np.where(low & 16, rest != -1, rest != 0)
        characters.append(low + 32 * more + 48)
        used.append(open_)
        open_ = open_ & more
    written = np.stack(used, axis=1)
    text = np.stack(characters, axis=1)[written].astype(np.uint8).tobytes()
    borders = np.concatenate([[0], written.sum(axis=1).cumsum()[ends - 1]]).tolist()
    return [text[start:end] for start, end in pairwise(borders)]
