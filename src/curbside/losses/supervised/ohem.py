"""Cross-entropy of the hardest pixels alone: online hard example mining."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ConfigError
from ...labels import IGNORE_ID
from ..base import LossOutput
from ..pixels import ClassWeighted, ClassWeightedConfig, log_probability, weighted_mean

__all__ = ["OHEM", "OHEMConfig"]


@dataclass(frozen=True, kw_only=True)
class OHEMConfig(ClassWeightedConfig):
    """Cross-entropy of hard pixels."""

    threshold: float = 0.9
    """Pixels whose true class has a probability below this are hard; 0.9 is HRNet's and PIDNet's."""
    min_share: float = 1 / 48
    """Share of all pixels of a batch that count at least, the hardest, however easy they are. 1/48 is
    PIDNet's 131,072 of 6 crops of 1024x1024 on each of its devices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold <= 1:
            raise ConfigError(
                f"a threshold of {self.threshold} is not a probability", fix="choose 0 to 1"
            )
        if not 0 <= self.min_share <= 1:
            raise ConfigError(
                f"a least share of {self.min_share} of the pixels is impossible",
                fix="choose 0 to 1",
            )

    def build(self, num_classes: int) -> OHEM:
        self.check_weights(num_classes)
        return OHEM(self)


class OHEM(ClassWeighted):
    """Mean cross-entropy over the hard pixels with a label; 0 where a batch has no label.

    Source: Shrivastava et al. 2016, Training Region-based Object Detectors with Online Hard Example
    Mining; per pixel as in HRNet (Wang et al. 2020) and PIDNet (Xu et al. 2023).
    """

    def __init__(self, config: OHEMConfig) -> None:
        super().__init__(config)
        self._threshold = config.threshold
        self._min_share = config.min_share

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        log_p = log_probability(logits, target)
        p = (
            log_p.detach().exp().masked_fill(target == IGNORE_ID, torch.inf).flatten()
        )  # (B * H * W,)
        least = max(1, round(self._min_share * p.numel()))
        hardest = p.topk(least, largest=False, sorted=False).indices
        hard = (p < self._threshold).index_fill(0, hardest, True).view_as(target)
        loss = weighted_mean(-log_p, self.weigh(target) * hard)
        return LossOutput(total=loss, parts={"ohem": loss.detach()})
