"""Cross-entropy over the pixels that have a label."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput
from ..pixels import ClassWeighted, ClassWeightedConfig

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
    """Mean cross-entropy over pixels with a label; 0 where a batch has none."""

    def __init__(self, config: CrossEntropyConfig) -> None:
        super().__init__(config)
        self._smoothing = config.label_smoothing

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
        loss = total / self.weigh(target).sum().clamp(min=1e-8)
        return LossOutput(total=loss, parts={"ce": loss.detach()})
