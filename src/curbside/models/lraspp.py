"""LR-ASPP: the light head of MobileNetV3, in a form that compilers for edge chips accept."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from .base import ModelConfig, ModelOutput, SegmentationModel, upsample
from .encoder import EncoderConfig

__all__ = ["LRASPP", "LRASPPConfig"]


@dataclass(frozen=True, kw_only=True)
class LRASPPConfig(ModelConfig):
    """LR-ASPP over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(stages=4))
    """The encoder."""
    channels: int = 128
    """Width of the head."""
    detail_stride: int = 4
    """Stride of the fine stage that is added for detail; the logits come out at it."""

    def build(self, num_classes: int) -> LRASPP:
        return LRASPP(self, num_classes)

    @property
    def title(self) -> str:
        return f"LR-ASPP {self.encoder.name}"


class LRASPP(SegmentationModel):
    """Deep features gated by their global mean, plus a linear look at a fine stage.

    The gate is a plain sigmoid and every resize has a fixed size once exported, which is what the
    Hailo compiler takes.

    Source: Howard et al. 2019, Searching for MobileNetV3, section 6.3.
    """

    def __init__(self, config: LRASPPConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        self.normalization = self.encoder.normalization
        self.feature_specs = self.encoder.specs
        strides = [spec.stride for spec in self.feature_specs]
        self._detail = max(
            i for i, stride in enumerate(strides) if stride <= max(config.detail_stride, strides[0])
        )
        deep, fine = self.feature_specs[-1].channels, self.feature_specs[self._detail].channels
        self.project = nn.Sequential(
            nn.Conv2d(deep, config.channels, 1, bias=False),
            nn.BatchNorm2d(config.channels),
            nn.ReLU(inplace=True),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(deep, config.channels, 1, bias=False), nn.Sigmoid()
        )
        self.fine = nn.Conv2d(fine, num_classes, 1)
        self.deep = nn.Conv2d(config.channels, num_classes, 1)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        deep, fine = features[-1], features[self._detail]
        # The classifier is linear, so it runs before the upsampling: C channels are resized, not 128.
        coarse = self.deep(self.project(deep) * self.gate(deep))
        logits = upsample(coarse, fine.shape[-2:]) + self.fine(fine)
        return ModelOutput(logits=logits, features=tuple(features))
