"""Pictures of few values - masks, instance maps, colourings - as the runs they consist of.

`Regions` looks once where a map of numbers changes. Every picture that a table makes of it then
costs as much as it has borders, not as it has pixels: the PNG stream is written from the runs.
"""

from __future__ import annotations

import struct
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np

from ..files import write_bytes
from .deflate import Deflater
from .writing import encode_png

__all__ = ["Regions", "encode_ids_png", "write_ids"]

_SUB, _UP = 1, 2  # PNG's row filters: difference to the left, to the row above
_BUSY = 6
"""A map that changes at more than one pixel in so many is left to the general encoder."""


class Regions:
    """A map of numbers, seen as runs.

    Args:
        numbers: (H, W) uint8, uint16 or int32, 0 or more: what each pixel belongs to.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        if numbers.ndim != 2 or numbers.size == 0:
            raise ValueError(f"numbers must be (H, W), not {numbers.shape}")
        self._numbers = np.ascontiguousarray(numbers)

    def png(self, table: np.ndarray) -> bytes:
        """The PNG file of `table[numbers]`, the same bytes for the same pixels.

        Args:
            table: What each number becomes: (N,) uint8 or uint16 for a grey picture of that depth,
                (N, 3) or (N, 4) uint8 for RGB or RGBA.
        """
        if self._busy:
            return encode_png(table[self._numbers])
        channels = _as_bytes(table)
        height, width = self._numbers.shape
        depth, color = (16, 0) if table.dtype.itemsize == 2 else (8, _COLOR[len(channels)])
        header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
        return b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                _chunk(b"IHDR", header),
                _chunk(b"IDAT", self._stream(channels)),
                _chunk(b"IEND", b""),
            )
        )

    @cached_property
    def areas(self) -> np.ndarray:
        """Pixels of every number up to the largest: (N,) int64."""
        numbers, _, _, lengths = self._rows
        return np.bincount(numbers, weights=lengths).astype(np.int64)

    @cached_property
    def boxes_xywh(self) -> np.ndarray:
        """Smallest upright box around every number: (N, 4) int64 left, top, width, height, in pixels;
        zeros where a number does not occur."""
        numbers, y, x, lengths = self._rows
        low = np.full((len(self.areas), 2), np.iinfo(np.int64).max)
        high = np.full((len(self.areas), 2), -1)
        np.minimum.at(low, numbers, np.stack([x, y], axis=1))
        np.maximum.at(high, numbers, np.stack([x + lengths - 1, y], axis=1))
        boxes = np.concatenate([low, high - low + 1], axis=1)
        boxes[self.areas == 0] = 0
        return boxes

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Every run of one number within a row: number, y, x, length."""
        starts = np.ones(self._numbers.shape, bool)
        np.not_equal(self._numbers[:, 1:], self._numbers[:, :-1], out=starts[:, 1:])
        at = np.flatnonzero(starts)
        lengths = np.diff(at, append=self._numbers.size)
        y, x = np.divmod(at, self._numbers.shape[1])
        return self._numbers.ravel()[at], y, x, lengths

    @cached_property
    def _changes(self) -> np.ndarray:
        """Where a pixel differs from the one its row filter compares it with, as flat indices: left
        in the first row, above in the others. The first pixel always counts."""
        numbers = self._numbers
        first = np.flatnonzero(numbers[0, 1:] != numbers[0, :-1]) + 1
        below = np.flatnonzero(numbers[1:] != numbers[:-1]) + numbers.shape[1]
        return np.concatenate([[0], first, below])

    @property
    def _busy(self) -> bool:
        return self._changes.size > max(self._numbers.size // _BUSY, 1024)

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Changes next to each other that are between the same two numbers, as one run: flat index,
        length, the number there, the number that the filter compares it with (-1: none)."""
        at, flat, width = self._changes, self._numbers.ravel(), self._numbers.shape[1]
        there = flat[at].astype(np.int64)
        before = flat[at - np.where(at < width, 1, width)].astype(np.int64)
        before[0] = -1
        starts = np.ones(at.size, bool)
        starts[1:] = np.diff(at) != 1
        starts[1:] |= (there[1:] != there[:-1]) | (before[1:] != before[:-1])
        starts |= at % width == 0
        index = np.flatnonzero(starts)
        return at[index], np.diff(index, append=at.size), there[index], before[index]

    def _stream(self, channels: np.ndarray) -> bytes:
        """The zlib stream of the filtered rows of `channels[:, numbers]`."""
        at, lengths, there, before = self._runs
        values = channels[:, there] - channels[:, before]  # uint8 wraps, as the filters do
        values[:, 0] = channels[:, there[0]]
        seen = np.flatnonzero(np.bitwise_or.reduce(values, axis=0))
        height, width = self._numbers.shape
        step = len(channels)
        # Before each row stands its filter, a run of one byte.
        rows = np.arange(height)
        filters = np.searchsorted(at[seen], rows * width) + rows
        runs = np.ones(seen.size + height, bool)
        runs[filters] = False
        places = np.empty(runs.size, np.int32)
        places[runs] = at[seen] * step + at[seen] // width + 1
        places[filters] = rows * (width * step + 1)
        repeats = np.zeros(runs.size, np.int32)
        repeats[runs] = lengths[seen]
        merged = np.zeros((step, runs.size), np.uint8)
        merged[:, runs] = values[:, seen]
        merged[0, filters] = _UP
        merged[0, 0] = _SUB
        deflater = Deflater(step=step, size=height * (width * step + 1))
        return deflater.encode(places=places, repeats=repeats, values=merged)


def encode_ids_png(ids: np.ndarray) -> bytes:
    """A mask of ids as PNG bytes: (H, W) uint8 or uint16, lossless."""
    return Regions(ids).png(np.arange(np.iinfo(ids.dtype).max + 1, dtype=ids.dtype))


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write a mask of ids (see `encode_ids_png`) to a PNG file, whole or not at all."""
    write_bytes(path, encode_ids_png(ids))


_COLOR = {1: 0, 3: 2, 4: 6}  # PNG's colour types, by channels


def _as_bytes(table: np.ndarray) -> np.ndarray:
    """The bytes that each number's pixels hold, in the order of the file: (bytes per pixel, N)."""
    if table.dtype == np.uint16 and table.ndim == 1:
        table = table.astype(">u2").view(np.uint8).reshape(-1, 2)
    elif table.dtype != np.uint8 or (table.ndim > 1 and table.shape[1] not in _COLOR):
        raise ValueError(f"a table must be (N,) uint8 or uint16, or (N, 3|4) uint8: {table.dtype}")
    return np.ascontiguousarray(table.reshape(len(table), -1).T)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
