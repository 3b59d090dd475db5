"""PIDNet: a fine, a deep and a boundary branch side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel, upsample
from .keys import KeyMap

__all__ = ["PIDNet", "PIDNetConfig"]


@dataclass(frozen=True, kw_only=True)
class PIDNetConfig(ModelConfig):
    """PIDNet; the smallest of the published ones, S, as it stands."""

    width: int = 32
    """Channels of the stem; everything up to the pyramid is a multiple of it."""
    blocks: tuple[int, int] = (2, 3)
    """Residual blocks of a stage: of the two fine ones and the detail branch's, of the next two."""
    context_channels: int = 96
    """Width of the pooling pyramid."""
    head_channels: int = 128
    """Width of what the classifier sees."""
    light: bool = True
    """The form of S and M: a parallel pyramid, a thin boundary branch, a 1x1 fusion. L has the other."""

    def __post_init__(self) -> None:
        if min(self.width, *self.blocks, self.context_channels, self.head_channels) < 1:
            raise ConfigError(
                f"a PIDNet of width {self.width}, blocks {self.blocks} and"
                f" {self.context_channels} and {self.head_channels} channels is impossible",
                fix="give numbers of 1 or more",
            )

    def build(self, num_classes: int) -> PIDNet:
        return PIDNet(self, num_classes)

    @property
    def title(self) -> str:
        sizes = {item.config: item.name[-1].upper() for item in self.networks()}
        return f"PIDNet-{sizes[self]}" if self in sizes else f"PIDNet of width {self.width}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        large = cls(width=64, blocks=(3, 4), context_channels=112, head_channels=256, light=False)
        sizes = {"s": (7.6, cls()), "m": (28.5, cls(width=64)), "l": (36.9, large)}
        return tuple(
            Network(
                name=f"pidnet-{size}",
                config=config,
                published_m=published_m,
                published_in="Xu et al. 2023",
                weights="PIDNet authors', MIT",
            )
            for size, (published_m, config) in sizes.items()
        )


_RULES = (
    # The authors' files hold the network beside their losses, so not every key has this prefix.
    (r"^model\.", ""),
    (r"^conv1\.", "stem."),
    (r"^layer([345])_d\.(?:0\.)?", r"d\1."),
    (r"^layer5_\.0\.", "p5."),
    (r"^layer([34])_\.", r"p\1."),
    (r"^layer(\d)\.", r"stage\1."),
    (r"^((?:stage|p|d)\d(?:\.\d+)?)\.(conv|bn)", r"\1.body.\2"),
    (r"\.downsample\.", ".shortcut."),
    (r"^compression(\d)\.", r"i_to_p\1.compress."),
    (r"^pag(\d)\.f_x\.", r"i_to_p\1.key."),
    (r"^pag(\d)\.f_y\.", r"i_to_p\1.query."),
    (r"^diff(\d)\.", r"i_to_d\1."),
    (r"^spp\.scale_process\.", "context.process."),
    (r"^spp\.(scale|process)(\d)\.", r"context.\1.\2."),
    (r"^spp\.", "context."),
    (r"^dfm\.", "fusion."),
    (r"^final_layer\.conv2\.", "head."),
    (r"^final_layer\.", "decoder."),
    (r"^seghead_p\.", "aux_head."),
    (r"^seghead_d\.", "boundary_head."),
)


class PIDNet(SegmentationModel):
    """A detail branch P, a deep branch I and a boundary branch D; logits at stride 8.

    P takes from I what it agrees with, D takes from I what it lacks; at the end D says where P's
    detail counts and where I's context does. Training mode adds the class scores of P and the
    border scores of D, and needs batches of 2 or more.

    Source: Xu et al. 2023, PIDNet: A Real-time Semantic Segmentation Network Inspired by PID
    Controllers.
    """

    training_only = ("aux_head", "boundary_head")
    key_maps = (
        KeyMap(source="PIDNet's authors", rules=_RULES, dropped=(r"(sem|sb)_loss\.",)),
        KeyMap(
            source="PIDNet's authors, ImageNet",
            rules=_RULES,
            dropped=(r"down5\.", r"last_layer\.", r"linear\."),
            # It is of a classifier, which shares I and P; not all that joins branches and reads them out.
            fresh=(
                *(f"i_to_p{n}.{part}." for n in (3, 4) for part in ("compress", "key", "query")),
                *("i_to_d3.", "i_to_d4.", "d3.", "d4.", "d5."),
                *("context.", "fusion.", "decoder.", "head.", "aux_head.", "boundary_head."),
            ),
        ),
    )

    def __init__(self, config: PIDNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        width, (few, many), light = config.width, config.blocks, config.light
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
        )
        self.stage1 = _stage(width, width, few)
        self.stage2 = _stage(width, 2 * width, few, stride=2)
        self.stage3 = _stage(2 * width, 4 * width, many, stride=2)
        self.stage4 = _stage(4 * width, 8 * width, many, stride=2)
        self.stage5 = nn.Sequential(
            _Residual(8 * width, 16 * width, stride=2, bottleneck=True),
            _Residual(16 * width, 16 * width, bottleneck=True),
        )
        self.context = (_ParallelPyramid if light else _SerialPyramid)(
            16 * width, config.context_channels, 4 * width
        )

        self.p3 = _stage(2 * width, 2 * width, few, relu=False)
        self.i_to_p3 = _Agreement(2 * width, 4 * width)
        self.p4 = _stage(2 * width, 2 * width, few, relu=False)
        self.i_to_p4 = _Agreement(2 * width, 8 * width)
        self.p5 = _Residual(2 * width, 4 * width, bottleneck=True)

        thin = width if light else 2 * width
        self.d3 = _Residual(2 * width, thin)
        self.i_to_d3 = _conv_norm(4 * width, thin, kernel=3)
        self.d4 = _Residual(thin, 2 * width, bottleneck=light)
        self.i_to_d4 = _conv_norm(8 * width, 2 * width, kernel=3)
        self.d5 = _Residual(2 * width, 4 * width, bottleneck=True)

        self.fusion = (_LightFusion if light else _Fusion)(4 * width)
        self.decoder = nn.Sequential(_decoder_layers(4 * width, config.head_channels))
        self.head = nn.Conv2d(config.head_channels, num_classes, 1)
        self.aux_head = _side_head(2 * width, config.head_channels, num_classes)
        self.boundary_head = _side_head(2 * width, width, 1)

        stages = [(f"stage{n}", width * 2 ** (n - 1), 2 ** (n + 1)) for n in range(1, 6)]
        branches = [(name, 4 * width, 8) for name in ("p", "d", "context")]
        self.feature_specs = tuple(
            FeatureSpec(name=name, channels=channels, stride=stride)
            for name, channels, stride in (*stages, *branches, ("decoder", config.head_channels, 8))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> ModelOutput:
        stage1 = self.stage1(self.stem(image))
        stage2 = self.stage2(stage1)
        stage3 = self.stage3(stage2)
        stage4 = self.stage4(stage3)
        stage5 = self.stage5(stage4)
        size_hw = stage2.shape[-2:]
        context = upsample(self.context(stage5), size_hw)

        p3 = F.relu(self.i_to_p3(self.p3(stage2), stage3))
        p4 = F.relu(self.i_to_p4(self.p4(p3), stage4))
        p = self.p5(p4)

        d3 = F.relu(self.d3(stage2) + upsample(self.i_to_d3(stage3), size_hw))
        d4 = F.relu(self.d4(d3) + upsample(self.i_to_d4(stage4), size_hw))
        d = self.d5(d4)

        decoded = self.decoder(self.fusion(p, context, d))
        output = ModelOutput(
            logits=self.head(decoded),
            features=(stage1, stage2, stage3, stage4, stage5, p, d, context, decoded),
        )
        if not self.training:
            return output
        return output._replace(aux=(self.aux_head(p3),), boundary=self.boundary_head(d4))


class _Agreement(nn.Module):
    """Takes a deep feature into a fine one, at every pixel as much as the two agree there.

    Convolutions with ones sum over channels and spread the sum again: compilers for edge chips take
    neither a sum over channels nor one map times many.
    """

    _sum: Tensor
    _spread: Tensor

    def __init__(self, channels: int, deep_channels: int) -> None:
        super().__init__()
        self.compress = _conv_norm(deep_channels, channels)
        self.key = _conv_norm(channels, channels // 2)
        self.query = _conv_norm(channels, channels // 2)
        self.register_buffer("_sum", torch.ones(1, channels // 2, 1, 1), persistent=False)
        self.register_buffer("_spread", torch.ones(channels, 1, 1, 1), persistent=False)

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        size_hw = fine.shape[-2:]
        deep = self.compress(deep)
        alike = self.key(fine) * upsample(self.query(deep), size_hw)
        share = torch.sigmoid(F.conv2d(alike, self._sum))  # (B, C / 2, H, W) -> (B, 1, H, W)
        share = F.conv2d(share, self._spread)  # (B, 1, H, W) -> (B, C, H, W)
        return fine + share * (upsample(deep, size_hw) - fine)


class _Pyramid(nn.Module, ABC):
    """Pools a feature over ever larger windows and joins what they say."""

    process: nn.Module

    def __init__(self, inputs: int, channels: int, outputs: int) -> None:
        super().__init__()
        windows = [nn.AvgPool2d(2 * step + 1, step, step) for step in (2, 4, 8)]
        pools: list[tuple[nn.Module, ...]] = [(), *((each,) for each in windows)]
        pools.append((nn.AdaptiveAvgPool2d(1),))
        self.scale = nn.ModuleList(
            nn.Sequential(*pool, *_norm_relu_conv(inputs, channels)) for pool in pools
        )
        self.compression = nn.Sequential(*_norm_relu_conv(5 * channels, outputs))
        self.shortcut = nn.Sequential(*_norm_relu_conv(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        own, *pooled = [scale(x) for scale in self.scale]
        mixed = self.mix(own, [upsample(each, x.shape[-2:]) for each in pooled])
        return self.compression(torch.cat([own, *mixed], dim=1)) + self.shortcut(x)

    @abstractmethod
    def mix(self, own: Tensor, pooled: Sequence[Tensor]) -> Sequence[Tensor]:
        """What the four pooled scales say, given the unpooled one: 4 C channels in all."""


class _ParallelPyramid(_Pyramid):
    """Every scale for itself (PAPPM)."""

    def __init__(self, inputs: int, channels: int, outputs: int) -> None:
        super().__init__(inputs, channels, outputs)
        layers = _norm_relu_conv(4 * channels, 4 * channels, kernel=3, groups=4)
        self.process = nn.Sequential(*layers)

    def mix(self, own: Tensor, pooled: Sequence[Tensor]) -> Sequence[Tensor]:
        return [self.process(torch.cat([each + own for each in pooled], dim=1))]


class _SerialPyramid(_Pyramid):
    """Every scale on top of the next finer one (DAPPM)."""

    process: nn.ModuleDict

    def __init__(self, inputs: int, channels: int, outputs: int) -> None:
        super().__init__(inputs, channels, outputs)
        self.process = nn.ModuleDict(
            {
                str(scale): nn.Sequential(*_norm_relu_conv(channels, channels, kernel=3))
                for scale in range(1, 5)
            }
        )

    def mix(self, own: Tensor, pooled: Sequence[Tensor]) -> Sequence[Tensor]:
        mixed = []
        for process, each in zip(self.process.values(), pooled, strict=True):
            own = process(each + own)
            mixed.append(own)
        return mixed


class _LightFusion(nn.Module):
    """Detail on borders, context elsewhere, each on top of all of the other (Light-Bag)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_p = _conv_norm(channels, channels)
        self.conv_i = _conv_norm(channels, channels)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        border = torch.sigmoid(d)
        return self.conv_p(p + (1 - border) * i) + self.conv_i(i + border * p)


class _Fusion(nn.Module):
    """Detail on borders, context elsewhere (Bag)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*_norm_relu_conv(channels, channels, kernel=3))

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        return self.conv(i + torch.sigmoid(d) * (p - i))


class _Residual(nn.Module):
    """What two 3x3 convolutions, or a bottleneck's three, add to their input."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        bottleneck: bool = False,
        relu: bool = False,
    ) -> None:
        super().__init__()
        kernels_strides = ((1, 1), (3, stride), (1, 1)) if bottleneck else ((3, stride), (3, 1))
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = inputs
        for n, (kernel, step) in enumerate(kernels_strides, start=1):
            is_last = n == len(kernels_strides)
            wanted = outputs // 2 if bottleneck and not is_last else outputs
            layers[f"conv{n}"], layers[f"bn{n}"] = _conv_norm(
                channels, wanted, kernel=kernel, stride=step
            )
            if not is_last:
                layers[f"relu{n}"] = nn.ReLU(True)
            channels = wanted
        self.body = nn.Sequential(layers)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, stride=stride)
        self.last = nn.ReLU(True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x) + self.shortcut(x))


def _stage(
    inputs: int, outputs: int, blocks: int, *, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Residual blocks; `relu` says whether the last one ends in it."""
    return nn.Sequential(
        *(
            _Residual(
                outputs if n else inputs,
                outputs,
                stride=1 if n else stride,
                relu=relu or n < blocks - 1,
            )
            for n in range(blocks)
        )
    )


def _side_head(inputs: int, channels: int, outputs: int) -> nn.Sequential:
    layers = _decoder_layers(inputs, channels)
    layers["conv2"] = nn.Conv2d(channels, outputs, 1)
    return nn.Sequential(layers)


def _decoder_layers(inputs: int, channels: int) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        bn1=nn.BatchNorm2d(inputs),
        relu1=nn.ReLU(True),
        conv1=nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        bn2=nn.BatchNorm2d(channels),
        relu2=nn.ReLU(True),
    )


def _conv_norm(inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _norm_relu_conv(
    inputs: int, outputs: int, *, kernel: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.BatchNorm2d(inputs), nn.ReLU(True), conv
