"""Single objects by a network of our own: five classes of IDD, and drawn scenes within minutes on a CPU.

Give the encoder's weights with --weights.
"""

from __future__ import annotations

from pathlib import Path

from ..datasets import AugmentConfig
from ..models import load_instance_network
from ..training import InstanceTrainConfig, ObjectDataConfig, OptimizerConfig, ScheduleConfig

__all__ = ["drawn_instances", "idd_prototype_masks_mnv2", "idd_prototype_masks_mnv4s"]


def drawn_instances() -> InstanceTrainConfig:
    """Prototype masks MobileNetV2 on drawn scenes: a place to try things within minutes on a CPU."""
    return InstanceTrainConfig(
        name="drawn-instances",
        model=load_instance_network("prototype-masks-mobilenetv2"),
        data=ObjectDataConfig(
            root=(Path("data/drawn"),),
            batch_size=8,
            # Whole pictures are scored at a size that lies amid those that pieces of them are learnt at.
            crop_hw=(192, 320),
            eval_hw=(224, 384),
            workers=1,
            augment=AugmentConfig(scale=(0.3, 1.0)),
            val_pictures=100,
        ),
        optimizer=OptimizerConfig(lr=1.5e-3, weight_decay=1e-2, clip_norm=10.0),
        schedule=ScheduleConfig(kind="cosine", warmup_steps=50),
        steps=1000,
        validate_every=0.2,
        ema_decay=0.998,
        checkpoint_every=100,
    )


def idd_prototype_masks_mnv2() -> InstanceTrainConfig:
    """Prototype masks MobileNetV2 on IDD's five classes, 512 x 512, 100 epochs: the settings of the edge project."""
    return _idd("idd-prototype-masks-mnv2", "prototype-masks-mobilenetv2")


def idd_prototype_masks_mnv4s() -> InstanceTrainConfig:
    """Prototype masks MobileNetV4-S on IDD's five classes, 512 x 512, 100 epochs: the settings of the edge project."""
    return _idd("idd-prototype-masks-mnv4s", "prototype-masks-mobilenetv4s")


def _idd(name: str, network: str) -> InstanceTrainConfig:
    return InstanceTrainConfig(
        name=name,
        model=load_instance_network(network),
        data=ObjectDataConfig(
            root=(Path("data/idd"),),
            classes=("idd5",),
            batch_size=32,
            crop_hw=(512, 512),
            eval_hw=(512, 512),
            workers=8,
            augment=AugmentConfig(scale=(0.2, 1.0)),
            val_pictures=500,
        ),
        optimizer=OptimizerConfig(lr=1e-3, weight_decay=5e-2, clip_norm=10.0),
        schedule=ScheduleConfig(kind="cosine", warmup_steps=1000),
        epochs=100,
        ema_decay=0.9998,
    )
