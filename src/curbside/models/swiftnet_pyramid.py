"""SwiftNet over a pyramid of pictures, also known as SwiftNet-FPN."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel, upsample
from .encoder import EncoderConfig
from .keys import KeyMap
from .pyramid_encoder import PyramidEncoder
from .swiftnet_blocks import Blend, Pixels, convolution, ladder_stages, pixels_of

__all__ = ["SwiftNetPyramid", "SwiftNetPyramidConfig"]

_LEAST_SIDE = 32
"""Pixels that a picture of the pyramid has at least, each way: the deepest stage then has one."""


@dataclass(frozen=True, kw_only=True)
class SwiftNetPyramidConfig(ModelConfig):
    """SwiftNet over a timm encoder that sees the picture at several scales.

    Raises:
        ConfigError: The pyramid has no level, or the projection an even kernel.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder, shared by all levels of the pyramid."""
    levels: int = 3
    """Pictures of the pyramid, each of half the size of the one before."""
    channels: int = 256
    """Width of the decoder; 128 in the paper, 256 in the networks that distillation was studied on."""
    projection: int = 3
    """Kernel of the convolutions that bring each stage to that width; 1 in the paper."""
    resampling: Literal["bilinear", "bicubic"] = "bilinear"
    """How the pyramid's pictures are made; the authors' checkpoints were trained with bicubic."""
    pixels: Pixels = "encoder"
    """Pixel values as the encoder wants them, or as the authors' checkpoints do (cityscapes)."""

    def __post_init__(self) -> None:
        if self.levels < 1 or self.projection % 2 == 0:
            raise ConfigError(
                f"a pyramid of {self.levels} levels with {self.projection}x{self.projection} projections"
                " is impossible",
                fix="choose at least one level and an odd kernel",
            )

    def build(self, num_classes: int) -> SwiftNetPyramid:
        return SwiftNetPyramid(self, num_classes)

    @property
    def title(self) -> str:
        return f"SwiftNet-FPN {self.encoder.name}, width {self.channels}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        published = {
            "resnet18": ("resnet18", 16.7),
            "mobilenetv4-medium": ("mobilenetv4_conv_medium", 13.2),
            "convnext-large": ("convnext_large", 206.0),
        }
        return (
            *(
                Network(
                    name=f"swiftnet-fpn-{name}",
                    config=cls(encoder=EncoderConfig(name=encoder)),
                    published_m=millions,
                    published_in="the ACDC thesis",
                )
                for name, (encoder, millions) in published.items()
            ),
            Network(
                name="swiftnet-pyramid-resnet18",
                config=cls(
                    encoder=EncoderConfig(name="resnet18"),
                    channels=128,
                    projection=1,
                    resampling="bicubic",
                    pixels="cityscapes",
                ),
                weights="the authors', no licence stated",
            ),
        )


class SwiftNetPyramid(SegmentationModel):
    """One encoder over several sizes of the picture; stages of equal stride are summed and climbed.

    With three levels the sums have strides 4 to 128. Each level has BatchNorms of its own, since what
    they count differs from scale to scale; all other weights are shared. Logits at stride 4.

    Source: Orsic and Segvic 2021, Efficient Semantic Segmentation with Pyramidal Fusion.
    """

    key_maps = (
        KeyMap(
            source="SwiftNet's authors",
            note="theirs were trained with --model.pixels cityscapes --model.resampling bicubic",
            rules=(
                (r"^backbone\.upsample_bottlenecks\.0\.", "project.3."),
                (r"^backbone\.upsample_bottlenecks\.1\.", "project.2."),
                (r"^backbone\.upsample_bottlenecks\.2\.", "project.1."),
                (r"^backbone\.upsample_bottlenecks\.3\.", "project.0."),
                (r"^backbone\.upsample_blends\.(\d)\.blend_conv\.", r"blend.\1.conv."),
                (r"^backbone\.", "encoder.body."),
                (r"^logits\.norm\.", "last.0."),
                (r"^logits\.conv\.", "head."),
            ),
            dropped=(r"backbone\.img_",),
        ),
    )

    def __init__(self, config: SwiftNetPyramidConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        width, self._levels = config.channels, range(config.levels)
        self._resampling = config.resampling
        self.encoder = PyramidEncoder(config.encoder, config.levels)
        self.normalization = pixels_of(self.encoder, config.pixels)
        self._used = ladder_stages(self.encoder)
        stages = [self.encoder.specs[i] for i in self._used]
        strides = sorted({spec.stride << level for spec in stages for level in self._levels})
        self.project = nn.ModuleList(
            convolution(spec.channels, width, config.projection) for spec in stages
        )
        self.blend = nn.ModuleList(Blend(width) for _ in strides[1:])  # coarsest first
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(width, num_classes, 1)
        self.feature_specs = (
            *(FeatureSpec(name=f"fused{s}", channels=width, stride=s) for s in strides),
            FeatureSpec(name="decoder", channels=width, stride=strides[0]),
        )

    def forward(self, image: Tensor) -> ModelOutput:
        fused: dict[int, Tensor] = {}
        for level in self._levels:
            features = self.encoder(self._shrink(image, level), level)
            for index, project in zip(self._used, self.project, strict=True):
                x, stride = project(features[index]), self.encoder.specs[index].stride << level
                if stride in fused:  # sizes differ only for encoders that round down, at odd sizes
                    x = fused[stride] + upsample(x, fused[stride].shape[-2:])
                fused[stride] = x
        x, *finer = [fused[stride] for stride in sorted(fused, reverse=True)]
        for blend, skip in zip(self.blend, finer, strict=True):
            x = blend(x, skip)
        decoded = self.last(x)
        features = [fused[stride] for stride in sorted(fused)]
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))

    def _shrink(self, image: Tensor, level: int) -> Tensor:
        if level == 0:
            return image
        # Rounding up keeps stages of equal stride at equal sizes, as strided convolutions round up too.
        size = [max(_LEAST_SIDE, -(-int(side) // 2**level)) for side in image.shape[-2:]]
        return F.interpolate(image, size=size, mode=self._resampling, align_corners=False)
