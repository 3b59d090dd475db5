"""`fit(config)`: train, or go on training, into a run folder. One entry for every kind of run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

from .run_config import RunConfig

__all__ = ["FitResult", "fit", "run_kinds"]


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What a run came to."""

    folder: Path
    """The run folder."""
    steps: int
    """Optimiser steps done."""
    best_score: float
    """Best score on the validation split while training, 0..1."""
    score_name: str
    """What that score is called, such as mIoU."""
    best_step: int
    """The step of that score; its weights are `model.safetensors`."""
    seconds: float
    """Wall time of this call."""
    resumed_at: int
    """The step this call started from."""
    rank: int
    """Number of this process among those that trained; the first, 0, is the one to report."""


@singledispatch
def fit(config: RunConfig) -> FitResult:
    """Train a network; take up an unfinished run of the same config where it stopped.

    A kind of run is a subclass of `RunConfig` for which this is registered.

    Args:
        config: The run.

    Returns:
        Where it is and how it scored.

    Raises:
        ConfigError: The settings cannot be, or the run folder holds another run.
        DataError: The data are missing or a split is empty.
    """
    raise NotImplementedError(f"nothing trains a {type(config).__name__}")


def run_kinds() -> dict[str, type[RunConfig]]:
    """The config of every kind of run by its name, as `config.json` holds it under `class`."""
    return {kind.__name__: kind for kind in fit.registry if issubclass(kind, RunConfig)}
