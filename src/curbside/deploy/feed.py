"""Calibration pictures as quantisers ask for them."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..progress import track
from ..runtime import NetworkPredictor
from .calibration import CalibrationSet

__all__ = ["Feed", "quiet"]


class Feed:
    """The pictures of a set as a network takes them, behind a progress bar, as often as one walks over
    them; `get_next` is ONNX Runtime's way to walk.

    Args:
        predictor: The float network, which prepares the pictures; it stays open.
        calibration: The set.
    """

    def __init__(self, predictor: NetworkPredictor[Any], calibration: CalibrationSet) -> None:
        self._predictor, self._samples = predictor, calibration.samples
        self._walk: Iterator[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[np.ndarray]:
        for sample in track(self._samples, total=len(self), description="calibrating"):
            yield self._predictor.prepare(sample.read_bgr())

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next tensor by the name of the input; None after the last."""
        if self._walk is None:
            self._walk = iter(self)
        tensor = next(self._walk, None)
        return None if tensor is None else {self._predictor.manifest.input.name: tensor}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the remarks of quantisers, and the bars that they write to the standard output, away."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
