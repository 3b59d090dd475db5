"""Do the calibration pictures look like what the network will see?"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...manifest import Manifest
from ..calibration import CalibrationPicture, CalibrationSet
from .turns import pictures_of

__all__ = ["doubts"]

_PICTURES = 32
_FAR = 3.0
"""Spreads between two sets of pictures beyond which they are taken for different scenes."""
_LEAST_SPREAD = 4.0
_SMALL = 2.0


def doubts(
    calibration: CalibrationSet, pictures: Sequence[CalibrationPicture], manifest: Manifest
) -> list[str]:
    """What speaks against a set of calibration pictures, a sentence each.

    Args:
        calibration: The set.
        pictures: What the network is scored on.
        manifest: The network's.
    """
    found = []
    learned = (manifest.source.get("dataset") or {}).get("source")
    if learned and calibration.source not in (learned, "pictures", "tensors"):
        found.append(
            f"the calibration pictures are {calibration.source}, the network learned from {learned}:"
            " ranges of other scenes cost accuracy"
        )
    frames, others = (pictures_of(items, _PICTURES) for items in (calibration.samples, pictures))
    one, two = (np.stack([_look(frame) for frame in items]) for items in (frames, others))
    spread = np.maximum((one.std(axis=0) + two.std(axis=0)) / 2, _LEAST_SPREAD)
    away = np.abs(np.median(one, axis=0) - np.median(two, axis=0)) / spread
    if away.max() > _FAR:
        what = ("brightness", "contrast", "colour")[int(np.argmax(away))]
        values = np.median(one, axis=0)[away.argmax()], np.median(two, axis=0)[away.argmax()]
        found.append(
            f"the calibration pictures do not look like what is scored: median {what}"
            f" {values[0]:.0f} against {values[1]:.0f}"
        )
    height, width = manifest.input.size_hw
    small = sum(len(f) * _SMALL < height or f.shape[1] * _SMALL < width for f in frames)
    if small:
        found.append(
            f"{small} of {len(frames)} calibration pictures looked at are less than half of the"
            f" network's {width} x {height} pixels and are blown up: their ranges are those of blur"
        )
    return found


def _look(frame_bgr: np.ndarray) -> np.ndarray:
    """Brightness, contrast and colourfulness of a picture, each in 0..255: (3,)."""
    small = cv2.resize(frame_bgr, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small.mean(axis=2)
    return np.array([grey.mean(), grey.std(), np.ptp(small, axis=2).mean()])
