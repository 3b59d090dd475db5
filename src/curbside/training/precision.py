"""The arithmetic that a run computes in."""

from __future__ import annotations

from typing import Literal

import torch

from ..hardware import computes_bf16
from .run_config import LoopConfig

__all__ = ["LightningPrecision", "half_dtype", "lightning_precision"]

LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
_NAMES: dict[str, LightningPrecision] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def lightning_precision(config: LoopConfig) -> LightningPrecision:
    """A run's precision as Lightning calls it; `auto` becomes what suits this machine."""
    if config.precision != "auto":
        return _NAMES[config.precision]
    if config.accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if computes_bf16() else "32-true"


def half_dtype(precision: str) -> torch.dtype:
    """What a network that only looks on computes in, where the run has a precision of Lightning's."""
    return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision, torch.float32)
