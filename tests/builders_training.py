"""Tiny runs for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from curbside.datasets import AugmentConfig
from curbside.models import LRASPPConfig
from curbside.training import DataConfig, OptimizerConfig, TrainConfig

__all__ = ["tiny_run"]


def tiny_run(root: Path, out: Path, *, space: str | None = None, **changes: Any) -> TrainConfig:
    """A run of LR-ASPP on pictures of 64 x 96, in float32 on the CPU, seconds long.

    Args:
        root: A prepared folder.
        out: The run folder.
        space: Label space to train in.
        changes: Other settings.
    """
    config = TrainConfig(
        name="tiny",
        model=LRASPPConfig(channels=32),
        data=DataConfig(
            root=(root,),
            space=space,
            batch_size=4,
            crop_hw=(64, 96),
            eval_hw=(64, 96),
            workers=0,
            augment=AugmentConfig(scale=(0.8, 1.0)),
        ),
        optimizer=OptimizerConfig(lr=5e-3),
        precision="fp32",
        accelerator="cpu",
        out=out,
    )
    return replace(config, **changes)
