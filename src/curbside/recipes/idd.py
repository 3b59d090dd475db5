"""The IDD edge project: three label levels, four student and teacher pairs.

Settings are the source document's: 512 x 512, seed 42, random resized crops, flips, colour jitter,
AdamW; teachers 50 epochs at 1e-4, students 6e-4, T = 4, alpha = 1. Its encoders stop at stride 16
([32, 32, 64, 96] and [24, 48, 96, 192] channels). Figures in the docstrings are the best validation mIoU it reports
on IDD (12,872 training and 1,995 validation pictures); it compares baselines of 50 epochs with
distilled students of 125 or 100, so its differences are not those of distillation alone. The
document names no optimiser and no schedule; AdamW with a poly schedule is ours. So is the decoder's
exact form: the LR-ASPP student has its 0.345 M parameters (1.38 MB), the DeepLabV3+ students are
smaller than its files are (1.5 against 2.7 M for MobileNetV4-S).
"""

from __future__ import annotations

from pathlib import Path

from ..losses import LogitKDConfig
from ..models import DeepLabV3PlusConfig, EncoderConfig, LRASPPConfig, ModelConfig, UPerNetConfig
from ..training import DataConfig, DistillationConfig, OptimizerConfig, TrainConfig

__all__ = [
    "idd_level1_convnextb_upernet",
    "idd_level1_mnv4l_deeplab",
    "idd_level1_mnv4l_deeplab_alone",
    "idd_level1_mnv4l_deeplab_kd_convnextb",
    "idd_level1_mnv4s_deeplab_alone",
    "idd_level1_mnv4s_deeplab_kd_convnextb",
    "idd_level1_mnv4s_lraspp",
    "idd_level1_mnv4s_lraspp_kd",
    "idd_level1_mnv4s_lraspp_kd_convnextb",
    "idd_level2_convnextb_upernet",
    "idd_level2_mnv4l_deeplab",
    "idd_level2_mnv4l_deeplab_alone",
    "idd_level2_mnv4l_deeplab_kd_convnextb",
    "idd_level2_mnv4s_deeplab_alone",
    "idd_level2_mnv4s_deeplab_kd_convnextb",
    "idd_level2_mnv4s_lraspp",
    "idd_level2_mnv4s_lraspp_kd",
    "idd_level2_mnv4s_lraspp_kd_convnextb",
    "idd_level3_convnextb_upernet",
    "idd_level3_mnv4l_deeplab",
    "idd_level3_mnv4s_deeplab_alone",
    "idd_level3_mnv4s_deeplab_kd_convnextb",
    "idd_level3_mnv4s_lraspp",
    "idd_level3_mnv4s_lraspp_kd",
    "idd_level3_mnv4s_lraspp_kd_convnextb",
]


def _small_lraspp() -> ModelConfig:
    return LRASPPConfig(
        encoder=EncoderConfig(
            name="mobilenetv4_conv_small.e2400_r224_in1k", stages=4, pretrained=True
        )
    )


def _small_deeplab() -> ModelConfig:
    encoder = EncoderConfig(
        name="mobilenetv4_conv_small.e2400_r224_in1k", stages=4, pretrained=True
    )
    return DeepLabV3PlusConfig(encoder=encoder, separable=False)


def _large_deeplab() -> ModelConfig:
    encoder = EncoderConfig(name="mobilenetv4_conv_large.e600_r384_in1k", stages=4, pretrained=True)
    return DeepLabV3PlusConfig(encoder=encoder, separable=False)


def _convnext_upernet() -> ModelConfig:
    return UPerNetConfig(encoder=EncoderConfig(name="convnext_base", pretrained=True))


def _config(
    name: str,
    model: ModelConfig,
    *,
    level: int,
    epochs: float,
    lr: float,
    batch_size: int = 32,
    teacher: str | None = None,
) -> TrainConfig:
    return TrainConfig(
        name=name,
        model=model,
        data=DataConfig(root=(Path(f"data/idd-level{level}"),), batch_size=batch_size, workers=8),
        distillation=DistillationConfig(
            teacher=(Path("runs") / teacher,), losses=(LogitKDConfig(resolution="input"),)
        )
        if teacher
        else None,
        optimizer=OptimizerConfig(lr=lr, weight_decay=1e-4),
        epochs=epochs,
        seed=42,
    )


def idd_level1_mnv4l_deeplab() -> TrainConfig:
    """Teacher DeepLabV3+ MobileNetV4-L, 50 epochs. Source: 78.12 % mIoU."""
    return _config("idd-level1-mnv4l-deeplab", _large_deeplab(), level=1, epochs=50, lr=0.0001)


def idd_level1_mnv4s_lraspp() -> TrainConfig:
    """Student LR-ASPP MobileNetV4-S alone, 50 epochs. Source: 72.42 % mIoU."""
    return _config("idd-level1-mnv4s-lraspp", _small_lraspp(), level=1, epochs=50, lr=0.0006)


def idd_level1_mnv4s_lraspp_kd() -> TrainConfig:
    """The same student taught by MobileNetV4-L, 125 epochs. Source: 72.15 % mIoU."""
    return _config(
        "idd-level1-mnv4s-lraspp-kd",
        _small_lraspp(),
        level=1,
        epochs=125,
        lr=0.0006,
        teacher="idd-level1-mnv4l-deeplab",
    )


def idd_level1_convnextb_upernet() -> TrainConfig:
    """Teacher UPerNet ConvNeXt-B, 50 epochs, batch 24. Source: 81.92 % mIoU."""
    return _config(
        "idd-level1-convnextb-upernet",
        _convnext_upernet(),
        level=1,
        epochs=50,
        lr=0.0001,
        batch_size=24,
    )


def idd_level1_mnv4s_lraspp_kd_convnextb() -> TrainConfig:
    """LR-ASPP MobileNetV4-S taught by ConvNeXt-B, 100 epochs. Source: 71.85 % mIoU."""
    return _config(
        "idd-level1-mnv4s-lraspp-kd-convnextb",
        _small_lraspp(),
        level=1,
        epochs=100,
        lr=0.0006,
        batch_size=24,
        teacher="idd-level1-convnextb-upernet",
    )


def idd_level1_mnv4l_deeplab_kd_convnextb() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-L taught by ConvNeXt-B, 125 epochs. Source: 78.87 % mIoU."""
    return _config(
        "idd-level1-mnv4l-deeplab-kd-convnextb",
        _large_deeplab(),
        level=1,
        epochs=125,
        lr=0.0006,
        teacher="idd-level1-convnextb-upernet",
    )


def idd_level1_mnv4s_deeplab_kd_convnextb() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-S taught by ConvNeXt-B, 125 epochs. Source: 76.25 % mIoU."""
    return _config(
        "idd-level1-mnv4s-deeplab-kd-convnextb",
        _small_deeplab(),
        level=1,
        epochs=125,
        lr=0.0006,
        teacher="idd-level1-convnextb-upernet",
    )


def idd_level2_mnv4l_deeplab() -> TrainConfig:
    """Teacher DeepLabV3+ MobileNetV4-L, 50 epochs. Source: 67.61 % mIoU."""
    return _config("idd-level2-mnv4l-deeplab", _large_deeplab(), level=2, epochs=50, lr=0.0001)


def idd_level2_mnv4s_lraspp() -> TrainConfig:
    """Student LR-ASPP MobileNetV4-S alone, 50 epochs. Source: 59.34 % mIoU."""
    return _config("idd-level2-mnv4s-lraspp", _small_lraspp(), level=2, epochs=50, lr=0.0006)


def idd_level2_mnv4s_lraspp_kd() -> TrainConfig:
    """The same student taught by MobileNetV4-L, 125 epochs. Source: 59.67 % mIoU."""
    return _config(
        "idd-level2-mnv4s-lraspp-kd",
        _small_lraspp(),
        level=2,
        epochs=125,
        lr=0.0006,
        teacher="idd-level2-mnv4l-deeplab",
    )


def idd_level2_convnextb_upernet() -> TrainConfig:
    """Teacher UPerNet ConvNeXt-B, 50 epochs, batch 24. Source: 73.14 % mIoU."""
    return _config(
        "idd-level2-convnextb-upernet",
        _convnext_upernet(),
        level=2,
        epochs=50,
        lr=0.0001,
        batch_size=24,
    )


def idd_level2_mnv4s_lraspp_kd_convnextb() -> TrainConfig:
    """LR-ASPP MobileNetV4-S taught by ConvNeXt-B, 100 epochs. Source: 59.37 % mIoU."""
    return _config(
        "idd-level2-mnv4s-lraspp-kd-convnextb",
        _small_lraspp(),
        level=2,
        epochs=100,
        lr=0.0006,
        batch_size=24,
        teacher="idd-level2-convnextb-upernet",
    )


def idd_level2_mnv4l_deeplab_kd_convnextb() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-L taught by ConvNeXt-B, 125 epochs. Source: 68.15 % mIoU."""
    return _config(
        "idd-level2-mnv4l-deeplab-kd-convnextb",
        _large_deeplab(),
        level=2,
        epochs=125,
        lr=0.0006,
        teacher="idd-level2-convnextb-upernet",
    )


def idd_level2_mnv4s_deeplab_kd_convnextb() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-S taught by ConvNeXt-B, 125 epochs. Source: 63.99 % mIoU."""
    return _config(
        "idd-level2-mnv4s-deeplab-kd-convnextb",
        _small_deeplab(),
        level=2,
        epochs=125,
        lr=0.0006,
        teacher="idd-level2-convnextb-upernet",
    )


def idd_level3_mnv4l_deeplab() -> TrainConfig:
    """Teacher DeepLabV3+ MobileNetV4-L, 50 epochs. Source: 60.91 % mIoU."""
    return _config("idd-level3-mnv4l-deeplab", _large_deeplab(), level=3, epochs=50, lr=0.0001)


def idd_level3_mnv4s_lraspp() -> TrainConfig:
    """Student LR-ASPP MobileNetV4-S alone, 50 epochs. Source: 51.56 % mIoU."""
    return _config("idd-level3-mnv4s-lraspp", _small_lraspp(), level=3, epochs=50, lr=0.0006)


def idd_level3_mnv4s_lraspp_kd() -> TrainConfig:
    """The same student taught by MobileNetV4-L, 125 epochs. Source: 51.38 % mIoU."""
    return _config(
        "idd-level3-mnv4s-lraspp-kd",
        _small_lraspp(),
        level=3,
        epochs=125,
        lr=0.0006,
        teacher="idd-level3-mnv4l-deeplab",
    )


def idd_level3_convnextb_upernet() -> TrainConfig:
    """Teacher UPerNet ConvNeXt-B, 50 epochs, batch 24. Source: 68.54 % mIoU."""
    return _config(
        "idd-level3-convnextb-upernet",
        _convnext_upernet(),
        level=3,
        epochs=50,
        lr=0.0001,
        batch_size=24,
    )


def idd_level3_mnv4s_lraspp_kd_convnextb() -> TrainConfig:
    """LR-ASPP MobileNetV4-S taught by ConvNeXt-B, 100 epochs. Source: 51.59 % mIoU."""
    return _config(
        "idd-level3-mnv4s-lraspp-kd-convnextb",
        _small_lraspp(),
        level=3,
        epochs=100,
        lr=0.0006,
        batch_size=24,
        teacher="idd-level3-convnextb-upernet",
    )


def idd_level3_mnv4s_deeplab_kd_convnextb() -> TrainConfig:
    """DeepLabV3+ MobileNetV4-S taught by ConvNeXt-B, 125 epochs. Source: 56.33 % mIoU."""
    return _config(
        "idd-level3-mnv4s-deeplab-kd-convnextb",
        _small_deeplab(),
        level=3,
        epochs=125,
        lr=0.0006,
        teacher="idd-level3-convnextb-upernet",
    )


def idd_level1_mnv4l_deeplab_alone() -> TrainConfig:
    """The control that the source lacks: DeepLabV3+ MobileNetV4-L alone, 125 epochs."""
    return _config(
        "idd-level1-mnv4l-deeplab-alone",
        _large_deeplab(),
        level=1,
        epochs=125,
        lr=0.0006,
    )


def idd_level1_mnv4s_deeplab_alone() -> TrainConfig:
    """The control that the source lacks: DeepLabV3+ MobileNetV4-S alone, 125 epochs."""
    return _config(
        "idd-level1-mnv4s-deeplab-alone",
        _small_deeplab(),
        level=1,
        epochs=125,
        lr=0.0006,
    )


def idd_level2_mnv4l_deeplab_alone() -> TrainConfig:
    """The control that the source lacks: DeepLabV3+ MobileNetV4-L alone, 125 epochs."""
    return _config(
        "idd-level2-mnv4l-deeplab-alone",
        _large_deeplab(),
        level=2,
        epochs=125,
        lr=0.0006,
    )


def idd_level2_mnv4s_deeplab_alone() -> TrainConfig:
    """The control that the source lacks: DeepLabV3+ MobileNetV4-S alone, 125 epochs."""
    return _config(
        "idd-level2-mnv4s-deeplab-alone",
        _small_deeplab(),
        level=2,
        epochs=125,
        lr=0.0006,
    )


def idd_level3_mnv4s_deeplab_alone() -> TrainConfig:
    """The control that the source lacks: DeepLabV3+ MobileNetV4-S alone, 125 epochs."""
    return _config(
        "idd-level3-mnv4s-deeplab-alone",
        _small_deeplab(),
        level=3,
        epochs=125,
        lr=0.0006,
    )
