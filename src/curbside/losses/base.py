"""What every loss returns, and the kinds of losses.

A supervised loss compares logits with labels. A distillation loss compares a student with its teacher:
their logits, or two of their features. Each is one file in `supervised/` or `distillation/`, a config
with the network of the loss below it, and is found by lying there.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from ..errors import ConfigError

__all__ = [
    "AdapterConfig",
    "DistillationLossConfig",
    "FeatureLoss",
    "FeatureLossConfig",
    "LogitLoss",
    "LogitLossConfig",
    "LossOutput",
    "SupervisedLoss",
    "SupervisedLossConfig",
    "check_factor",
]


class LossOutput(NamedTuple):
    """A loss and what it is made of."""

    total: Tensor
    """The scalar to minimise."""
    parts: Mapping[str, Tensor]
    """Its parts by name, each a scalar without gradient, for the log."""


class SupervisedLoss(nn.Module, ABC):
    """Compares logits with labels."""

    @abstractmethod
    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        """Score predictions.

        Args:
            logits: (B, C, H, W) float, at the target's size; of two classes (B, 1, H, W) will do, whose
                sigmoid is the probability of id 1.
            target: (B, H, W) int64 class ids; pixels of 255 do not count.
            border_weight: (B, H, W) float, what each pixel counts by its distance to the nearest
                border of its class; given where the config says `uses_border_weight`.
        """


@dataclass(frozen=True, kw_only=True)
class SupervisedLossConfig(ABC):
    """The settings of a supervised loss."""

    uses_border_weight: ClassVar[bool] = False

    @abstractmethod
    def build(self, num_classes: int) -> SupervisedLoss:
        """The loss for a network's scores.

        Args:
            num_classes: How many scores there are per pixel: one per class, or a single one for id 1
                against id 0.

        Raises:
            ConfigError: The settings do not fit that number.
        """


class LogitLoss(nn.Module, ABC):
    """Compares what a student and its teacher say of every class at every pixel."""

    @abstractmethod
    def forward(
        self, student: Tensor, teacher: Tensor, counts: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        """Compare two predictions.

        Args:
            student: (B, C, h, w) float logits, with gradient.
            teacher: (B, C, h, w) float logits; no gradient flows into them.
            counts: (B, h, w) bool, the pixels to compare: those with a label, and all of a picture
                that has none.
            border_weight: (B, h, w) float, what each pixel counts by its distance to the nearest
                border; given where the config says `uses_border_weight`.
        """


class FeatureLoss(nn.Module, ABC):
    """Compares a feature of a student with one of its teacher."""

    @abstractmethod
    def forward(self, student: Tensor, teacher: Tensor) -> LossOutput:
        """Compare two features.

        Args:
            student: (B, C, h, w) float, with gradient; where the config says `adapts`, already of
                the teacher's channels.
            teacher: (B, C', h, w) float; no gradient flows into it.
        """


@dataclass(frozen=True, kw_only=True)
class DistillationLossConfig:
    """The settings of a loss between a student and its teacher."""

    weight: float = 1.0
    """Factor of this loss in the sum of all."""

    def __post_init__(self) -> None:
        check_factor("distillation weight", self.weight)


@dataclass(frozen=True, kw_only=True)
class LogitLossConfig(DistillationLossConfig, ABC):
    """The settings of a loss on logits."""

    uses_border_weight: ClassVar[bool] = False

    resolution: Literal["input", "logits"] = "logits"
    """Where pixels are compared: at the picture's size, or at the finer of the two networks' own
    strides, which is cheaper."""

    @abstractmethod
    def build(self) -> LogitLoss:
        """The loss."""


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """How a student's feature is brought to its teacher's channels, to be learnt with the student."""

    norm: bool = True
    """Batch normalisation behind the 1x1 convolution."""
    count: int = 1
    """Number of such projections, whose mean is taken; several leave the student more freedom. 0 for
    none, where student and teacher have the same channels."""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError(f"{self.count} projections are impossible", fix="choose 0 or more")


@dataclass(frozen=True, kw_only=True)
class FeatureLossConfig(DistillationLossConfig, ABC):
    """The settings of a loss on features."""

    adapts: ClassVar[bool] = True
    """Whether both features need the same number of channels."""

    pairs: tuple[tuple[str, str], ...] = (("decoder", "decoder"),)
    """Names of the student's features, each with the teacher's to compare it with; `decoder` is what a
    classifier sees. Without any, all of the student's with the teacher's at the same stride."""
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    """Makes the channels fit."""

    @abstractmethod
    def build(self, channels: int) -> FeatureLoss:
        """The loss for one pair of features, whose teacher has so many channels."""


def check_factor(what: str, value: float) -> None:
    """Refuse a number that is negative, infinite or none.

    Args:
        what: What it is, for the message.
        value: The number.

    Raises:
        ConfigError: It is one of these.
    """
    if not 0 <= value < math.inf:
        raise ConfigError(f"a {what} of {value} is impossible", fix="choose 0 or more")
