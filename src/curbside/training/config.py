"""Everything that decides a training run. A recipe is a function that returns a `TrainConfig`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch

from ..datasets import AugmentConfig, BorderWeightConfig
from ..errors import ConfigError
from ..losses import (
    BoundaryConfig,
    CrossEntropyConfig,
    DistillationLossConfig,
    LogitKDConfig,
    LogitLossConfig,
    SupervisedLossConfig,
)
from ..losses.base import check_factor
from ..models import ModelConfig

__all__ = ["DataConfig", "DistillationConfig", "OptimizerConfig", "ScheduleConfig", "TrainConfig"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the samples come from and how they are fed."""

    root: tuple[Path, ...] = (Path("data"),)
    """The prepared folder, or several to learn from together."""
    space: str | None = None
    """Label space to train in, where the folders do not all have it; a bare images/ + masks/ tree is
    taken to be in it already."""
    shares: tuple[float, ...] = ()
    """Share of the draws that each folder gets, in any unit; by their numbers of pictures where not
    given."""
    unlabelled: tuple[Path, ...] = ()
    """Pictures that a teacher alone says something of: prepared folders, whose masks are left aside, or
    folders with pictures."""
    unlabelled_share: float = 0.5
    """Share of the draws that come from them."""
    train_split: str = "train"
    """The split to learn from."""
    val_split: str = "val"
    """The split to score on while training."""
    batch_size: int = 32
    """Pictures per forward pass, over all devices together."""
    accumulate: int = 1
    """Forward passes per step, whose gradients are averaged: where memory holds no larger batch."""
    crop_hw: tuple[int, int] = (512, 512)
    """Height and width of a training crop."""
    eval_hw: tuple[int, int] = (512, 512)
    """Height and width that a whole picture is resized to for scoring and export."""
    workers: int = 2
    """Processes that read and augment."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """What is done to training pictures."""
    border_weights: BorderWeightConfig = field(default_factory=BorderWeightConfig)
    """What pixels count by their distance to a border, for the losses that ask for it."""

    def __post_init__(self) -> None:
        if not self.root:
            raise ConfigError("there is no folder to learn from", fix="name one with --data.root")
        if self.shares and (
            len(self.shares) != len(self.root) or min(self.shares) < 0 or not sum(self.shares) > 0
        ):
            raise ConfigError(
                f"the shares {self.shares} do not fit {len(self.root)} folders",
                fix="give one of 0 or more per folder",
            )
        if self.batch_size < 1 or self.accumulate < 1 or self.workers < 0:
            raise ConfigError(
                f"batch size {self.batch_size}, {self.accumulate} to a step, with {self.workers}"
                " workers is impossible",
                fix="choose at least 1 picture, 1 to a step and 0 workers",
            )
        if not 0 < self.unlabelled_share < 1:
            raise ConfigError(
                f"a share of {self.unlabelled_share} without labels is impossible",
                fix="choose one between 0 and 1",
            )
        for name, size in (("crop", self.crop_hw), ("evaluation", self.eval_hw)):
            if min(size) < 32:
                raise ConfigError(
                    f"a {name} size of {size[0]} x {size[1]} is too small",
                    fix="choose at least 32 x 32",
                )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimiser."""

    kind: Literal["adamw", "adam", "sgd"] = "adamw"
    """AdamW; Adam, whose decay goes through the gradient; or SGD with Nesterov's momentum off."""
    lr: float = 6e-4
    """Largest learning rate."""
    weight_decay: float = 1e-4
    """Decay of weights; biases and norms are spared."""
    encoder_lr_factor: float = 1.0
    """The encoder learns at `lr` times this; below 1 spares pretrained weights."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Memory of the gradient's mean and variance; SGD takes the first as its momentum."""
    clip_norm: float | None = None
    """Longest gradient; none for no limit."""

    def __post_init__(self) -> None:
        if not self.lr > 0 or not self.weight_decay >= 0:
            raise ConfigError(
                f"lr {self.lr} with weight decay {self.weight_decay} is impossible",
                fix="choose lr > 0, decay >= 0",
            )
        check_factor("factor of the encoder's lr", self.encoder_lr_factor)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(
                f"the betas {self.betas} are impossible", fix="choose 0 up to, not including, 1"
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(
                f"a longest gradient of {self.clip_norm} is impossible",
                fix="choose one over 0, or none for no limit",
            )

    def build(self, *modules: torch.nn.Module) -> torch.optim.Optimizer:
        """The optimiser over the weights of modules, in groups by encoder or head and decayed or not."""
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in chain(*(module.named_parameters() for module in modules)):
            if parameter.requires_grad:
                groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(
                    parameter
                )
        parts: Any = [
            {
                "params": parameters,
                "lr": self.lr * (self.encoder_lr_factor if in_encoder else 1.0),
                "weight_decay": self.weight_decay if decays else 0.0,
            }
            for (in_encoder, decays), parameters in groups.items()
        ]
        if self.kind == "sgd":
            return torch.optim.SGD(parts, momentum=self.betas[0])
        kind = torch.optim.AdamW if self.kind == "adamw" else torch.optim.Adam
        return kind(parts, betas=self.betas)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate moves."""

    kind: Literal["poly", "cosine", "constant"] = "poly"
    """Its shape after the warm-up: (1 - t) ** power, half a cosine, or flat."""
    warmup_steps: int = 0
    """Steps over which it rises from zero, linearly."""
    power: float = 0.9
    """Exponent of the poly shape."""
    stretch: float = 1.0
    """Length of that shape in runs; over 1 for a run that stops early."""

    def __post_init__(self) -> None:
        if self.warmup_steps < 0:
            raise ConfigError(
                f"a warm-up of {self.warmup_steps} steps is impossible", fix="choose 0 or more"
            )
        check_factor("power", self.power)
        if not self.stretch > 0:
            raise ConfigError(
                f"a schedule stretched by {self.stretch} is impossible", fix="choose 1 or more"
            )

    def build(self, total_steps: int) -> Callable[[int], float]:
        """The factor of the learning rate at a step."""
        total_steps = round(total_steps * self.stretch)

        def factor(step: int) -> float:
            if step < self.warmup_steps:
                return (step + 1) / (self.warmup_steps + 1)
            t = min(1.0, (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps))
            shapes = {
                "poly": (1 - t) ** self.power,
                "cosine": (1 + math.cos(math.pi * t)) / 2,
                "constant": 1.0,
            }
            return shapes[self.kind]

        return factor


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Teachers, frozen, that the student learns from beside the labels."""

    teacher: tuple[Path, ...] = (Path("runs/teacher"),)
    """The teacher: its run folder, weights that the run kept (`runs/teacher/kept/000500.safetensors`,
    see `keep`), or a cache made by `curbside cache`. Several teach together."""
    shares: tuple[float, ...] = ()
    """What each of several teachers counts, in any unit; equal where not given."""
    losses: tuple[DistillationLossConfig, ...] = (LogitKDConfig(),)
    """How student and teacher are compared."""
    supervised: float = 1.0
    """Factor of the losses against labels."""

    def __post_init__(self) -> None:
        if not self.teacher or not self.losses:
            raise ConfigError(
                "distillation without a teacher or without a loss is impossible",
                fix="name at least one of each",
            )
        if self.shares and (
            len(self.shares) != len(self.teacher)
            or min(self.shares) < 0
            or not sum(self.shares) > 0
        ):
            raise ConfigError(
                f"the shares {self.shares} do not fit {len(self.teacher)} teachers",
                fix="give one of 0 or more per teacher",
            )
        check_factor("factor of the supervised loss", self.supervised)

    @property
    def teacher_shares(self) -> tuple[float, ...]:
        """What each teacher counts, with sum 1."""
        shares = self.shares or (1.0,) * len(self.teacher)
        return tuple(share / sum(shares) for share in shares)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole training run."""

    name: str
    """The recipe's name."""
    model: ModelConfig
    """The network."""
    data: DataConfig = field(default_factory=DataConfig)
    """The samples."""
    loss: SupervisedLossConfig = field(default_factory=CrossEntropyConfig)
    """The supervised loss."""
    aux_weight: float = 0.4
    """Factor of the loss on each auxiliary head, of networks that have any."""
    aux_loss: SupervisedLossConfig | None = None
    """The loss on auxiliary heads; the supervised one where not given."""
    boundary: BoundaryConfig = field(default_factory=BoundaryConfig)
    """The loss of the boundary head, of networks that have one."""
    distillation: DistillationConfig | None = None
    """The teacher, where there is one."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """The learning rate over time."""
    epochs: float = 50.0
    """Passes over the training split; ignored where `steps` is given."""
    steps: int | None = None
    """Length of the run in optimiser steps, in the place of `epochs`."""
    validate_every: float | None = None
    """Steps between two scorings of the validation split, or, below 1, what part of the run; one
    epoch where not given."""
    checkpoint_every: int = 500
    """Most steps that a kill can cost: `last.ckpt` is written at least this often."""
    ema_decay: float | None = None
    """Keep a moving average of the weights, score and export that; 0.99 to 0.9999."""
    keep: tuple[float, ...] = ()
    """Parts of the run, 0..1, after which its weights are kept in `kept/`: a teacher that stopped
    early can be the better one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass; auto takes bf16 where the device computes it, else fp32."""
    channels_last: bool = True
    """Memory order that convolutions prefer on most devices."""
    seed: int = 42
    """Decides the initial weights, the order of the samples and their augmentation."""
    weights: Path | None = None
    """A file of weights to start from (.safetensors, .pth): an encoder's under timm's or torchvision's
    names, or a whole published checkpoint."""
    out: Path | None = None
    """The run folder; `runs/<name>` where not given. Trained again with the same settings, it goes on."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """The kind of device."""
    devices: int | Literal["auto"] = "auto"
    """How many devices of this machine."""
    num_nodes: int = 1
    """How many machines."""

    def __post_init__(self) -> None:
        for name, value in _numbers(self):
            if not math.isfinite(value):
                raise ConfigError(f"{name} is {value}", fix="give a finite number")
        if (self.steps is not None and self.steps < 1) or not self.epochs > 0:
            raise ConfigError(
                f"a run of {self.steps} steps or {self.epochs} epochs is empty",
                fix="choose at least one step",
            )
        check_factor("weight of auxiliary heads", self.aux_weight)
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ConfigError(
                f"an EMA decay of {self.ema_decay} is impossible",
                fix="choose one between 0 and 1, such as 0.999",
            )
        if any(not 0 < part <= 1 for part in self.keep):
            raise ConfigError(
                f"weights cannot be kept after the parts {self.keep} of a run",
                fix="give numbers over 0 and up to 1",
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"a seed of {self.seed} is impossible", fix="choose 0 to 4294967295")
        if self.data.unlabelled and self.distillation is None:
            raise ConfigError(
                "pictures without labels teach nothing without a teacher",
                fix="name one with --distillation.teacher, or leave out --data.unlabelled",
            )
        if self.checkpoint_every < 1 or (
            self.validate_every is not None and not self.validate_every > 0
        ):
            raise ConfigError(
                "checkpoints and validations need an interval of at least 1 step",
                fix="choose 1 or more, or for validations a part of the run such as 0.1",
            )

    @property
    def uses_border_weight(self) -> bool:
        """Whether a loss asks what pixels count by their distance to a border."""
        losses = [
            self.loss,
            self.aux_loss,
            *(self.distillation.losses if self.distillation else ()),
        ]
        kinds = (SupervisedLossConfig, LogitLossConfig)
        return any(isinstance(loss, kinds) and loss.uses_border_weight for loss in losses)

    def length(self, pictures: int) -> int:
        """How many optimiser steps the run has with so many training pictures."""
        per_step = self.data.batch_size * self.data.accumulate
        return self.steps or math.ceil(self.epochs * pictures / per_step)

    @property
    def run_folder(self) -> Path:
        """Where the run is written."""
        return self.out if self.out is not None else Path("runs") / self.name


def _numbers(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Every float of a config, with its dotted name."""
    if isinstance(value, float):
        yield name, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{name}.{index}")
    elif is_dataclass(value):
        for part in fields(value):
            inner = f"{name}.{part.name}" if name else part.name
            yield from _numbers(getattr(value, part.name), inner)
