"""CamVid: small networks at the pictures' own 480 x 360, 11 classes; ENet in its two phases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..datasets import AugmentConfig
from ..losses import LogitKDConfig
from ..models import DeepLabV3PlusConfig, EncoderConfig, ENetConfig, LRASPPConfig, ModelConfig
from ..training import (
    DataConfig,
    DistillationConfig,
    OptimizerConfig,
    PhaseConfig,
    ScheduleConfig,
    TrainConfig,
)

__all__ = [
    "camvid_enet",
    "camvid_enet_12",
    "camvid_mnv2_deeplab",
    "camvid_mnv2_lraspp",
    "camvid_mnv4s_deeplab",
    "camvid_mnv4s_lraspp",
    "camvid_mnv4s_lraspp_kd",
]


def camvid_enet() -> TrainConfig:
    """ENet as published, 11 classes, void ignored: the encoder on small labels, then the whole network."""
    # The paper: Adam 5e-4, decay 2e-4, batch 10, classes weighed by 1 / ln(1.02 + share), and no word of
    # augmentation; pieces at about their own scale keep 367 pictures from being learnt by heart.
    adam = OptimizerConfig(kind="adam", lr=5e-4, weight_decay=2e-4)
    return TrainConfig(
        name="camvid-enet",
        model=ENetConfig(),
        data=DataConfig(
            root=(Path("data/camvid"),),
            batch_size=10,
            crop_hw=(192, 256),
            eval_hw=(360, 480),
            augment=AugmentConfig(zoom=(0.75, 1.5)),
        ),
        optimizer=adam,
        class_balance="enet",
        epochs=60,
        validate_every=0.1,
        phases=(
            PhaseConfig(
                model=ENetConfig(encoder_only=True),
                epochs=45,
                optimizer=adam,
                schedule=ScheduleConfig(),
            ),
        ),
    )


def camvid_enet_12() -> TrainConfig:
    """The same with void as a twelfth class, as the source counts: convert with --labels camvid12."""
    config = camvid_enet()
    data = replace(config.data, root=(Path("data/camvid12"),))
    return replace(config, name="camvid-enet-12", data=data)


def camvid_mnv2_deeplab() -> TrainConfig:
    """DeepLabV3+ MobileNetV2 on CamVid; give the encoder's weights with --weights. Ours: 71.1 % mIoU on val."""
    encoder = EncoderConfig(name="mobilenetv2_100", output_stride=16)
    return _pretrained(
        _config("camvid-mnv2-deeplab", DeepLabV3PlusConfig(encoder=encoder, channels=128))
    )


def camvid_mnv2_lraspp() -> TrainConfig:
    """LR-ASPP MobileNetV2 on CamVid; give the encoder's weights with --weights."""
    encoder = EncoderConfig(name="mobilenetv2_100", output_stride=16)
    return _pretrained(_config("camvid-mnv2-lraspp", LRASPPConfig(encoder=encoder)))


def camvid_mnv4s_deeplab() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-S on CamVid."""
    return _config(
        "camvid-mnv4s-deeplab", DeepLabV3PlusConfig(encoder=EncoderConfig(output_stride=16))
    )


def camvid_mnv4s_lraspp() -> TrainConfig:
    """LR-ASPP MobileNetV4-S on CamVid."""
    return _config("camvid-mnv4s-lraspp", LRASPPConfig())


def camvid_mnv4s_lraspp_kd() -> TrainConfig:
    """The same student, taught by camvid-mnv2-deeplab for the same number of steps."""
    teacher = DistillationConfig(
        teacher=(Path("runs/camvid-mnv2-deeplab"),), losses=(LogitKDConfig(resolution="input"),)
    )
    config = camvid_mnv4s_lraspp()
    return replace(config, name="camvid-mnv4s-lraspp-kd", distillation=teacher)


def _config(name: str, model: ModelConfig) -> TrainConfig:
    return TrainConfig(
        name=name,
        model=model,
        data=DataConfig(
            root=(Path("data/camvid"),), batch_size=8, crop_hw=(256, 320), eval_hw=(352, 480)
        ),
        optimizer=OptimizerConfig(lr=1e-3, weight_decay=1e-2),
        schedule=ScheduleConfig(warmup_steps=100),
        epochs=60,
        ema_decay=0.998,
    )


def _pretrained(config: TrainConfig) -> TrainConfig:
    """The config for an encoder that already knows something: it learns more slowly than the rest."""
    return replace(config, optimizer=replace(config.optimizer, encoder_lr_factor=0.3))
