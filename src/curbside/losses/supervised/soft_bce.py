"""Binary cross-entropy of every class by itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig
from ..pixels import one_hot

__all__ = ["SoftBCE", "SoftBCEConfig"]


@dataclass(frozen=True, kw_only=True)
class SoftBCEConfig(SupervisedLossConfig):
    """Binary cross-entropy per class."""

    label_smoothing: float = 0.0
    """Targets are this and 1 minus this, in the place of 0 and 1; up to 0.5."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 0.5:
            raise ConfigError(
                f"label smoothing {self.label_smoothing} is impossible for yes and no",
                fix="choose 0 up to, not including, 0.5",
            )

    def build(self, num_classes: int) -> SoftBCE:
        return SoftBCE(self)


class SoftBCE(SupervisedLoss):
    """Binary cross-entropy between the sigmoid of each logit and whether the pixel is of that class, mean
    over classes and pixels with a label; 0 where a batch has none.

    One logit is a class and its absence: ids 1 and 0.
    """

    def __init__(self, config: SoftBCEConfig) -> None:
        super().__init__()
        self._smoothing = config.label_smoothing

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        num_classes = logits.shape[1]
        hot = one_hot(target, num_classes).float()
        soft = hot * (1 - 2 * self._smoothing) + self._smoothing
        per_pixel = F.binary_cross_entropy_with_logits(logits.float(), soft, reduction="none").mean(
            dim=1
        )  # (B, C, H, W) -> (B, H, W)
        known = target != IGNORE_ID
        loss = (per_pixel * known).sum() / known.sum().clamp(min=1)
        return LossOutput(total=loss, parts={"bce": loss.detach()})
