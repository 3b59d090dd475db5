"""PAN, the pyramid attention network, over any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from segmentation_models_pytorch.decoders.pan.decoder import ConvBnRelu, PANDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMP_DILATED_KEYS, SMPNetwork

__all__ = ["PAN", "PANConfig"]


@dataclass(frozen=True, kw_only=True)
class PANConfig(ModelConfig):
    """PAN over an encoder."""

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(name="mobilenetv2_100", output_stride=16)
    )
    """The encoder, of output stride 16 or 32."""
    channels: int = 32
    """Width of the decoder."""

    def build(self, num_classes: int) -> PAN:
        return PAN(self, num_classes)

    @property
    def title(self) -> str:
        return f"PAN {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="pan-mobilenetv2", config=cls()),)


class PAN(SMPNetwork):
    """A small pyramid on the deepest stage weighs its positions, and deep features weigh the channels of
    finer stages; logits at stride 4.

    The pyramid halves the deepest stage three times, so smaller pictures are continued until it has
    8 x 8 places.

    Source: Li et al. 2018, Pyramid Attention Network for Semantic Segmentation.
    """

    key_maps = SMP_DILATED_KEYS

    def __init__(self, config: PANConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages(3, dilated=True)
        decoder = PANDecoder(
            self.stage_channels, encoder_depth=self.depth, decoder_channels=config.channels
        )
        self.attach(
            decoder,
            channels=config.channels,
            stride=4,
            kernel=3,
            least=8 * self.encoder.specs[-1].stride,
        )
        for layer in self.decoder.modules():
            if isinstance(layer, ConvBnRelu):
                # BatchNorm cancels it, so it cannot learn; published weights have it.
                conv: Any = layer.conv
                bias = conv.bias.detach()
                del conv.bias
                conv.register_buffer("bias", bias)
