"""Everything that decides a training run of a semantic network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from ..datasets import BorderWeightConfig, DepthConfidence
from ..errors import ConfigError
from ..losses import (
    BoundaryConfig,
    CrossEntropyConfig,
    DepthLossConfig,
    DistillationLossConfig,
    LogitKDConfig,
    LogitLossConfig,
    PartialLabelsConfig,
    SupervisedLossConfig,
)
from ..losses.base import check_factor
from ..losses.pixels import ClassWeightedConfig
from ..manifest import Task
from ..models import ModelConfig
from .run_config import BatchesConfig, LoopConfig, OptimizerConfig, ScheduleConfig
from .weighting import TaskWeightingConfig

__all__ = [
    "DataConfig",
    "DepthConfig",
    "DistillationConfig",
    "PhaseConfig",
    "Tasks",
    "TrainConfig",
]

Tasks = Literal["semantic", "depth", "semantic+depth"]


@dataclass(frozen=True, kw_only=True)
class DataConfig(BatchesConfig):
    """Where the samples come from and how they are fed."""

    space: str | None = None
    """Label space to train in, where the folders do not all have it; a bare images/ + masks/ tree is
    taken to be in it already."""
    shares: tuple[float, ...] = ()
    """Share of the draws that each folder gets, in any unit; by their numbers of pictures where not
    given."""
    weights: tuple[float, ...] = ()
    """What a sample of each folder counts in the losses; all 1 where not given."""
    pseudo_weight: float = 1.0
    """What targets that networks made count beside those that people made; of a mask that people began and
    networks filled in, their pixels alone."""
    mix_by: str = "targets"
    """What kinds of samples there are: `targets`, by what a sample has (`semantic`, `depth` or
    `semantic+depth`); or by the values of a tag, such as `kind`."""
    mix: tuple[tuple[str, float], ...] = ()
    """Share of every batch that each kind gets, in any unit, such as `surface 1 polygon 1 depth 2`; as
    they come where not given."""
    unlabelled: tuple[Path, ...] = ()
    """Pictures that a teacher alone says something of: prepared folders, whose masks are left aside, or
    folders with pictures."""
    unlabelled_share: float = 0.5
    """Share of the draws that come from them."""
    border_weights: BorderWeightConfig = field(default_factory=BorderWeightConfig)
    """What pixels count by their distance to a border, for the losses that ask for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares and (
            len(self.shares) != len(self.root) or min(self.shares) < 0 or not sum(self.shares) > 0
        ):
            raise ConfigError(
                f"the shares {self.shares} do not fit {len(self.root)} folders",
                fix="give one of 0 or more per folder",
            )
        if self.weights and (
            len(self.weights) != len(self.root)
            or min(self.weights) < 0
            or not sum(self.weights) > 0
        ):
            raise ConfigError(
                f"the weights {self.weights} do not fit {len(self.root)} folders",
                fix="give one of 0 or more per folder",
            )
        check_factor("weight of pseudo-labels", self.pseudo_weight)
        kinds = [kind for kind, _ in self.mix]
        if self.mix and (
            len(set(kinds)) < len(kinds)
            or min(share for _, share in self.mix) < 0
            or not sum(share for _, share in self.mix) > 0
        ):
            raise ConfigError(
                f"the mix {self.mix} is impossible",
                fix="name each kind once, with a share of 0 or more",
            )
        if self.mix and (self.shares or self.unlabelled):
            raise ConfigError(
                "kinds of samples and folders cannot both have shares of the draws",
                fix="give one of --data.mix and --data.shares, and no --data.unlabelled with a mix",
            )
        if not 0 < self.unlabelled_share < 1:
            raise ConfigError(
                f"a share of {self.unlabelled_share} without labels is impossible",
                fix="choose one between 0 and 1",
            )


@dataclass(frozen=True, kw_only=True)
class DepthConfig:
    """How depth is learnt, by networks that have a head for it."""

    loss: DepthLossConfig = field(default_factory=DepthLossConfig)
    """The loss, at the picture's size, over the pixels whose depth is known."""
    confidence: DepthConfidence = "mask"
    """What the confidence of depth means: `mask` leaves out what is trusted by less than half, `weigh`
    lets a pixel count by it, `none` trusts all."""


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Teachers, frozen, that the student learns from beside the labels."""

    teacher: tuple[Path, ...] = (Path("runs/teacher"),)
    """The teacher: its run folder, weights that the run kept (`runs/teacher/kept/000500.safetensors`,
    see `keep`), or a cache made by `curbside cache`. Several teach together."""
    shares: tuple[float, ...] = ()
    """What each of several teachers counts, in any unit; equal where not given."""
    losses: tuple[DistillationLossConfig, ...] = (LogitKDConfig(),)
    """How student and teacher are compared; none where that is by depth alone."""
    supervised: float = 1.0
    """Factor of the losses against labels."""
    depth: float = 0.0
    """Factor of the loss between the depths of student and teacher, by the run's own depth loss at every
    pixel of the picture, the teacher's as the run's camera would see it; 0 compares none."""

    def __post_init__(self) -> None:
        if not self.teacher or not (self.losses or self.depth):
            raise ConfigError(
                "distillation without a teacher, or without a loss or depth to compare, is impossible",
                fix="name a teacher, and a loss or a factor of depth over 0",
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
        check_factor("factor of the teacher's depth", self.depth)

    @property
    def teacher_shares(self) -> tuple[float, ...]:
        """What each teacher counts, with sum 1."""
        shares = self.shares or (1.0,) * len(self.teacher)
        return tuple(share / sum(shares) for share in shares)


SuperviseAt = Literal["input", "logits"]


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A phase of a training before the run itself, which starts from its best weights."""

    model: ModelConfig
    """The part of the network that it trains, such as the encoder with a classifier of its own."""
    epochs: float = 50.0
    """Passes over the training split; ignored where `steps` is given."""
    steps: int | None = None
    """Length of the phase in optimiser steps, in the place of `epochs`."""
    supervise_at: SuperviseAt = "logits"
    """Where its loss is taken, see the run's own."""
    loss: SupervisedLossConfig | None = None
    """The supervised loss; the run's where not given."""
    batch_size: int | None = None
    """Pictures per forward pass; the run's where not given."""
    crop_hw: tuple[int, int] | None = None
    """Height and width of a training crop; the run's where not given."""
    optimizer: OptimizerConfig | None = None
    """The optimiser; the run's where not given."""
    schedule: ScheduleConfig | None = None
    """The learning rate over time; the run's where not given."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopConfig):
    """A whole training run of a semantic network."""

    task: ClassVar[Task] = "semantic"

    model: ModelConfig
    """The network."""
    data: DataConfig = field(default_factory=DataConfig)
    """The samples."""
    tasks: Tasks = "semantic"
    """What is learnt: classes, depth, or both by one network; a sample may have the targets of either."""
    depth: DepthConfig = field(default_factory=DepthConfig)
    """How depth is learnt, where it is."""
    weighting: TaskWeightingConfig = field(default_factory=TaskWeightingConfig)
    """How the losses of several tasks become one."""
    partial: PartialLabelsConfig = field(default_factory=PartialLabelsConfig)
    """What the labels of a picture mean on which some of the classes alone were annotated."""
    loss: SupervisedLossConfig = field(default_factory=CrossEntropyConfig)
    """The supervised loss."""
    class_balance: Literal["none", "inverse", "median", "enet"] = "none"
    """Weights of the classes, counted from the training masks when the run begins: inversely to their
    shares, by the median of their frequencies, or ENet's 1 / ln(1.02 + share); see `ClassWeights`."""
    supervise_at: SuperviseAt = "input"
    """Where the loss is taken: at the picture's size, to which the logits are enlarged, or at the logits'
    own, to which the labels are brought by their nearest pixel."""
    aux_weight: float = 0.4
    """Factor of the loss on each auxiliary head, of networks that have any."""
    aux_loss: SupervisedLossConfig | None = None
    """The loss on auxiliary heads; the supervised one where not given."""
    boundary: BoundaryConfig = field(default_factory=BoundaryConfig)
    """The loss of the boundary head, of networks that have one."""
    distillation: DistillationConfig | None = None
    """The teacher, where there is one."""
    phases: tuple[PhaseConfig, ...] = ()
    """Phases of training before this one, in their order, each from the weights of the one before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_balance != "none" and not isinstance(self.loss, ClassWeightedConfig):
            raise ConfigError(
                f"{type(self.loss).__name__.removesuffix('Config')} weighs no classes, so that"
                f" class balance {self.class_balance} means nothing",
                fix="choose class balance none, or a loss with class weights, such as cross-entropy",
            )
        check_factor("weight of auxiliary heads", self.aux_weight)
        if self.phases and self.tasks != "semantic":
            raise ConfigError(
                f"phases train classes alone, and the run learns {self.tasks}",
                fix="train the phase as a run of its own, and start from its weights with --weights",
            )
        if self.distillation and self.distillation.depth and "depth" not in self.tasks:
            raise ConfigError(
                "a teacher's depth is for a run that learns depth",
                fix="say --tasks semantic+depth, or leave out --distillation.depth",
            )
        for number in range(1, len(self.phases) + 1):
            self.of_phase(number, None)  # refuses what cannot be before anything is trained
        if self.data.unlabelled and self.distillation is None:
            raise ConfigError(
                "pictures without labels teach nothing without a teacher",
                fix="name one with --distillation.teacher, or leave out --data.unlabelled",
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that are learnt from, by their names in prepared folders."""
        return tuple(self.tasks.split("+"))

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

    def of_phase(self, number: int, weights: Path | None) -> TrainConfig:
        """The run that a phase is.

        Args:
            number: Which phase, from 1.
            weights: What it starts from.
        """
        phase = self.phases[number - 1]
        name = f"phase-{number}"
        return replace(
            self,
            name=f"{self.name}-{name}",
            out=self.run_folder / name,
            model=phase.model,
            weights=weights,
            epochs=phase.epochs,
            steps=phase.steps,
            supervise_at=phase.supervise_at,
            loss=phase.loss or self.loss,
            data=replace(
                self.data,
                batch_size=phase.batch_size or self.data.batch_size,
                crop_hw=phase.crop_hw or self.data.crop_hw,
            ),
            optimizer=phase.optimizer or self.optimizer,
            schedule=phase.schedule or self.schedule,
            distillation=None,
            recalibrate=None,
            phases=(),
            keep=(),
        )

    def weighted(self, weights: Sequence[float]) -> TrainConfig:
        """The run with the weights that its class balance came to, in every loss that takes some, those of
        its phases too."""

        def weighed(loss: SupervisedLossConfig | None) -> SupervisedLossConfig | None:
            if not isinstance(loss, ClassWeightedConfig):
                return loss
            return replace(loss, class_weights=tuple(weights))

        return replace(
            self,
            loss=weighed(self.loss) or self.loss,
            aux_loss=weighed(self.aux_loss),
            phases=tuple(replace(phase, loss=weighed(phase.loss)) for phase in self.phases),
        )
