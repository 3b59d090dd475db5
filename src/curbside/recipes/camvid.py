"""CamVid: small networks at the pictures' own 480 x 360, 11 classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..losses import LogitKDConfig
from ..models import DeepLabV3PlusConfig, EncoderConfig, LRASPPConfig, ModelConfig
from ..training import DataConfig, DistillationConfig, OptimizerConfig, ScheduleConfig, TrainConfig

__all__ = [
    "camvid_mnv2_deeplab",
    "camvid_mnv2_lraspp",
    "camvid_mnv4s_deeplab",
    "camvid_mnv4s_lraspp",
    "camvid_mnv4s_lraspp_kd",
]


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
