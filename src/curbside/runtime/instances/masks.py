"""Masks at the frame's size, computed nowhere but inside their boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...imaging import Placement
from ...results import MaskCrop

__all__ = ["mix_masks"]

_BLOCK = 64
"""Rows of the frame at a time: what lies between stays in the cache. A mask of 1280 x 720 pixels took
8.3 ms in one piece and 0.5 ms in blocks."""


def mix_masks(
    boxes_xyxy: np.ndarray,
    coefficients: np.ndarray,
    prototypes: np.ndarray,
    place: Placement,
) -> tuple[MaskCrop, ...]:
    """The pixels of every object: those in its box whose mixed prototypes are above 0.

    Above 0 before a sigmoid is above 0.5 after it. The mix is interpolated between the centres of
    the prototypes' cells at the centre of every pixel of the frame, in one step. Pixel number x is in a
    box from x0 to x1 where x0 <= x < x1, as Ultralytics cuts masks, whose networks these are.

    Args:
        boxes_xyxy: (N, 4) float64, in frame pixels, inside the frame.
        coefficients: (N, K) float32.
        prototypes: What to mix, (K, h, w) float.
        place: Where the frame stands on the network's input.
    """
    cells_hw = prototypes.shape[1:]
    rows = _taps(place.frame_hw[0], place.inside_hw[0], place.top, place.size_hw[0], cells_hw[0])
    columns = _taps(
        place.frame_hw[1], place.inside_hw[1], place.left, place.size_hw[1], cells_hw[1]
    )
    windows = np.ceil(boxes_xyxy).astype(int)
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        for (left, top, right, bottom), mix in zip(windows.tolist(), coefficients, strict=True):
            inside = _mask(mix, prototypes, rows.part(top, bottom), columns.part(left, right))
            found.append(MaskCrop(top=top, left=left, inside=inside))
    return tuple(found)


class _Taps(NamedTuple):
    """Between which two cells each pixel along an axis lies, and how far towards the second."""

    first: np.ndarray
    """(P,) int."""
    share: np.ndarray
    """(P,) float32 in 0..1."""

    def part(self, start: int, stop: int) -> _Taps:
        return _Taps(self.first[start:stop], self.share[start:stop])


def _taps(frame: int, inside: int, offset: int, size: int, cells: int) -> _Taps:
    """One axis: `frame` pixels are `inside` pixels of an input of `size` from `offset` on."""
    on_input = (np.arange(frame) + 0.5) * inside / frame + offset
    at = np.clip(on_input * cells / size - 0.5, 0, cells - 1)
    first = np.minimum(at.astype(int), max(0, cells - 2))
    return _Taps(first, (at - first).astype(np.float32))


def _mask(mix: np.ndarray, prototypes: np.ndarray, rows: _Taps, columns: _Taps) -> np.ndarray:
    """(K,) coefficients to (h, w) bool, for these rows and columns of the frame."""
    if not rows.first.size or not columns.first.size:
        return np.zeros((rows.first.size, columns.first.size), bool)
    top, left = rows.first[0], columns.first[0]
    window = slice(top, rows.first[-1] + 2), slice(left, columns.first[-1] + 2)
    # No BLAS: its threads would wait for cores that the network holds, 8 ms now and then.
    mixed = np.einsum("k,khw->hw", mix, prototypes[:, *window], dtype=np.float32)
    wide = np.ascontiguousarray(_between(mixed.T, columns.first - left, columns.share).T)  # (h, W)
    # Above 0 somewhere between two rows a and b at share t: a > t * (a - b).
    fall = wide - wide[np.minimum(np.arange(len(wide)) + 1, len(wide) - 1)]
    inside = np.empty((rows.first.size, columns.first.size), bool)
    for start in range(0, len(inside), _BLOCK):
        part = slice(start, start + _BLOCK)
        first = rows.first[part] - top
        np.greater(wide[first], fall[first] * rows.share[part, None], out=inside[part])
    return inside


def _between(values: np.ndarray, first: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rows of (h, w) interpolated: (P, w)."""
    second = np.minimum(first + 1, len(values) - 1)
    return values[first] + (values[second] - values[first]) * share[:, None]
