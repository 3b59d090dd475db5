"""How often what is truly so far away was said to be how far."""

from __future__ import annotations

import numpy as np

__all__ = ["DepthDensity"]

_PER_OCTAVE = 8
_NEAREST, _FARTHEST = -2, 8  # powers of two: 0.25 m to 256 m, where files end


class DepthDensity:
    """Pixels by true and by predicted depth, in cells that grow with distance."""

    def __init__(self) -> None:
        cells = (_FARTHEST - _NEAREST) * _PER_OCTAVE
        self.edges_m = 2.0 ** np.linspace(_NEAREST, _FARTHEST, cells + 1)
        """Ends of the cells, (N + 1,) float64 metres; the first and the last hold what lies beyond, too."""
        self.counts = np.zeros((cells, cells), np.int64)
        """(N, N) int64: rows are the truth, columns the prediction."""

    def update(self, said_m: np.ndarray, true_m: np.ndarray) -> None:
        """Count pixels.

        Args:
            said_m: (P,) float32 metres, all over 0.
            true_m: The same of the truth.
        """
        cells = len(self.counts)
        true, said = (
            np.clip((np.log2(depth) - _NEAREST) * _PER_OCTAVE, 0, cells - 1).astype(np.int64)
            for depth in (true_m, said_m)
        )
        found = np.bincount(true * cells + said, minlength=cells * cells)
        self.counts += found.reshape(cells, cells)
