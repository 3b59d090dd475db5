"""What the two SwiftNets share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from ..imaging import Normalization
from .base import upsample
from .encoder import Encoder

__all__ = ["Blend", "NormActConv", "Pixels", "convolution", "ladder_stages", "pixels_of"]

Pixels = Literal["encoder", "cityscapes"]
"""Whose mean and deviation of pixel values."""
_CITYSCAPES = Normalization(
    mean=(73.15 / 255, 82.90 / 255, 72.3 / 255), std=(47.67 / 255, 48.49 / 255, 47.73 / 255)
)


def pixels_of(encoder: Encoder, pixels: Pixels) -> Normalization:
    """What to bring pixel values to."""
    return encoder.normalization if pixels == "encoder" else _CITYSCAPES


def ladder_stages(encoder: Encoder) -> list[int]:
    """Indices of the last stage of each stride from 4 on, finest first."""
    strides = {spec.stride for spec in encoder.specs}
    return [encoder.stage(stride) for stride in sorted(strides) if stride >= 4]


def convolution(inside: int, outside: int, kernel: int) -> nn.Conv2d:
    """A convolution that keeps the size, without bias, drawn as the authors do."""
    made = nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made


class NormActConv(nn.Sequential):
    """BatchNorm and ReLU, then the convolution: for inputs that are sums."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        layers = {
            "norm": nn.BatchNorm2d(inside),
            "act": nn.ReLU(inplace=True),
            "conv": convolution(inside, outside, kernel),
        }
        super().__init__(OrderedDict(layers))


class Blend(nn.Module):
    """One step up the ladder: the coarse map at the fine one's size, their sum, a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = NormActConv(channels, channels, 3)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return self.conv(upsample(coarse, fine.shape[-2:]) + fine)
