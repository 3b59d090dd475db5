"""What losses over pixels share: the weights of the classes, the true class's probability, the mean."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ConfigError
from ..labels import IGNORE_ID
from .base import SupervisedLoss, SupervisedLossConfig, check_factor

__all__ = [
    "ClassWeighted",
    "ClassWeightedConfig",
    "log_probability",
    "one_hot",
    "probabilities",
    "weighted_mean",
]


@dataclass(frozen=True, kw_only=True)
class ClassWeightedConfig(SupervisedLossConfig, ABC):
    """The settings of a mean over pixels in which classes count differently."""

    class_weights: tuple[float, ...] = ()
    """One weight per class, of a single score those of id 0 and id 1; none for equal weights."""

    def __post_init__(self) -> None:
        for weight in self.class_weights:
            check_factor("class weight", weight)

    def check_weights(self, num_classes: int) -> None:
        """Refuse any number of weights but none or one per class.

        Args:
            num_classes: Scores per pixel; a single one tells two classes apart.

        Raises:
            ConfigError: Their numbers differ.
        """
        classes = max(2, num_classes)
        if self.class_weights and len(self.class_weights) != classes:
            raise ConfigError(
                f"{len(self.class_weights)} class weights were given for {classes} classes",
                fix="give one weight per class",
            )


class ClassWeighted(SupervisedLoss, ABC):
    """A mean over pixels in which classes count differently."""

    weight: Tensor | None
    """(C,) float, what each class counts; None where they count alike."""

    def __init__(self, config: ClassWeightedConfig) -> None:
        super().__init__()
        self.register_buffer(
            "weight",
            torch.tensor(config.class_weights) if config.class_weights else None,
            persistent=False,
        )

    def weigh(self, target: Tensor) -> Tensor:
        """What each pixel counts.

        Args:
            target: (B, H, W) int64 class ids.

        Returns:
            (B, H, W) float, the weight of its class; 0 where the id is 255.
        """
        known = target != IGNORE_ID
        if self.weight is None:
            return known.float()
        return self.weight[target * known] * known


def log_probability(logits: Tensor, target: Tensor) -> Tensor:
    """The logarithm of the probability of each pixel's true class.

    Args:
        logits: (B, C, H, W) float; (B, 1, H, W) of id 1 against id 0.
        target: (B, H, W) int64 class ids.

    Returns:
        (B, H, W) float32; 0, without gradient, where the id is 255.
    """
    if logits.shape[1] == 1:
        score = logits[:, 0].float()
        log_p = -F.softplus(torch.where(target == 1, -score, score))
        return log_p.masked_fill(target == IGNORE_ID, 0.0)
    return -F.cross_entropy(logits.float(), target, ignore_index=IGNORE_ID, reduction="none")


def probabilities(logits: Tensor) -> Tensor:
    """The probability of every class: (B, C, H, W) logits to the same in float32; of one logit, that of
    id 1."""
    logits = logits.float()
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


def one_hot(target: Tensor, num_classes: int) -> Tensor:
    """Where each class is.

    Args:
        target: (B, H, W) int64 class ids.
        num_classes: Where it is 1, a pixel is of that class if its id is 1, and is not if it is 0.

    Returns:
        (B, C, H, W) bool; nothing where the id is 255.
    """
    first = 1 if num_classes == 1 else 0
    ids = torch.arange(first, first + num_classes, device=target.device)
    return target[:, None] == ids[:, None, None]  # (B, 1, H, W) == (C, 1, 1)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """The mean of values, each counting as much as its weight; 0 where all weights are 0.

    Args:
        values: Of any shape.
        weight: Of the same, 0 or more.

    Returns:
        A scalar.
    """
    return (values * weight).sum() / weight.sum().clamp(min=1e-8)
