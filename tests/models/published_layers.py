"""Layers as plain functions over weights that bear a published network's names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["PublishedLayers"]


class PublishedLayers:
    """Runs layers by name and makes up their weights on the way; `state` is then a whole checkpoint.

    The weights are float32 as in a file, the computation is in float64.
    """

    def __init__(self, seed: int) -> None:
        self.state: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def conv(
        self,
        x: Tensor,
        name: str,
        channels: int,
        kernel: Any = 1,
        *,
        bias: bool = False,
        **options: Any,
    ) -> Tensor:
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        inner = x.shape[1] // options.get("groups", 1)
        weight = self._noise(f"{name}.weight", channels, inner, *kernel)
        return F.conv2d(
            x, weight, self._noise(f"{name}.bias", channels) if bias else None, **options
        )

    def transposed(
        self, x: Tensor, name: str, channels: int, kernel: int, **options: Any
    ) -> Tensor:
        weight = self._noise(f"{name}.weight", x.shape[1], channels, kernel, kernel)
        return F.conv_transpose2d(x, weight, stride=2, **options)

    def norm(self, x: Tensor, name: str) -> Tensor:
        channels = x.shape[1]
        mean, shift = (self._noise(f"{name}.{key}", channels) for key in ("running_mean", "bias"))
        variance, scale = (
            self._positive(f"{name}.{key}", channels) for key in ("running_var", "weight")
        )
        return F.batch_norm(x, mean, variance, scale, shift)

    def prelu(self, x: Tensor, name: str) -> Tensor:
        slope = self._positive(f"{name}.weight", 1)
        return x.clamp(min=0) + slope * x.clamp(max=0)

    def _noise(self, key: str, *shape: int) -> Tensor:
        fan = max(1, torch.Size(shape[1:]).numel())
        return self._kept(key, torch.randn(shape, generator=self._generator) / fan**0.5)

    def _positive(self, key: str, *shape: int) -> Tensor:
        return self._kept(key, torch.rand(shape, generator=self._generator) + 0.5)

    def _kept(self, key: str, value: Tensor) -> Tensor:
        assert key not in self.state
        self.state[key] = value
        return value.double()
