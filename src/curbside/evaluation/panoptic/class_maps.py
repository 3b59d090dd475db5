"""Fused pictures as class maps, for data whose objects nobody counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...labels import IGNORE_ID
from ...manifest import Manifest, OutputSpec
from ...results import SemanticResult
from .scoring import PanopticPredictor

__all__ = ["FusedClassMaps"]


class FusedClassMaps:
    """The classes of fused pictures alone, as `evaluate` asks for them: those of the semantic network.
    Where an object is of none of them, nothing is said (255).

    Args:
        predictor: The two networks.
    """

    def __init__(self, predictor: PanopticPredictor) -> None:
        self._predictor = predictor
        self._table = np.full(256, IGNORE_ID, np.uint8)
        known = list(predictor.semantic.manifest.space.ids)
        self._table[known] = known

    @property
    def manifest(self) -> Manifest:
        """The semantic network's, without probabilities."""
        networks = {
            "semantic": self._predictor.semantic.manifest,
            "instances": self._predictor.instances.manifest,
        }
        return replace(
            networks["semantic"],
            outputs=(OutputSpec(name="ids", meaning="ids"),),
            model=self._predictor.title,
            source={f"{k} {n}": v for n, m in networks.items() for k, v in m.source.items()},
            temperature_scaling=None,
            threshold=None,
        )

    @property
    def precision(self) -> str:
        """What they really run in."""
        return self._predictor.precision

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """The classes on a frame, (H, W, 3) uint8."""
        result = self._predictor(frame_bgr)
        return SemanticResult(ids=self._table[result.ids], space=self.manifest.space)
