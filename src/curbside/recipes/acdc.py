"""The ACDC thesis: real-time networks in bad weather, and what SwiftNet's students learn from ConvNeXt-L.

Settings are the thesis': for SwiftNet Adam 4e-4, betas 0.9 and 0.99, decay 1e-4, a cosine over 250
epochs, batches of 2 x 8, magnifications of 0.5 to 2, crops of 1080 x 1080 at 0.8 of their size, KL at
T = 1 with a weight of 0.5 beside 0.5 of the supervised loss, CWD at T = 4 on all six fused features.
The other networks "use the hyperparameters of Cityscapes" of their papers, but for the crop. Figures in
the docstrings are the mIoU it reports on ACDC's val, for networks that see pictures at 0.8 of their
size. It does not say the weight of feature losses (each paper's is used here, and 1 for L2), the
focal exponent (0.5, SwiftNet's), and the mean and deviation that it normalises with (the encoder's
here). Rows B to D are taught without adapters, as student and teacher share SwiftNet's 256 channels.

`--by weather` of `curbside evaluate` scores the conditions apart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets import AugmentConfig
from ..losses import (
    AdapterConfig,
    BorderFocalConfig,
    BorderKDConfig,
    CrossEntropyConfig,
    CWDConfig,
    DistillationLossConfig,
    FeatureL2Config,
    LADConfig,
    LogitKDConfig,
    LogitLossConfig,
    OHEMConfig,
    PreLogitL2Config,
)
from ..models import ModelConfig, load_network
from ..training import DataConfig, DistillationConfig, OptimizerConfig, ScheduleConfig, TrainConfig

__all__ = [
    "acdc_a_mnv4",
    "acdc_b_mnv4_l2",
    "acdc_c_mnv4_cwd_kl",
    "acdc_d_mnv4_l2_kl",
    "acdc_e_rn18",
    "acdc_f_rn18_l2_kl",
    "acdc_g_rn18_lad",
    "acdc_h_rn18_l2",
    "acdc_hrnetv2_w48",
    "acdc_i_rn18_cwd_kl",
    "acdc_j_rn18_cwd",
    "acdc_logits_border_kl",
    "acdc_logits_border_kl_pre_logit",
    "acdc_logits_control",
    "acdc_logits_kl",
    "acdc_pidnet_kl",
    "acdc_pidnet_l",
    "acdc_pidnet_m",
    "acdc_pidnet_s",
    "acdc_pidnet_s_100",
    "acdc_segformer_b0",
    "acdc_sfnet_lite_rn18",
    "acdc_sfnet_rn18",
    "acdc_teacher",
]

_TEACHER = Path("runs/acdc-teacher")
_FUSED = tuple((f"fused{stride}",) * 2 for stride in (4, 8, 16, 32, 64, 128))
_NO_ADAPTER = AdapterConfig(count=0)
_KL = LogitKDConfig(temperature=1.0, weight=0.5, resolution="input")
_L2 = FeatureL2Config(pairs=_FUSED, adapter=_NO_ADAPTER)  # type: ignore[arg-type]
_CWD = CWDConfig(pairs=_FUSED, adapter=_NO_ADAPTER)  # type: ignore[arg-type]
_LAD = LADConfig(pairs=_FUSED, adapter=_NO_ADAPTER)  # type: ignore[arg-type]


def acdc_teacher() -> TrainConfig:
    """The teacher, SwiftNet-FPN ConvNeXt-L. Source: 85.0 % mIoU.

    It also learnt from Cityscapes and BDD100K, which --data.root can name.
    """
    return _swiftnet("acdc-teacher", "convnext-large")


def acdc_a_mnv4() -> TrainConfig:
    """Row A: SwiftNet-FPN MobileNetV4 alone, border loss. Source: 69.9 % mIoU, 70.1 in another table."""
    return _swiftnet("acdc-a-mnv4", "mobilenetv4-medium")


def acdc_b_mnv4_l2() -> TrainConfig:
    """Row B: A with L2 on features. Source: 72.4 % mIoU."""
    return _taught(acdc_a_mnv4(), "acdc-b-mnv4-l2", _L2)


def acdc_c_mnv4_cwd_kl() -> TrainConfig:
    """Row C: A with CWD on features and KL. Source: 72.7 % mIoU."""
    return _taught(acdc_a_mnv4(), "acdc-c-mnv4-cwd-kl", _CWD, _KL)


def acdc_d_mnv4_l2_kl() -> TrainConfig:
    """Row D: A with L2 on features and KL. Source: 73.1 % mIoU."""
    return _taught(acdc_a_mnv4(), "acdc-d-mnv4-l2-kl", _L2, _KL)


def acdc_e_rn18() -> TrainConfig:
    """Row E: SwiftNet-FPN ResNet-18 alone, border loss. Source: 67.7 % mIoU."""
    return _swiftnet("acdc-e-rn18", "resnet18")


def acdc_f_rn18_l2_kl() -> TrainConfig:
    """Row F: E with L2 on features and KL. Source: 68.1 % mIoU."""
    return _taught(acdc_e_rn18(), "acdc-f-rn18-l2-kl", _L2, _KL)


def acdc_g_rn18_lad() -> TrainConfig:
    """Row G: E with LAD on features. Source: 68.8 % mIoU; its classes are printed twice, as H's too."""
    return _taught(acdc_e_rn18(), "acdc-g-rn18-lad", _LAD)


def acdc_h_rn18_l2() -> TrainConfig:
    """Row H: E with L2 on features. Source: 69.1 % mIoU."""
    return _taught(acdc_e_rn18(), "acdc-h-rn18-l2", _L2)


def acdc_i_rn18_cwd_kl() -> TrainConfig:
    """Row I: E with CWD on features and KL. Source: 70.4 % mIoU."""
    return _taught(acdc_e_rn18(), "acdc-i-rn18-cwd-kl", _CWD, _KL)


def acdc_j_rn18_cwd() -> TrainConfig:
    """Row J: E with CWD on features. Source: 71.2 % mIoU, the best with ResNet-18."""
    return _taught(acdc_e_rn18(), "acdc-j-rn18-cwd", _CWD)


def acdc_logits_control() -> TrainConfig:
    """The logit set's control: E stopped after 50 of its 250 epochs. Source: a curve, no figure."""
    return _stopped(replace(acdc_e_rn18(), name="acdc-logits-control"), 50)


def acdc_logits_kl() -> TrainConfig:
    """The logit set: KL. Source: a curve, slightly under the control's."""
    return _taught(acdc_logits_control(), "acdc-logits-kl", _KL)


def acdc_logits_border_kl() -> TrainConfig:
    """The logit set: KL weighted by the distance to borders. Source: a curve, like the control's."""
    loss = BorderKDConfig(temperature=1.0, weight=0.5, resolution="input")
    return _taught(acdc_logits_control(), "acdc-logits-border-kl", loss)


def acdc_logits_border_kl_pre_logit() -> TrainConfig:
    """The logit set: border-weighted KL, and L2 on what the classifiers see. Source: a curve, like the control's."""
    loss = BorderKDConfig(temperature=1.0, weight=0.5, resolution="input")
    before = PreLogitL2Config(adapter=_NO_ADAPTER)
    return _taught(acdc_logits_control(), "acdc-logits-border-kl-pre-logit", loss, before)


def acdc_pidnet_s() -> TrainConfig:
    """PIDNet-S alone. Source: 68.8 % mIoU."""
    return _pidnet("acdc-pidnet-s", "s")


def acdc_pidnet_m() -> TrainConfig:
    """PIDNet-M alone. Source: 70.0 % mIoU."""
    return _pidnet("acdc-pidnet-m", "m")


def acdc_pidnet_l() -> TrainConfig:
    """PIDNet-L alone. Source: 71.1 % mIoU."""
    return _pidnet("acdc-pidnet-l", "l")


def acdc_pidnet_s_100() -> TrainConfig:
    """The PIDNet set's control: PIDNet-S stopped after 100 epochs. Source: a curve, no figure."""
    return _stopped(replace(acdc_pidnet_s(), name="acdc-pidnet-s-100"), 100)


def acdc_pidnet_kl() -> TrainConfig:
    """The PIDNet set: the supervised loss halved, and KL. Source: a curve, no better than the control's."""
    return _taught(acdc_pidnet_s_100(), "acdc-pidnet-kl", _KL)


def acdc_sfnet_rn18() -> TrainConfig:
    """SFNet ResNet-18 alone. Source: 66.9 % mIoU."""
    return _sfnet("acdc-sfnet-rn18", "sfnet-resnet18")


def acdc_sfnet_lite_rn18() -> TrainConfig:
    """SFNet-lite ResNet-18 alone. Source: 64.8 % mIoU."""
    return _sfnet("acdc-sfnet-lite-rn18", "sfnet-lite-resnet18")


def acdc_segformer_b0() -> TrainConfig:
    """SegFormer-B0 alone, 160,000 steps, the head at ten times the encoder's rate. Source: 64.4 % mIoU."""
    return TrainConfig(
        name="acdc-segformer-b0",
        model=load_network("segformer-b0"),
        data=_data(batch_size=8),
        optimizer=OptimizerConfig(lr=6e-4, weight_decay=0.01, encoder_lr_factor=0.1),
        schedule=ScheduleConfig(power=1.0, warmup_steps=1500),
        steps=160_000,
    )


def acdc_hrnetv2_w48() -> TrainConfig:
    """HRNetV2-W48 alone, a figure that the thesis takes from another. Source: 73.5 % mIoU."""
    return _with_sgd("acdc-hrnetv2-w48", load_network("hrnetv2-w48"), OHEMConfig(), epochs=484)


def _swiftnet(name: str, encoder: str) -> TrainConfig:
    return TrainConfig(
        name=name,
        model=_pretrained(load_network(f"swiftnet-fpn-{encoder}")),
        data=_data(batch_size=8, accumulate=2),
        loss=BorderFocalConfig(),
        optimizer=OptimizerConfig(kind="adam", lr=4e-4, weight_decay=1e-4, betas=(0.9, 0.99)),
        schedule=ScheduleConfig(kind="cosine"),
        epochs=250,
    )


def _pidnet(name: str, size: str) -> TrainConfig:
    config = _with_sgd(name, load_network(f"pidnet-{size}"), OHEMConfig(), epochs=484)
    return replace(config, aux_loss=CrossEntropyConfig())


def _sfnet(name: str, network: str) -> TrainConfig:
    config = _with_sgd(name, _pretrained(load_network(network)), OHEMConfig(), epochs=500)
    return replace(config, data=_data(batch_size=16))


def _with_sgd(name: str, model: ModelConfig, loss: OHEMConfig, *, epochs: float) -> TrainConfig:
    return TrainConfig(
        name=name,
        model=model,
        data=_data(batch_size=12),
        loss=loss,
        optimizer=OptimizerConfig(kind="sgd", lr=1e-2, weight_decay=5e-4),
        epochs=epochs,
    )


def _data(**feeding: Any) -> DataConfig:
    return DataConfig(
        root=(Path("data/acdc"),),
        crop_hw=(864, 864),  # 1080 at 0.8
        eval_hw=(864, 1536),  # 1080 x 1920 at 0.8
        augment=AugmentConfig(zoom=(0.4, 1.6)),  # 0.5 to 2, at 0.8
        workers=8,
        **feeding,
    )


def _pretrained(model: Any) -> ModelConfig:
    return replace(model, encoder=replace(model.encoder, pretrained=True))


def _taught(student: TrainConfig, name: str, *losses: DistillationLossConfig) -> TrainConfig:
    beside_kl = any(isinstance(loss, LogitLossConfig) for loss in losses)
    distillation = DistillationConfig(
        teacher=(_TEACHER,), losses=losses, supervised=0.5 if beside_kl else 1.0
    )
    return replace(student, name=name, distillation=distillation)


def _stopped(config: TrainConfig, epochs: float) -> TrainConfig:
    """The first epochs of a run, its learning rate still that of the whole."""
    schedule = replace(config.schedule, stretch=config.epochs / epochs)
    return replace(config, epochs=epochs, schedule=schedule)
