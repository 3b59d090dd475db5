"""SFNet: a pyramid whose coarse maps are moved by a learned flow before they are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from timm.models.resnet import BasicBlock
from torch import Tensor, nn
from torch.nn import functional as F

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import Encoder, EncoderConfig
from .keys import KeyMap
from .pooling import GridPool

__all__ = [
    "ENCODER_RULES",
    "PyramidPooling",
    "SFNet",
    "SFNetConfig",
    "auxiliary_head",
    "conv_norm",
    "dilate",
    "resize",
    "warp",
]

_STRIDES = (4, 8, 16, 32)

ENCODER_RULES = (
    (r"^layer0\.0\.", "encoder.body.conv1."),
    (r"^layer0\.1\.", "encoder.body.bn1."),
    (r"^layer(\d)\.", r"encoder.body.layer\1."),
    (r"^head\.ppm\.", "context."),
    (r"^head\.conv_last\.0\.", "fuse."),
    (r"^head\.conv_last\.1\.", "head."),
)
"""What the authors' files of SFNet and SFNet-lite name alike."""


@dataclass(frozen=True, kw_only=True)
class SFNetConfig(ModelConfig):
    """SFNet over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="resnet18"))
    """The encoder, of stride 32; the authors' is resnet18 with a deep stem."""
    channels: int = 128
    """Width of the pyramid."""

    def build(self, num_classes: int) -> SFNet:
        return SFNet(self, num_classes)

    @property
    def title(self) -> str:
        return f"SFNet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (
            Network(
                name="sfnet-resnet18",
                config=cls(encoder=EncoderConfig(name="resnet18", deep_stem=True)),
                published_m=12.9,
                published_in="Li et al. 2020",
                weights="SFNet authors', MIT",
            ),
        )


class SFNet(SegmentationModel):
    """Context at stride 32, carried down to stride 4 along learned flows; logits at stride 4.

    Maps are resized corner on corner (`align_corners`), as in the authors' code.

    Source: Li et al. 2020, Semantic Flow for Fast and Accurate Scene Parsing.
    """

    training_only: ClassVar[tuple[str, ...]] = ("aux",)
    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="the authors of SFNet",
            rules=(
                *ENCODER_RULES,
                (r"^head\.fpn_in\.", "laterals."),
                (r"^head\.fpn_out\.(\d)\.0\.", r"smooths.\1."),
                (r"^head\.fpn_out_align\.(\d)\.down_h\.", r"alignments.\1.coarse."),
                (r"^head\.fpn_out_align\.(\d)\.down_l\.", r"alignments.\1.fine."),
                (r"^head\.fpn_out_align\.(\d)\.flow_make\.", r"alignments.\1.flow."),
                (r"^head\.dsn\.", "aux."),
            ),
            dropped=(r"criterion\.",),
            fresh=("aux.",),
        ),
    )

    def __init__(self, config: SFNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        dilate(self.encoder)
        self.normalization = self.encoder.normalization
        self._stages = [self.encoder.stage(stride) for stride in _STRIDES]
        *fine, deep = (self.encoder.specs[index].channels for index in self._stages)
        width = config.channels
        self.context = PyramidPooling(deep, width)
        # Level 0 is the finest, of stride 4.
        self.laterals = nn.ModuleList(conv_norm(given, width, 1, bias=True) for given in fine)
        self.alignments = nn.ModuleList(_FlowAlignment(width) for _ in fine)
        self.smooths = nn.ModuleList(conv_norm(width, width, 3) for _ in fine)
        self.aux = nn.ModuleList(auxiliary_head(width, num_classes) for _ in fine)
        self.fuse = conv_norm(len(_STRIDES) * width, width, 3)
        self.head = nn.Conv2d(width, num_classes, 1)
        aligned = [
            FeatureSpec(name=f"aligned{stride}", channels=width, stride=stride)
            for stride in _STRIDES[:-1]
        ]
        decoded = FeatureSpec(name="decoder", channels=width, stride=_STRIDES[0])
        self.feature_specs = (*self.encoder.specs, *aligned, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        *stages, deep = (features[index] for index in self._stages)
        coarse = self.context(deep)
        aligned: list[Tensor] = []
        pyramid = [coarse]
        for level in reversed(range(len(stages))):
            fine = self.laterals[level](stages[level])
            coarse = fine + self.alignments[level](fine, coarse)
            aligned.insert(0, coarse)
            pyramid.insert(0, self.smooths[level](coarse))
        size_hw = pyramid[0].shape[-2:]
        joined = torch.cat([pyramid[0], *(resize(level, size_hw) for level in pyramid[1:])], dim=1)
        decoded = self.fuse(joined)
        aux = zip(self.aux, aligned, strict=True) if self.training else ()
        return ModelOutput(
            logits=self.head(decoded),
            aux=tuple(head(level) for head, level in aux),
            features=(*features, *aligned, decoded),
        )


class _FlowAlignment(nn.Module):
    """Moves a coarse map to where a fine one wants it, by a flow that both decide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.fine = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow = nn.Conv2d(channels // 2 * 2, 2, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        deep = resize(self.coarse(coarse), fine.shape[-2:])
        return warp(coarse, self.flow(torch.cat([deep, self.fine(fine)], dim=1)))


class PyramidPooling(nn.Module):
    """What a map holds as a whole and in 2x2, 3x3 and 6x6 cells, beside the map itself.

    Source: Zhao et al. 2017, Pyramid Scene Parsing Network.
    """

    def __init__(self, given: int, channels: int, sizes: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                GridPool((size, size)),
                nn.Conv2d(given, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
            for size in sizes
        )
        self.bottleneck = nn.Sequential(
            *conv_norm(given + len(sizes) * channels, channels, 1), nn.Dropout2d(0.1)
        )

    def forward(self, deep: Tensor) -> Tensor:
        cells = [resize(stage(deep), deep.shape[-2:]) for stage in self.stages]
        return self.bottleneck(torch.cat([*cells, deep], dim=1))


def warp(source: Tensor, flow: Tensor) -> Tensor:
    """A map looked up where a flow points, bilinear, zero outside of it.

    Without flow this is `resize`. A flow of 1 is about half a pixel of the result, to the right or down.

    Args:
        source: (B, C, h, w) float.
        flow: (B, 2, H, W) float, x before y.

    Returns:
        (B, C, H, W), of the type of `source`.
    """
    height, width = flow.shape[-2:]
    # In float32: bfloat16 cannot tell neighbouring pixels apart in a map of a few hundred.
    x, y = flow.float().unbind(dim=1)
    x = torch.linspace(-1, 1, width, device=flow.device) + x / width
    y = torch.linspace(-1, 1, height, device=flow.device)[:, None] + y / height
    if torch.onnx.is_in_onnx_export():
        return _lookup(source, x, y)
    grid = torch.stack([x, y], dim=-1)  # (B, H, W, 2)
    return F.grid_sample(source.float(), grid, align_corners=True).to(source.dtype)


def _lookup(source: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`F.grid_sample` of one picture, from operators of ONNX opset 13.

    GridSample begins at opset 16. ONNX Runtime reads it channel by channel; whole rows of channels, as
    here, take a third of its time.
    """
    channels, height, width = source.shape[1:]
    # One column of zeros before and two behind hold all that lies outside.
    x = ((x + 1) * ((width - 1) / 2)).clamp(-1, width) + 1
    y = ((y + 1) * ((height - 1) / 2)).clamp(-1, height) + 1
    left, top = x.floor(), y.floor()
    right_part, low_part = (x - left).reshape(-1, 1), (y - top).reshape(-1, 1)
    pitch = width + 3
    # Whole numbers are computed as such: no quantiser rounds them.
    first = (top.long() * pitch + left.long()).reshape(-1)  # (H * W)
    table = F.pad(source, (1, 2, 1, 2)).permute(0, 2, 3, 1).reshape(-1, channels)
    found = (
        table[first] * ((1 - right_part) * (1 - low_part))
        + table[first + 1] * (right_part * (1 - low_part))
        + table[first + pitch] * ((1 - right_part) * low_part)
        + table[first + pitch + 1] * (right_part * low_part)
    )  # (H * W, C)
    return found.reshape(1, *x.shape[-2:], channels).permute(0, 3, 1, 2)


def resize(source: Tensor, size_hw: Sequence[int]) -> Tensor:
    """A map at another size, bilinear, its corners on the corners.

    Args:
        source: (B, C, h, w) float.
        size_hw: The height and width wanted.
    """
    return F.interpolate(source, size=tuple(size_hw), mode="bilinear", align_corners=True)


def dilate(encoder: Encoder) -> None:
    """Let the last two stages of a small ResNet see further at the same stride, as the authors do.

    Args:
        encoder: Changed in place; any other than a ResNet of basic blocks stays as it is.
    """
    for name, dilation in (("layer3", 2), ("layer4", 4)):
        for block in getattr(encoder.body, name, ()):
            if isinstance(block, BasicBlock):
                block.conv2.dilation = block.conv2.padding = (dilation, dilation)


def conv_norm(given: int, channels: int, kernel: int, *, bias: bool = False) -> nn.Sequential:
    """A convolution that keeps the size, with its normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(given, channels, kernel, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def auxiliary_head(channels: int, num_classes: int) -> nn.Sequential:
    """A small classifier of its own for a map inside, to teach it directly."""
    return nn.Sequential(
        *conv_norm(channels, channels, 3, bias=True),
        nn.Dropout2d(0.1),
        nn.Conv2d(channels, num_classes, 1),
    )
