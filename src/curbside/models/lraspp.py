"""LR-ASPP: the light head of MobileNetV3, in a form that compilers for edge chips accept."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel, upsample
from .encoder import EDGE_ENCODERS, EncoderConfig

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

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return tuple(
            Network(
                name=f"lraspp-{name}", config=cls(encoder=EncoderConfig(name=encoder, stages=4))
            )
            for name, encoder in EDGE_ENCODERS.items()
        )


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
        strides = [spec.stride for spec in self.encoder.specs]
        self._detail = max(
            i for i, stride in enumerate(strides) if stride <= max(config.detail_stride, strides[0])
        )
        deep, fine = self.encoder.specs[-1].channels, self.encoder.specs[self._detail].channels
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
        gated = FeatureSpec(name="decoder", channels=config.channels, stride=strides[-1])
        self.feature_specs = (*self.encoder.specs, gated)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        deep, fine = features[-1], features[self._detail]
        # The classifier is linear, so it runs before the upsampling: C channels are resized, not 128.
        gated = self.project(deep) * self.gate(deep)
        logits = upsample(self.deep(gated), fine.shape[-2:]) + self.fine(fine)
        return ModelOutput(logits=logits, features=(*features, gated))
