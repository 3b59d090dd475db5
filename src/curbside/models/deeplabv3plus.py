"""DeepLabV3+ over any timm encoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import EDGE_ENCODERS, EncoderConfig
from .smp_decoder import SMP_DILATED_KEYS

__all__ = ["DeepLabV3Plus", "DeepLabV3PlusConfig"]


@dataclass(frozen=True, kw_only=True)
class DeepLabV3PlusConfig(ModelConfig):
    """DeepLabV3+ over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(output_stride=16))
    """The encoder; output stride 16 is the paper's for speed, 8 for accuracy."""
    channels: int = 256
    """Width of the decoder."""
    atrous_rates: tuple[int, int, int] = (6, 12, 18)
    """Dilations of the pyramid; the paper's for output stride 16, to be doubled for 8.
    segmentation-models-pytorch's are 12, 24, 36 at 16, which its files of weights do not tell."""
    separable: bool = True
    """Depthwise-separable pyramid: fewer operations at nearly the same score."""
    dropout: float = 0.5
    """Dropout behind the pyramid."""

    def build(self, num_classes: int) -> DeepLabV3Plus:
        return DeepLabV3Plus(self, num_classes)

    @property
    def title(self) -> str:
        return f"DeepLabV3+ {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return tuple(
            Network(
                name=f"deeplabv3plus-{name}",
                config=cls(encoder=EncoderConfig(name=encoder, output_stride=16)),
            )
            for name, encoder in EDGE_ENCODERS.items()
        )


class DeepLabV3Plus(SegmentationModel):
    """Atrous pyramid on the deepest stage, refined with the stride-4 stage; logits at stride 4.

    The decoder's layers are segmentation-models-pytorch's. The pyramid is resized to the fine stage's
    own size, so that inputs need not be multiples of the stride.

    Source: Chen et al. 2018, Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation.
    """

    key_maps = tuple(
        replace(names, note="that library's dilations are --model.atrous-rates 12 24 36")
        for names in SMP_DILATED_KEYS
    )

    def __init__(self, config: DeepLabV3PlusConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        self.normalization = self.encoder.normalization
        self._fine = self.encoder.stage(4)
        channels = [spec.channels for spec in self.encoder.specs]
        self.decoder = DeepLabV3PlusDecoder(
            # smp reads the fine stage at index 2 and the deep one at the end.
            encoder_channels=[0, 0, channels[self._fine], channels[-1]],
            encoder_depth=5,
            out_channels=config.channels,
            atrous_rates=config.atrous_rates,
            output_stride=16,
            aspp_separable=config.separable,
            aspp_dropout=config.dropout,
        )
        self.head = nn.Conv2d(config.channels, num_classes, 1)
        decoded = FeatureSpec(name="decoder", channels=config.channels, stride=4)
        self.feature_specs = (*self.encoder.specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        fine = features[self._fine]
        pyramid = F.interpolate(
            self.decoder.aspp(features[-1]),
            size=fine.shape[-2:],
            mode="bilinear",
            align_corners=True,
        )
        joined = torch.cat([pyramid, self.decoder.block1(fine)], dim=1)
        decoded = self.decoder.block2(joined)
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))
