"""A frame on its way through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..sources import Frame
from .slot import Predictor

__all__ = ["Job"]


@dataclass(slots=True)
class Job:
    """A frame on its way."""

    frame: Frame
    """The frame."""
    captured_s: float
    """When it was taken, by `time.perf_counter`."""
    predictor: Predictor[Any]
    """What looks at it."""
    began_s: float = 0.0
    """When the network began with it, by `time.monotonic`."""
    tensor: Any = None
    """What the network takes."""
    outputs: Any = None
    """What it gives."""
    failed: bool = False
    """Whether a stage failed on it."""
    left_out: bool = False
    """Whether it was too old for the network."""
    stages_ms: dict[str, float] = field(default_factory=dict)
    """What every stage took."""
