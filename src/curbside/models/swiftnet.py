"""SwiftNet: a light ladder over a pre-trained encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel, upsample
from .encoder import EncoderConfig
from .keys import KeyMap
from .pooling import grid_pool
from .swiftnet_blocks import Blend, NormActConv, Pixels, ladder_stages, pixels_of

__all__ = ["SwiftNet", "SwiftNetConfig"]

_ENCODERS = {
    "resnet18": "resnet18",
    "mobilenetv4-small": "mobilenetv4_conv_small",
    "mobilenetv4-medium": "mobilenetv4_conv_medium",
    "convnext-large": "convnext_large",
}


@dataclass(frozen=True, kw_only=True)
class SwiftNetConfig(ModelConfig):
    """SwiftNet over a timm encoder, one scale."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder."""
    channels: int = 128
    """Width of the decoder."""
    pixels: Pixels = "encoder"
    """Pixel values as the encoder wants them, or as the authors' checkpoints do (cityscapes)."""

    def build(self, num_classes: int) -> SwiftNet:
        return SwiftNet(self, num_classes)

    @property
    def title(self) -> str:
        return f"SwiftNet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        published = {
            "resnet18": {
                "published_m": 11.8,
                "published_in": "Orsic et al. 2019",
                "weights": "the authors', no licence stated (with pixels cityscapes)",
            }
        }
        return tuple(
            Network(
                name=f"swiftnet-{name}",
                config=cls(encoder=EncoderConfig(name=encoder)),
                **published.get(name, {}),  # type: ignore[arg-type]
            )
            for name, encoder in _ENCODERS.items()
        )


class SwiftNet(SegmentationModel):
    """Spatial pyramid pooling on the deepest stage, then up a ladder of narrow sums; logits at stride 4.

    Source: Orsic et al. 2019, In Defense of Pre-trained ImageNet Architectures for Real-time Semantic
    Segmentation of Road-driving Images.
    """

    key_maps = (
        KeyMap(
            source="SwiftNet's authors",
            note="theirs were trained with --model.pixels cityscapes",
            rules=(
                (r"^backbone\.spp\.spp\.spp_bn\.", "spp.enter."),
                (r"^backbone\.spp\.spp\.spp_fuse\.", "spp.fuse."),
                (r"^backbone\.spp\.spp\.spp(\d)\.", r"spp.levels.\1."),
                (r"^backbone\.upsample\.(\d)\.bottleneck\.", r"project.\1."),
                (r"^backbone\.upsample\.(\d)\.blend_conv\.", r"blend.\1.conv."),
                (r"^backbone\.", "encoder.body."),
                (r"^logits\.norm\.", "last.0."),
                (r"^logits\.conv\.", "head."),
            ),
            dropped=(r"backbone\.img_",),
        ),
    )

    def __init__(self, config: SwiftNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        width = config.channels
        self.encoder = config.encoder.build()
        self.normalization = pixels_of(self.encoder, config.pixels)
        self._used = ladder_stages(self.encoder)[::-1]  # coarsest first
        deep, *skips = [self.encoder.specs[i].channels for i in self._used]
        self.spp = SpatialPyramidPooling(deep, width)
        self.project = nn.ModuleList(NormActConv(channels, width, 1) for channels in skips)
        self.blend = nn.ModuleList(Blend(width) for _ in skips)
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(width, num_classes, 1)
        decoded = FeatureSpec(name="decoder", channels=width, stride=4)
        self.feature_specs = (*self.encoder.specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        deep, *skips = [features[i] for i in self._used]
        x = self.spp(deep)
        for project, blend, skip in zip(self.project, self.blend, skips, strict=True):
            x = blend(x, project(skip))
        decoded = self.last(x)
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))


class SpatialPyramidPooling(nn.Module):
    """Means over grids of 8, 4 and 2 rows, with columns so that the cells are nearly square.

    Args:
        inside: Channels of the input.
        channels: Channels of the output; each grid adds a third as many to what is fused.
    """

    _ROWS = (8, 4, 2)

    def __init__(self, inside: int, channels: int) -> None:
        super().__init__()
        level = channels // len(self._ROWS)
        self.enter = NormActConv(inside, channels, 1)
        self.levels = nn.ModuleList(NormActConv(channels, level, 1) for _ in self._ROWS)
        self.fuse = NormActConv(channels + len(self._ROWS) * level, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        height, width = (int(side) for side in x.shape[-2:])
        joined = [x]
        for rows, conv in zip(self._ROWS, self.levels, strict=True):
            columns = max(1, round(width / height * rows))
            joined.append(upsample(conv(grid_pool(x, (rows, columns))), (height, width)))
        return self.fuse(torch.cat(joined, dim=1))
