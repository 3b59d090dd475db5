"""What a pipeline gives with every frame, and what it did in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from ...metrics.timing import LatencySummary
from ..sources import Frame

__all__ = ["PipelineStats", "Shown"]

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[Result]):
    """A frame that went all the way through."""

    frame: Frame
    """The frame."""
    result: Result
    """What the predictor found in it; None where it failed on it, which only happens under supervision."""
    picture_bgr: np.ndarray
    """What was drawn, (H, W, 3) uint8; the frame itself where nothing draws."""
    captured_s: float
    """When it was taken, by `time.perf_counter`; a frame of a file, when it was read."""
    age_ms: float
    """From then until it was handed over."""
    stages_ms: Mapping[str, float]
    """What every stage took on this frame."""
    predictor: Any
    """What looked at it."""


@dataclass(frozen=True, kw_only=True)
class PipelineStats:
    """What a pipeline did."""

    frames: int
    """Frames that went all the way through."""
    dropped: int
    """Frames of a live source that a newer one replaced."""
    late: int = 0
    """Frames over the latency budget: of a live source those left out before the network, and those
    that were shown all the same."""
    wall_s: float
    """From the start to the last frame, in seconds."""
    stages: dict[str, LatencySummary]
    """Latency of every stage, in milliseconds; `latency` is from captured to drawn."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """Faults by stage."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.wall_s if self.wall_s else 0.0
