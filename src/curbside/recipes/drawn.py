"""Drawn scenes: the recipes of `curbside demo`, and a place to try things within minutes on a CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..losses import DepthLossConfig, LogitKDConfig
from ..models import (
    DeepLabV3PlusConfig,
    EncoderConfig,
    LightWeightRefineNetConfig,
    LRASPPConfig,
    ModelConfig,
)
from ..training import (
    DataConfig,
    DepthConfig,
    DistillationConfig,
    OptimizerConfig,
    ScheduleConfig,
    TaskWeightingConfig,
    TrainConfig,
)

__all__ = ["drawn_joint", "drawn_student", "drawn_student_kd", "drawn_teacher"]


def drawn_teacher() -> TrainConfig:
    """DeepLabV3+ ResNet-18 on drawn scenes, from random weights."""
    encoder = EncoderConfig(name="resnet18", stages=4)
    return _config("drawn-teacher", DeepLabV3PlusConfig(encoder=encoder, channels=96, dropout=0.1))


def drawn_student() -> TrainConfig:
    """LR-ASPP MobileNetV4-S on drawn scenes, alone."""
    return _config(
        "drawn-student",
        LRASPPConfig(encoder=EncoderConfig(name="mobilenetv4_conv_small", stages=4)),
    )


def drawn_student_kd() -> TrainConfig:
    """The same student for the same number of steps, taught by `drawn-teacher`."""
    distillation = DistillationConfig(
        teacher=(Path("runs/drawn-teacher"),), losses=(LogitKDConfig(temperature=4.0),)
    )
    return replace(drawn_student(), name="drawn-student-kd", distillation=distillation)


def drawn_joint() -> TrainConfig:
    """HydraNet MobileNetV2 on drawn scenes of which none has both a mask and depth: half of every batch has
    the one, half the other. `--tasks semantic` and `--tasks depth` with `--data.mix` left empty train
    either alone, on its half of the scenes.

    Draw them with `curbside scenes data/drawn-apart --layout prepared --train 400 --val 80
    --train-annotations semantic depth`. Scores: `docs/results.md`.
    """
    return TrainConfig(
        name="drawn-joint",
        model=LightWeightRefineNetConfig(depth="uncapped"),
        data=DataConfig(
            root=(Path("data/drawn-apart"),),
            mix=(("semantic", 1.0), ("depth", 1.0)),
            batch_size=8,
            crop_hw=(96, 176),
            eval_hw=(128, 224),
            workers=1,
        ),
        tasks="semantic+depth",
        depth=DepthConfig(loss=DepthLossConfig(kind="silog")),
        weighting=TaskWeightingConfig(kind="uncertainty"),
        optimizer=OptimizerConfig(lr=1e-3, weight_decay=1e-2, encoder_lr_factor=0.3),
        schedule=ScheduleConfig(warmup_steps=20),
        steps=500,
        ema_decay=0.995,
        checkpoint_every=100,
    )


def _config(name: str, model: ModelConfig) -> TrainConfig:
    # From random weights within a minute or two, many small steps learn more than few large ones.
    return TrainConfig(
        name=name,
        model=model,
        data=DataConfig(
            root=(Path("data/drawn"),),
            batch_size=4,
            crop_hw=(160, 256),
            eval_hw=(192, 320),
            workers=1,
        ),
        optimizer=OptimizerConfig(lr=2e-3, weight_decay=1e-2),
        schedule=ScheduleConfig(warmup_steps=20),
        steps=700,
        ema_decay=0.995,
        checkpoint_every=100,
    )
