"""UPerNet over any timm encoder: the strong, slow teacher."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import Tensor, nn

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import EncoderConfig
from .keys import KeyMap
from .pooling import replace_adaptive_pools
from .smp_decoder import SMP_KEYS

__all__ = ["UPerNet", "UPerNetConfig"]


@dataclass(frozen=True, kw_only=True)
class UPerNetConfig(ModelConfig):
    """UPerNet over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="convnext_base"))
    """The encoder."""
    channels: int = 256
    """Width of the decoder."""

    def build(self, num_classes: int) -> UPerNet:
        return UPerNet(self, num_classes)

    @property
    def title(self) -> str:
        return f"UPerNet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="upernet-convnext-base", config=cls()),)


class UPerNet(SegmentationModel):
    """Pyramid pooling on the deepest stage, a feature pyramid over the rest; logits at stride 4.

    The decoder is segmentation-models-pytorch's.

    Source: Xiao et al. 2018, Unified Perceptual Parsing for Scene Understanding.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = SMP_KEYS

    def __init__(self, config: UPerNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        self.normalization = self.encoder.normalization
        self._used = range(self.encoder.stage(4), len(self.encoder.specs))
        channels = [self.encoder.specs[i].channels for i in self._used]
        # smp skips the two finest entries of what it is given.
        self.decoder = UPerNetDecoder(
            [0, 0, *channels], encoder_depth=len(channels) + 1, decoder_channels=config.channels
        )
        replace_adaptive_pools(self.decoder)
        self.head = nn.Conv2d(config.channels, num_classes, 1)
        decoded = FeatureSpec(name="decoder", channels=config.channels, stride=4)
        self.feature_specs = (*self.encoder.specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        decoded = self.decoder([None, None, *(features[i] for i in self._used)])
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))
