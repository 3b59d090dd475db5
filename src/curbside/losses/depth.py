"""Depth against what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .base import LossOutput
from .pixels import weighted_mean

__all__ = ["DepthLoss", "DepthLossConfig"]

_SHARE = 0.2
_LEAST_M = 1e-3


@dataclass(frozen=True, kw_only=True)
class DepthLossConfig:
    """The settings of a loss of depth."""

    kind: Literal["berhu", "l1", "silog"] = "berhu"
    """`berhu`: reverse Huber, linear near zero and quadratic beyond; `l1`: the absolute difference;
    `silog`: the scale-invariant one of logarithms."""
    normalize_by_m: float = 80.0
    """Of berhu and l1: differences are taken in this many metres."""
    threshold: float | None = None
    """Of berhu: from which difference on, in that unit, it is quadratic; a fifth of the batch's largest
    where not given."""
    variance_focus: float = 0.85
    """Of silog: how little a common factor of all depths costs, 0..1; 1 makes it free."""

    def __post_init__(self) -> None:
        for name in ("normalize_by_m", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(
                    f"{name} of the depth loss is {value}", fix="give a number over 0"
                )
        if not 0 <= self.variance_focus <= 1:
            raise ConfigError(
                f"a variance focus of {self.variance_focus} is impossible", fix="choose 0 to 1"
            )

    def build(self) -> DepthLoss:
        """The loss."""
        return DepthLoss(self)


class DepthLoss(nn.Module):
    """A weighted mean over the pixels whose depth is known; 0 where a batch has none.

    Source: Laina et al. 2016, Deeper Depth Prediction with Fully Convolutional Residual Networks (berHu);
    Eigen et al. 2014, Depth Map Prediction from a Single Image using a Multi-Scale Deep Network (the
    scale-invariant one, here its root).
    """

    def __init__(self, config: DepthLossConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, depth: Tensor, target: Tensor, weight: Tensor) -> LossOutput:
        """Compare depths, in float32.

        Args:
            depth: (B, 1, h, w) float metres, with gradient.
            target: (B, h, w) float metres; of any value where it is unknown.
            weight: (B, h, w) float, what each pixel counts; 0 where its depth is unknown.
        """
        found, weight = depth[:, 0].float(), weight.float()
        known = weight > 0
        true = torch.where(known, target.float(), found.detach())
        if self._config.kind == "silog":
            loss = self._silog(found, true, weight)
        else:
            apart = (found - true).abs() / self._config.normalize_by_m
            loss = weighted_mean(apart if self._config.kind == "l1" else self._berhu(apart), weight)
        return LossOutput(total=loss, parts={self._config.kind: loss.detach()})

    def _berhu(self, apart: Tensor) -> Tensor:
        limit: Tensor | float | None = self._config.threshold
        if limit is None:
            limit = (_SHARE * apart.detach().amax()).clamp(min=1e-6)
        return torch.where(apart <= limit, apart, (apart**2 + limit**2) / (2 * limit))

    def _silog(self, found: Tensor, true: Tensor, weight: Tensor) -> Tensor:
        least = torch.full_like(found, _LEAST_M)
        apart = torch.maximum(found, least).log() - torch.maximum(true, least).log()
        mean, square = weighted_mean(apart, weight), weighted_mean(apart**2, weight)
        variance = square - self._config.variance_focus * mean**2
        return (variance.clamp(min=0) + 1e-8).sqrt() - 1e-4  # a root alone has no slope at zero
