"""Fused pictures as class maps, for data whose objects nobody counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...manifest import Manifest, OutputSpec
from ...results import SemanticResult
from .scoring import PanopticPredictor

__all__ = ["FusedClassMaps"]


class FusedClassMaps:
    """The classes of fused pictures alone, as `evaluate` asks for them.

    Args:
        predictor: The two networks.
    """

    def __init__(self, predictor: PanopticPredictor) -> None:
        self._predictor = predictor

    @property
    def manifest(self) -> Manifest:
        """The semantic network's, with what the fused classes are called; they have no probabilities."""
        networks = {
            "semantic": self._predictor.semantic.manifest,
            "instances": self._predictor.instances.manifest,
        }
        return replace(
            networks["semantic"],
            outputs=(OutputSpec(name="ids", meaning="ids"),),
            space=self._predictor.space,
            model=self._predictor.title,
            source={f"{k} {n}": v for n, m in networks.items() for k, v in m.source.items()},
            temperature_scaling=None,
        )

    @property
    def precision(self) -> str:
        """What they really run in."""
        return self._predictor.precision

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """The classes on a frame, (H, W, 3) uint8."""
        result = self._predictor(frame_bgr)
        return SemanticResult(ids=result.ids, space=result.space)
