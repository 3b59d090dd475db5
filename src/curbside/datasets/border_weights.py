"""How much each pixel counts by its distance to the nearest border of its class.

The weights only ask which of a few distances a pixel is within, and that needs no transform per class.
Say a pixel is p, and q one in its column whose row holds another class g pixels away. Then p is within
sqrt((p - q)^2 + g^2) of another class than its own: where q is of p's class that pixel in the row is
foreign to p; where q is not, q itself is, and nearer. So each pixel of a column reaches a known number of
pixels up and down, whatever the classes are, and what is reached is near a border: exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import ConfigError
from ..labels import IGNORE_ID

__all__ = ["BorderWeightConfig", "BorderWeights"]


@dataclass(frozen=True, kw_only=True)
class BorderWeightConfig:
    """Weights of pixels by their distance to a border."""

    distances: tuple[float, ...] = (4.0, 16.0, 64.0, 128.0)
    """Distances, in pixels, at which the weight changes; up to 255."""
    weights: tuple[float, ...] = (8.0, 6.0, 4.0, 2.0, 1.0)
    """Weights nearer than the first distance, from it on up to the second, and so on."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.distances), self.distances, strict=False))
        in_reach = rising and max(self.distances, default=0) <= 255
        if not in_reach or len(self.weights) != len(self.distances) + 1 or min(self.weights) < 0:
            raise ConfigError(
                f"border weights {self.weights} at the distances {self.distances} are impossible",
                fix="give rising distances over 0 and up to 255, and one weight of 0 or more for each, "
                "and one more",
            )

    def build(self) -> BorderWeights:
        """The weights."""
        return BorderWeights(self)


class BorderWeights:
    """Weighs every pixel of a mask by its Euclidean distance to the nearest pixel of another class.

    Ignored pixels are another class too, so a border to them is a border; themselves they weigh 0. The
    picture's edge is none: in a picture of one class, every pixel is infinitely far from a border.

    Source: Orsic and Segvic 2021, Efficient semantic segmentation with pyramidal fusion. Their public
    code measures by OpenCV's 5x5 approximation; this is exact.
    """

    def __init__(self, config: BorderWeightConfig) -> None:
        self._most = max(0, math.ceil(max(config.distances, default=0)) - 1)
        self._straight = [math.ceil(distance) - 1 for distance in config.distances]
        self._aside = [self._reaches(distance) for distance in config.distances]
        self._weights = np.zeros(256, np.float32)  # by the number of distances a pixel is within
        self._weights[: len(config.weights)] = config.weights[::-1]

    def _reaches(self, distance: float) -> np.ndarray:
        """(256,) uint8, how many pixels, itself included, one of every nearness puts within a distance."""
        along = np.arange(self._most + 1)
        counts = np.zeros(256, np.uint8)
        for away in range(1, self._most + 1):
            near = np.sqrt(along**2 + away**2) < distance
            counts[self._most + 1 - away] = np.count_nonzero(near)
        return counts

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The weights of a mask.

        Args:
            ids: (H, W) uint8 class ids, 255 = ignore.

        Returns:
            (H, W) float32; 0 where ignored.
        """
        # Nearness in the row: `_most` at distance 1, one less per pixel, 0 where it matters no more.
        turned = _beside_border(cv2.transpose(ids)) * np.uint8(self._most)
        _spread(turned, self._most)
        nearness = cv2.transpose(turned)
        beside = _beside_border(ids)
        within = np.zeros(ids.shape, np.uint8)
        for aside, straight in zip(self._aside, self._straight, strict=True):
            reach = np.maximum(cv2.LUT(nearness, aside), beside * np.uint8(straight))
            _spread(reach, int(aside.max()))
            within += reach > 0
        weights = cv2.LUT(within, self._weights)
        weights[ids == IGNORE_ID] = 0
        return weights


def _beside_border(ids: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 1 where the pixel above or below is of another class."""
    changes = ids[1:] != ids[:-1]
    beside = np.zeros(ids.shape, np.uint8)
    beside[1:] = changes
    beside[:-1] |= changes
    return beside


def _spread(values: np.ndarray, most: int) -> None:
    """Raise every value, in place, to what those above and below still are when they get there, losing
    one per pixel.

    Args:
        values: (H, W) uint8.
        most: The largest of them.
    """
    lost, left = np.empty_like(values), np.empty_like(values)
    stride = 1
    while stride < min(most, len(values)):  # strides of 1, 2, 4, ... add up to every way
        lost.fill(stride)  # an array, for numpy is slow at the minimum with a scalar
        np.subtract(values, np.minimum(values, lost, out=lost), out=left)
        np.maximum(values[stride:], left[:-stride], out=values[stride:])
        np.maximum(values[:-stride], left[stride:], out=values[:-stride])
        stride *= 2
