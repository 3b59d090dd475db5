"""Road or not: one score for every pixel, learnt from any dataset whose classes say what road is.

`--data.space road2` makes that task of any prepared folder, by the taxonomy; `--network NAME` takes
another decoder, `--loss NAME` another loss. Give the encoder's weights with --weights.
"""

from __future__ import annotations

from pathlib import Path

from ..losses import BCEDiceConfig
from ..models import UnetConfig
from ..training import DataConfig, OptimizerConfig, ScheduleConfig, TrainConfig

__all__ = ["iddlite_road"]


def iddlite_road() -> TrainConfig:
    """Road or not on IDD-Lite at 320 x 224: U-Net MobileNetV2, soft BCE + Dice; try --network."""
    return TrainConfig(
        name="iddlite-road",
        model=UnetConfig(),
        data=DataConfig(
            root=(Path("data/idd-lite"),),
            space="road2",
            batch_size=16,
            crop_hw=(160, 224),
            eval_hw=(224, 320),
        ),
        loss=BCEDiceConfig(),
        optimizer=OptimizerConfig(lr=1e-3, weight_decay=1e-2, encoder_lr_factor=0.3),
        schedule=ScheduleConfig(warmup_steps=50),
        epochs=8,
        validate_every=0.125,
        ema_decay=0.99,
    )
