"""What the configs of all kinds of run have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from ..datasets import AugmentConfig
from ..errors import ConfigError
from ..losses.base import check_factor
from ..manifest import Task
from ..models import NetworkConfig
from .batch_statistics import check_statistics

__all__ = [
    "BatchesConfig",
    "FoldersConfig",
    "LoopConfig",
    "OptimizerConfig",
    "RunConfig",
    "ScheduleConfig",
]


@dataclass(frozen=True, kw_only=True)
class FoldersConfig:
    """Where the samples come from."""

    root: tuple[Path, ...] = (Path("data"),)
    """The prepared folder, or several to learn from together."""
    train_split: str = "train"
    """The split to learn from."""
    val_split: str = "val"
    """The split to score on while training."""

    def __post_init__(self) -> None:
        if not self.root:
            raise ConfigError("there is no folder to learn from", fix="name one with --data.root")


@dataclass(frozen=True, kw_only=True)
class BatchesConfig(FoldersConfig):
    """Where the samples come from and how they are fed."""

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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1 or self.accumulate < 1 or self.workers < 0:
            raise ConfigError(
                f"batch size {self.batch_size}, {self.accumulate} to a step, with {self.workers}"
                " workers is impossible",
                fix="choose at least 1 picture, 1 to a step and 0 workers",
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
class RunConfig(ABC):
    """A whole training run of any kind: a recipe returns one, `fit` is registered for every subclass."""

    task: ClassVar[Task]
    """What its network does."""

    name: str
    """The recipe's name."""
    data: FoldersConfig = field(default_factory=FoldersConfig)
    """The samples."""
    seed: int = 42
    """Decides the initial weights, the order of the samples and their augmentation."""
    out: Path | None = None
    """The run folder; `runs/<name>` where not given. Trained again with the same settings, it goes on."""

    def __post_init__(self) -> None:
        for name, value in _numbers(self):
            if not math.isfinite(value):
                raise ConfigError(f"{name} is {value}", fix="give a finite number")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"a seed of {self.seed} is impossible", fix="choose 0 to 4294967295")

    @property
    @abstractmethod
    def title(self) -> str:
        """The network in words."""

    @property
    def run_folder(self) -> Path:
        """Where the run is written."""
        return self.out if self.out is not None else Path("runs") / self.name


@dataclass(frozen=True, kw_only=True)
class LoopConfig(RunConfig):
    """A run of our own training loop."""

    model: NetworkConfig
    """The network."""
    data: BatchesConfig = field(default_factory=BatchesConfig)
    """The samples."""
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
    recalibrate: int | None = None
    """Compute the statistics of batch normalisation anew when the training is over, for the weights that
    scored best, over whole training pictures in batches of so many; see `curbside recalibrate`."""
    keep: tuple[float, ...] = ()
    """Parts of the run, 0..1, after which its weights are kept in `kept/`: a teacher that stopped
    early can be the better one."""
    logger: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Who gets the losses and scores beside `metrics.csv`: TensorBoard, Weights & Biases, both, or
    nobody."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass; auto takes bf16 where the device computes it, else fp32."""
    channels_last: bool = True
    """Memory order that convolutions prefer on most devices."""
    weights: Path | None = None
    """A file of weights to start from (.safetensors, .pth): an encoder's under timm's or torchvision's
    names, or a whole published checkpoint."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """The kind of device."""
    devices: int | Literal["auto"] = "auto"
    """How many devices of this machine."""
    num_nodes: int = 1
    """How many machines."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is not None and self.steps < 1) or not self.epochs > 0:
            raise ConfigError(
                f"a run of {self.steps} steps or {self.epochs} epochs is empty",
                fix="choose at least one step",
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ConfigError(
                f"an EMA decay of {self.ema_decay} is impossible",
                fix="choose one between 0 and 1, such as 0.999",
            )
        if self.recalibrate is not None:
            check_statistics(self.recalibrate)
        if any(not 0 < part <= 1 for part in self.keep):
            raise ConfigError(
                f"weights cannot be kept after the parts {self.keep} of a run",
                fix="give numbers over 0 and up to 1",
            )
        if self.checkpoint_every < 1 or (
            self.validate_every is not None and not self.validate_every > 0
        ):
            raise ConfigError(
                "checkpoints and validations need an interval of at least 1 step",
                fix="choose 1 or more, or for validations a part of the run such as 0.1",
            )

    @property
    def title(self) -> str:
        return self.model.title

    def length(self, pictures: int) -> int:
        """How many optimiser steps the run has with so many training pictures."""
        per_step = self.data.batch_size * self.data.accumulate
        return self.steps or math.ceil(self.epochs * pictures / per_step)


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
