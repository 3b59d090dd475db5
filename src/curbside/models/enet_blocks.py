"""What ENet is made of: its initial block and its three kinds of bottleneck."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .base import upsample
from .unpooling import max_unpool

__all__ = ["Bottleneck", "Downsampling", "InitialBlock", "Slope", "Upsampling"]


class InitialBlock(nn.Module):
    """A strided convolution beside a strided pooling of the picture itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels - 3, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = Slope()

    def forward(self, image: Tensor) -> Tensor:
        pooled = F.max_pool2d(image, 3, stride=2, padding=1)
        return self.activation(self.norm(torch.cat([self.conv(image), pooled], dim=1)))


class Slope(nn.PReLU):
    """A PReLU of one learned slope, which is a leaky ReLU once it is trained.

    Inference libraries join a leaky ReLU with the convolution before it and have it in 8 bits; a PReLU
    they run on its own, in float.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return F.leaky_relu(x, float(self.weight))
        return super().forward(x)


class Bottleneck(nn.Module):
    """A residual block that convolves at a quarter of its width.

    Args:
        channels: Width.
        activation: Which kind.
        dropout: Share of channels dropped.
        dilation: Of the 3x3 convolution.
        asymmetric: 5x1 and 1x5 in the place of 3x3.
    """

    def __init__(
        self,
        channels: int,
        activation: type[nn.Module],
        *,
        dropout: float,
        dilation: int = 1,
        asymmetric: bool = False,
    ) -> None:
        super().__init__()
        inner = channels // 4
        if asymmetric:
            middle = [
                *_conv(inner, inner, (5, 1), activation, padding=(2, 0)),
                *_conv(inner, inner, (1, 5), activation, padding=(0, 2)),
            ]
        else:
            middle = _conv(inner, inner, 3, activation, padding=dilation, dilation=dilation)
        self.reduce = nn.Sequential(*_conv(channels, inner, 1, activation))
        self.convolve = nn.Sequential(*middle)
        self.expand = nn.Sequential(*_conv(inner, channels, 1, activation))
        self.dropout = nn.Dropout2d(dropout)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.dropout(self.expand(self.convolve(self.reduce(x)))))


class Downsampling(nn.Module):
    """A bottleneck of stride 2; its shortcut is pooled and has only the first of the channels."""

    def __init__(self, in_channels: int, channels: int, *, dropout: float) -> None:
        super().__init__()
        inner = in_channels // 4
        self.reduce = nn.Sequential(*_conv(in_channels, inner, 2, Slope, stride=2))
        self.convolve = nn.Sequential(*_conv(inner, inner, 3, Slope, padding=1))
        self.expand = nn.Sequential(*_conv(inner, channels, 1, Slope))
        self.dropout = nn.Dropout2d(dropout)
        self.activation = Slope()
        self._shared = in_channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.max_pool2d(x, 2)
        branch = self.dropout(self.expand(self.convolve(self.reduce(x))))
        first, rest = branch[:, : self._shared], branch[:, self._shared :]
        return self.activation(torch.cat([shortcut + first, rest], dim=1))


class Upsampling(nn.Module):
    """A bottleneck that doubles the size; its shortcut is unpooled, or resized."""

    def __init__(
        self, in_channels: int, channels: int, unpooling: Literal["indices", "bilinear"]
    ) -> None:
        super().__init__()
        inner = in_channels // 4
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.reduce = nn.Sequential(*_conv(in_channels, inner, 1, nn.ReLU))
        self.convolve = nn.Sequential(
            nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
        )
        self.expand = nn.Sequential(
            nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.dropout = nn.Dropout2d(0.1)
        self.activation = nn.ReLU()
        self._by_indices = unpooling == "indices"

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        """Twice the size.

        Args:
            x: (B, C_in, H // 2, W // 2) float.
            pooled: (B, C, H, W) float; what the encoder's pooling to the size of x was given.

        Returns:
            (B, C, H, W).
        """
        size_hw = pooled.shape[-2:]
        shortcut = self.shortcut(x)
        if self._by_indices:
            shortcut = max_unpool(shortcut, pooled)
        else:
            shortcut = upsample(shortcut, size_hw)
        grow, *rest = self.convolve
        branch = grow(self.reduce(x), output_size=size_hw)
        for layer in rest:
            branch = layer(branch)
        return self.activation(shortcut + self.dropout(self.expand(branch)))


def _conv(
    in_channels: int,
    channels: int,
    kernel: int | tuple[int, int],
    activation: type[nn.Module],
    **options: Any,
) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, channels, kernel, bias=False, **options)
    return [convolution, nn.BatchNorm2d(channels), activation()]
