"""Cross-entropy over the pixels that have a label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig

__all__ = ["CrossEntropy", "CrossEntropyConfig"]


@dataclass(frozen=True, kw_only=True)
class CrossEntropyConfig(SupervisedLossConfig):
    """Cross-entropy."""

    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes, 0..1."""
    class_weights: tuple[float, ...] = ()
    """One weight per class; none for equal weights."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"label smoothing {self.label_smoothing} is impossible",
                fix="choose 0 up to, not including, 1",
            )
        if any(weight < 0 for weight in self.class_weights):
            raise ConfigError("a class weight is negative", fix="give weights of 0 or more")

    def build(self, num_classes: int) -> CrossEntropy:
        if self.class_weights and len(self.class_weights) != num_classes:
            raise ConfigError(
                f"{len(self.class_weights)} class weights were given for {num_classes} classes",
                fix="give one weight per class",
            )
        return CrossEntropy(self)


class CrossEntropy(SupervisedLoss):
    """Mean cross-entropy over pixels with a label; 0 where a batch has none."""

    weight: Tensor | None

    def __init__(self, config: CrossEntropyConfig) -> None:
        super().__init__()
        self._smoothing = config.label_smoothing
        self.register_buffer(
            "weight",
            torch.tensor(config.class_weights) if config.class_weights else None,
            persistent=False,
        )

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        total = F.cross_entropy(
            logits.float(),
            target,
            weight=self.weight,
            ignore_index=IGNORE_ID,
            label_smoothing=self._smoothing,
            reduction="sum",
        )
        known = target != IGNORE_ID
        norm = known.sum() if self.weight is None else self.weight[target[known]].sum()
        loss = total / norm.clamp(min=1e-8)
        return LossOutput(total=loss, parts={"ce": loss.detach()})
