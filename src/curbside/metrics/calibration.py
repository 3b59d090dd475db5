"""How far confidence can be believed: the expected calibration error, exact and streaming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..labels import IGNORE_ID
from .confusion import check_maps

__all__ = ["Calibration", "Reliability"]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """What a reliability diagram shows, bin by bin; nan where a bin is empty."""

    edges: np.ndarray
    """Bounds of the bins, (B + 1,) float64 from 0 to 1."""
    share: np.ndarray
    """Share of the pixels in each bin, (B,) float64."""
    confidence: np.ndarray
    """Mean confidence in each bin, (B,) float64."""
    accuracy: np.ndarray
    """Share of right predictions in each bin, (B,) float64."""


class Calibration:
    """Confidence against accuracy, in equal bins.

    A bin holds the confidences from its lower bound up to but without its upper one, and the last
    bin holds 1 too: [lower, upper). That is torchmetrics' rule, but for one thing: it puts
    confidences of exactly 1 in a bin of their own, so its error can be larger where a network
    saturates.

    Args:
        bins: Number of fine bins. Any coarser number that divides it is exact too, since fine bins
            nest in coarse ones: 1,500 serve 15.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """

    def __init__(self, bins: int = 1500) -> None:
        if not 1 <= bins <= 65_535:
            raise ValueError(f"bins must be 1..65535, not {bins}")
        self.bins = bins
        self._count = np.zeros(bins, np.int64)
        self._correct = np.zeros(bins, np.int64)
        self._confidence = np.zeros(bins, np.float64)

    def update(self, confidence: np.ndarray, ids: np.ndarray, target: np.ndarray) -> None:
        """Count the pixels of a picture.

        Args:
            confidence: Probability of the predicted class, (H, W) float32 in 0..1.
            ids: Predicted classes, (H, W) uint8.
            target: True classes, (H, W) uint8; pixels of 255 are ignored.
        """
        check_maps(ids, target)
        if confidence.shape != ids.shape:
            raise ValueError(f"confidence is {confidence.shape}, ids are {ids.shape}")
        valid = np.flatnonzero(target != IGNORE_ID)
        values = np.asarray(confidence, np.float32).ravel()[valid]
        right = (ids == target).ravel()[valid]
        index = (values * np.float32(self.bins)).astype(np.int64)
        np.clip(index, 0, self.bins - 1, out=index)
        self._confidence += np.bincount(index, weights=values, minlength=self.bins)
        index += right * np.int64(self.bins)
        wrong, correct = np.bincount(index, minlength=2 * self.bins).reshape(2, self.bins)
        self._count += wrong + correct
        self._correct += correct

    def __iadd__(self, other: Calibration) -> Calibration:
        """Add the pixels that another calibration with the same bins has counted."""
        if other.bins != self.bins:
            raise ValueError(f"cannot add {other.bins} bins to {self.bins}")
        self._count += other._count
        self._correct += other._correct
        self._confidence += other._confidence
        return self

    @property
    def count(self) -> int:
        """Pixels counted so far."""
        return int(self._count.sum())

    def ece(self, bins: int = 15) -> float:
        """Expected calibration error, 0..1: mean over pixels of |accuracy - confidence| by bin.

        Args:
            bins: Number of equal bins; must divide the fine ones. nan before the first pixel.
        """
        _, correct, confidence = self._grouped(bins)
        return (
            float(np.abs(correct - confidence).sum() / self.count) if self.count else float("nan")
        )

    def fine_ece(self) -> float:
        """`ece` over all the fine bins."""
        return self.ece(self.bins)

    def reliability(self, bins: int = 15) -> Reliability:
        """Accuracy against confidence, for the diagram.

        Args:
            bins: Number of equal bins; must divide the fine ones.
        """
        count, correct, confidence = self._grouped(bins)
        with np.errstate(invalid="ignore", divide="ignore"):
            return Reliability(
                edges=np.linspace(0, 1, bins + 1),
                share=count / count.sum(),
                confidence=confidence / count,
                accuracy=correct / count,
            )

    def _grouped(self, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if bins < 1 or self.bins % bins:
            raise ValueError(f"{bins} bins do not divide the {self.bins} fine ones")
        parts = (self._count, self._correct, self._confidence)
        count, correct, confidence = (part.reshape(bins, -1).sum(axis=1) for part in parts)
        return count, correct, confidence
