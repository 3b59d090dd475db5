"""How much each pixel counts by its distance to the nearest border of its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

__all__ = ["BorderWeightConfig", "BorderWeights"]


@dataclass(frozen=True, kw_only=True)
class BorderWeightConfig:
    """Weights of pixels by their distance to a border."""

    distances: tuple[float, ...] = (4.0, 16.0, 64.0, 128.0)
    """Distances, in pixels, at which the weight changes."""
    weights: tuple[float, ...] = (8.0, 6.0, 4.0, 2.0, 1.0)
    """Weights nearer than the first distance, from it on up to the second, and so on."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.distances), self.distances, strict=False))
        if not rising or len(self.weights) != len(self.distances) + 1 or min(self.weights) < 0:
            raise ConfigError(
                f"border weights {self.weights} at the distances {self.distances} are impossible",
                fix="give rising distances over 0 and one weight of 0 or more for each, and one more",
            )

    def build(self) -> BorderWeights:
        """The weights."""
        return BorderWeights(self)


class BorderWeights:
    """Weighs every pixel of a mask; see `BorderWeightConfig`."""

    def __init__(self, config: BorderWeightConfig) -> None:
        self._config = config

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The weights of a mask.

        Args:
            ids: (H, W) uint8 class ids, 255 = ignore.

        Returns:
            (H, W) float32; 0 where ignored.
        """
        raise NotImplementedError
