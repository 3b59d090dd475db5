"""HRNetV2: four resolutions side by side to the end, then joined at the finest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from timm.models.hrnet import HighResolutionModule
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel, upsample
from .encoder import EncoderConfig
from .keys import KeyMap

__all__ = ["HRNet", "HRNetConfig"]

_BRANCHES = 4


@dataclass(frozen=True, kw_only=True)
class HRNetConfig(ModelConfig):
    """HRNetV2 over one of timm's high-resolution networks."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="hrnet_w48"))
    """The encoder, one of hrnet_*, whole."""

    def build(self, num_classes: int) -> HRNet:
        encoder = self.encoder
        whole = not encoder.stages and not encoder.every_block and encoder.output_stride == 32
        if not encoder.name.startswith("hrnet_") or not whole:
            raise ConfigError(
                f"{encoder.name} with {encoder.stages or 'all'} stages and output stride"
                f" {encoder.output_stride} does not make an HRNet",
                fix="choose hrnet_w48 or another hrnet_*, and leave its other settings alone",
            )
        return HRNet(self, num_classes)

    @property
    def title(self) -> str:
        return f"HRNetV2 {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (
            Network(
                name="hrnetv2-w48",
                config=cls(),
                published_m=65.9,
                published_in="Wang et al. 2020",
                weights="HRNet authors', MIT",
            ),
        )


class HRNet(SegmentationModel):
    """Four branches of strides 4 to 32 that exchange what they see; logits at stride 4.

    Maps are resized with pixel centres on pixel centres, as in the authors' code for Cityscapes.

    Source: Wang et al. 2020, Deep High-Resolution Representation Learning for Visual Recognition.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="the authors of HRNet",
            rules=(
                (r"^model\.", ""),
                (r"^(?!last_layer\.)", "encoder.body."),
                (r"^last_layer\.([01])\.", r"fuse.\1."),
                (r"^last_layer\.3\.", "head."),
            ),
            dropped=(r"loss\.",),
        ),
    )

    def __init__(self, config: HRNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        self.normalization = self.encoder.normalization
        body: Any = self.encoder.body
        for stage in (body.stage2, body.stage3, body.stage4):
            for index, unit in enumerate(stage):
                stage[index] = _Exchange(unit)
        channels = sum(spec.channels for spec in self.encoder.specs[-_BRANCHES:])
        self.fuse = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.head = nn.Conv2d(channels, num_classes, 1)
        decoded = FeatureSpec(name="decoder", channels=channels, stride=4)
        self.feature_specs = (*self.encoder.specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        finest, *coarser = features[-_BRANCHES:]
        size_hw = finest.shape[-2:]
        decoded = self.fuse(torch.cat([finest, *(upsample(x, size_hw) for x in coarser)], dim=1))
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))


class _Exchange(nn.Module):
    """timm's exchange unit under timm's keys, with coarse maps interpolated to the finer one's own size.

    timm repeats their pixels 2, 4 or 8 times: right for its classifiers, wrong for the authors'
    segmentation weights, and impossible where a side is odd.
    """

    def __init__(self, unit: HighResolutionModule) -> None:
        super().__init__()
        self.branches = unit.branches
        self.fuse_layers: Any = unit.fuse_layers
        for row, paths in enumerate(self.fuse_layers):
            for column in range(row + 1, len(paths)):
                paths[column] = paths[column][:-1]  # all but the repetition

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [F.relu(self._received(row, maps)) for row in range(len(maps))]

    def _received(self, row: int, maps: list[Tensor]) -> Tensor:
        """What the branches send to one of them, in sum."""
        sent = [path(x) for path, x in zip(self.fuse_layers[row], maps, strict=True)]
        size_hw = maps[row].shape[-2:]
        fitting = sent[: row + 1] + [upsample(x, size_hw) for x in sent[row + 1 :]]
        return sum(fitting[1:], start=fitting[0])
