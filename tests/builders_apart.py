"""A tiny prepared folder whose pictures have a mask or depth, and runs that learn from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from builders_training import tiny_run

from curbside.datasets import AugmentConfig
from curbside.labels import LabelSpace, load_space
from curbside.models import EncoderConfig, LightWeightRefineNetConfig
from curbside.prepared import PreparedWriter, SampleData, write_sample
from curbside.training import OptimizerConfig, TrainConfig

__all__ = ["HYDRA", "apart_folder", "apart_run"]

SIZE = (32, 48)
ENCODER = EncoderConfig(name="mobilenetv2_035", every_block=True, pretrained=False)
HYDRA = LightWeightRefineNetConfig(encoder=ENCODER, depth="capped", max_depth_m=20.0)


def apart_folder(
    root: Path,
    *,
    train: int = 8,
    val: int = 6,
    space: LabelSpace | str = "camvid11",
    told: tuple[str, ...] = ("semantic", "depth"),
) -> Path:
    """Pictures of 32 x 48 that have in turns one of the targets. The focal length of those to learn from is
    60 px, of those to score on 90."""
    space = load_space(space) if isinstance(space, str) else space
    writer = PreparedWriter(root, space=space, source="test", options={})
    for number in range(train + val):
        rng = np.random.default_rng(number)
        split = "train" if number < train else "val"
        ids = rng.integers(0, 2, (4, 6), np.uint8).repeat(8, 0).repeat(8, 1)
        metres = np.linspace(4, 16 + number, SIZE[1], dtype=np.float32)[None].repeat(SIZE[0], 0)
        target = told[number % len(told)]
        data = SampleData(
            id=f"p{number:02d}",
            split=split,
            image=np.stack([200 * ids, 90 + 0 * ids, 200 - 150 * ids], axis=-1),
            semantic=ids if target == "semantic" else None,
            depth_m=metres if target == "depth" else None,
            focal_xy_px=(60.0, 60.0) if split == "train" else (90.0, 90.0),
            tags={"weather": "dry"},
        )
        writer.add(write_sample(root, data, space))
    writer.finish()
    return root


def apart_run(root: Path, out: Path, **changes: Any) -> TrainConfig:
    """A run of a tiny HydraNet, both tasks and two steps long where nothing else is said."""
    given: dict[str, Any] = {
        "model": HYDRA,
        "tasks": "semantic+depth",
        "steps": 2,
        "validate_every": 2,
    }
    given["optimizer"] = OptimizerConfig(lr=1e-4)
    config = tiny_run(root, out, **{**given, **changes})
    plain = AugmentConfig(scale=(1, 1), ratio=(1, 1), brightness=0, contrast=0, saturation=0)
    return replace(config, data=replace(config.data, augment=plain, crop_hw=SIZE, eval_hw=SIZE))
