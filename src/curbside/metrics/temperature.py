"""Temperature scaling: one number by which scores are divided, so that confidence can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from ..labels import IGNORE_ID
from .calibration import Calibration

__all__ = [
    "TEMPERATURES",
    "SampledPixels",
    "calibration_at",
    "confidence_before",
    "fit_temperature",
    "negative_log_likelihood",
]

TEMPERATURES = (0.05, 20.0)
"""Where a temperature is looked for; one at its end means that nothing (or everything) was right."""
_STEPS = 60
_CHUNK = 2**16  # pixels
_TINY = np.finfo(np.float32).tiny  # of a probability: its logarithm is finite


class SampledPixels:
    """Probabilities of some pixels of many pictures, in bounded memory, to fit temperatures on.

    Every picture is divided into cells of equal size, and of each one pixel is drawn; the same
    ones every time.

    Args:
        num_classes: C.
        pictures: How many pictures are to come.
        budget: The most probabilities that are kept, over all pictures and classes.
    """

    def __init__(self, num_classes: int, *, pictures: int, budget: int = 2**23) -> None:
        self.num_classes = num_classes
        self._each = max(1, budget // (num_classes * max(1, pictures)))
        self._scores: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def update(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Draw from a picture.

        Args:
            probabilities: (C, H, W) float32 with sum 1 over the classes.
            target: True classes, (H, W) uint8; pixels of 255 are ignored.
        """
        rows, columns = _one_of_each_cell(target.shape, self._each, seed=len(self._targets))
        known = target[rows, columns] != IGNORE_ID
        rows, columns = rows[known], columns[known]
        drawn = np.maximum(probabilities[:, rows, columns].T, _TINY)  # (C, N) -> (N, C)
        self._scores.append(np.log(drawn, dtype=np.float32))
        self._targets.append(target[rows, columns])

    def of(self, pictures: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """What was drawn.

        Args:
            pictures: Which of the pictures, (P,) bool in the order of `update`; all where None.

        Returns:
            Logarithms of the probabilities, (N, C) float32, and true classes, (N,) uint8.
        """
        chosen = range(len(self._targets)) if pictures is None else np.flatnonzero(pictures)
        scores = [self._scores[i] for i in chosen] or [np.zeros((0, self.num_classes), np.float32)]
        targets = [self._targets[i] for i in chosen] or [np.zeros(0, np.uint8)]
        return np.concatenate(scores), np.concatenate(targets)


def _one_of_each_cell(
    size_hw: tuple[int, ...], count: int, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of about `count` pixels, one at a random place of each cell of a grid."""
    height, width = size_hw
    down = min(height, max(1, round(math.sqrt(count * height / width))))
    across = min(width, max(1, count // down))
    rng = np.random.default_rng(seed)
    rows, columns = (
        ((place + rng.random((down, across))) * (side / cells)).astype(np.intp).ravel()
        for place, side, cells in (
            (np.arange(down)[:, None], height, down),
            (np.arange(across)[None], width, across),
        )
    )
    return np.minimum(rows, height - 1), np.minimum(columns, width - 1)


def fit_temperature(scores: np.ndarray, target: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood, between 0.05 and 20.

    In 1 / T the loss is convex, so Newton's method, kept inside a shrinking interval, finds it.

    Args:
        scores: Logits, or logarithms of probabilities, which differ from them by a constant per
            pixel; (N, C) float, at least one pixel.
        target: True classes, (N,) integers.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    sharpness = 1.0
    for _ in range(_STEPS):
        slope = curvature = 0.0
        for part, truth in _chunks(scores, target):
            share = _softmax(part * sharpness)
            mean = (share * part).sum(axis=1)
            slope += float((mean - np.take_along_axis(part, truth, axis=1)[:, 0]).sum())
            curvature += float(((share * part**2).sum(axis=1) - mean**2).sum())
        low, high = (sharpness, high) if slope < 0 else (low, sharpness)
        following = sharpness - slope / curvature if curvature > 0 else low
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - sharpness) <= 1e-9 * sharpness:
            break
        sharpness = following
    return 1 / sharpness


def negative_log_likelihood(scores: np.ndarray, target: np.ndarray, temperature: float) -> float:
    """Mean over the pixels of -log p(true class) with the scores divided by a temperature, in nats.

    Args:
        scores: As for `fit_temperature`.
        target: True classes, (N,) integers.
        temperature: More than 0.
    """
    total = 0.0
    for part, truth in _chunks(scores, target):
        share = _softmax(part / temperature)
        total -= float(np.log(np.maximum(np.take_along_axis(share, truth, axis=1), 1e-300)).sum())
    return total / len(target)


def calibration_at(scores: np.ndarray, target: np.ndarray, temperature: float) -> Calibration:
    """Confidence against accuracy with the scores divided by a temperature.

    Args:
        scores: As for `fit_temperature`.
        target: True classes, (N,) uint8.
        temperature: More than 0.
    """
    found = Calibration()
    for part, truth in _chunks(scores, target):
        ids = part.argmax(axis=1).astype(np.uint8)
        confidence = _softmax(part / temperature).max(axis=1).astype(np.float32)
        found.update(confidence[None], ids[None], truth.astype(np.uint8).T)
    return found


def confidence_before(
    probabilities: np.ndarray, confidence: np.ndarray, temperature: float
) -> np.ndarray:
    """The confidence that a network would have without its temperature.

    The scores before are the logarithms of the probabilities times the temperature, up to a
    constant, so every probability is raised to the temperature and the sum brought to 1 again.

    Args:
        probabilities: Of scores that were divided by the temperature, (C, H, W) float32.
        confidence: The largest of them, (H, W) float32.
        temperature: What they were divided by.

    Returns:
        (H, W) float32.
    """
    total, share = np.zeros_like(confidence), np.empty_like(confidence)
    for plane in probabilities:
        np.divide(plane, confidence, out=share)
        cv2.pow(share, temperature, dst=share)
        total += share
    return np.reciprocal(total, out=total)


def _chunks(scores: np.ndarray, target: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces of (N, C) float64 scores with true classes as (N, 1) indices."""
    for start in range(0, len(target), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield scores[part].astype(np.float64), target[part, None].astype(np.intp)


def _softmax(scores: np.ndarray) -> np.ndarray:
    result = np.exp(scores - scores.max(axis=1, keepdims=True))
    result /= result.sum(axis=1, keepdims=True)
    return result
