"""Cross-entropy over the pixels that have a label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput
from ..pixels import ClassWeighted, ClassWeightedConfig, log_probability

__all__ = ["CrossEntropy", "CrossEntropyConfig"]


@dataclass(frozen=True, kw_only=True)
class CrossEntropyConfig(ClassWeightedConfig):
    """Cross-entropy."""

    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes, 0..1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"label smoothing {self.label_smoothing} is impossible",
                fix="choose 0 up to, not including, 1",
            )

    def build(self, num_classes: int) -> CrossEntropy:
        self.check_weights(num_classes)
        return CrossEntropy(self)


class CrossEntropy(ClassWeighted):
    """Mean cross-entropy over pixels with a label; 0 where a batch has none.

    A single logit is that of id 1 against id 0: the sum is the one over two classes, `-log p` of each.
    """

    def __init__(self, config: CrossEntropyConfig) -> None:
        super().__init__(config)
        self._smoothing = config.label_smoothing

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        if logits.shape[1] == 1:
            total = self._of_one(logits, target)
        else:
            total = F.cross_entropy(
                logits.float(),
                target,
                weight=self.weight,
                ignore_index=IGNORE_ID,
                label_smoothing=self._smoothing,
                reduction="sum",
            )
        loss = total / self.weigh(target).sum().clamp(min=1e-8)
        return LossOutput(total=loss, parts={"ce": loss.detach()})

    def _of_one(self, logits: Tensor, target: Tensor) -> Tensor:
        """The sum over the pixels of a single logit."""
        other = torch.where(target == IGNORE_ID, target, 1 - target)
        shares = ((target, 1 - self._smoothing / 2), (other, self._smoothing / 2))
        costs = [
            share * self.weigh(ids) * -log_probability(logits, ids)
            for ids, share in shares
            if share
        ]
        return torch.stack([cost.sum() for cost in costs]).sum()
