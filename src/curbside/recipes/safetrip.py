"""SafeTrip-Q: 24 classes of pavements and of what stands on them, and depth, from pictures of which each
has one kind of annotation alone: surfaces, obstacles or depth.

The way of "HydraNet for SafeTrip-Q": train `safetrip-teacher` on the pictures with classes, let it
label those with depth (`curbside calibrate`, then `curbside pseudolabel --keep-targets`), train
`safetrip-hydranet-pseudo` on both. `safetrip-hydranet` does without a teacher.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..losses import DepthLossConfig, PartialLabelsConfig
from ..models import LightWeightRefineNetConfig, load_network
from ..training import (
    DataConfig,
    DepthConfig,
    OptimizerConfig,
    ScheduleConfig,
    TaskWeightingConfig,
    TrainConfig,
)

__all__ = ["safetrip_hydranet", "safetrip_hydranet_pseudo", "safetrip_teacher"]

_KINDS = ("surface", "polygon", "depth")


def safetrip_hydranet() -> TrainConfig:
    """HydraNet MobileNetV2 on SafeTrip-Q at 512 x 512: 24 classes and depth at once, 3.03 M parameters.

    Settings of the source: batch 8, lr 1e-3, 100 epochs, classes balanced, depth as a share of 80 m, berHu
    beyond 0.1 of them, tasks weighed by their uncertainty. It reports no score. Ours: every batch has as many
    pictures of each kind, obstacles that were not annotated may stand on an annotated surface, where
    there is no label nothing is learnt (most of a street is none of the 24 classes), and berHu is the true one.
    """
    return TrainConfig(
        name="safetrip-hydranet",
        model=LightWeightRefineNetConfig(depth="capped"),
        data=DataConfig(
            root=(Path("data/safetrip"),),
            batch_size=8,
            mix_by="kind",
            mix=tuple((kind, 1.0) for kind in _KINDS),
        ),
        tasks="semantic+depth",
        depth=DepthConfig(loss=DepthLossConfig(kind="berhu", threshold=0.1)),
        weighting=TaskWeightingConfig(kind="uncertainty"),
        partial=PartialLabelsConfig(against=0.1, rest=0.0),
        class_balance="enet",
        optimizer=OptimizerConfig(lr=1e-3),
        schedule=ScheduleConfig(warmup_steps=500),
        epochs=100,
        validate_every=0.05,
        ema_decay=0.999,
    )


def safetrip_hydranet_pseudo() -> TrainConfig:
    """The same on pictures whose missing classes a teacher filled in; its labels count half.

    Make `data/safetrip-pseudo`, which takes the place of `data/safetrip` for training, with `curbside
    pseudolabel runs/safetrip-teacher data/safetrip data/safetrip-pseudo --keep-targets`.
    """
    joint = safetrip_hydranet()
    roots = (Path("data/safetrip-pseudo"), *joint.data.root)
    data = replace(joint.data, root=roots, shares=(1.0, 0.0), pseudo_weight=0.5, mix=())
    return replace(joint, name="safetrip-hydranet-pseudo", data=data)


def safetrip_teacher() -> TrainConfig:
    """SegFormer B2 on the pictures of SafeTrip-Q with classes, 20 epochs: the source's teacher."""
    joint = safetrip_hydranet()
    return replace(
        joint,
        name="safetrip-teacher",
        model=load_network("segformer-b2"),
        data=replace(joint.data, mix=tuple((kind, 1.0) for kind in _KINDS[:2])),
        tasks="semantic",
        optimizer=OptimizerConfig(lr=6e-5, weight_decay=1e-2),
        schedule=ScheduleConfig(kind="poly", power=1.0, warmup_steps=500),
        epochs=20,
    )
