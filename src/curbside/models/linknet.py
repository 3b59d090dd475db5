"""LinkNet over any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMPNetwork

__all__ = ["Linknet", "LinknetConfig"]


@dataclass(frozen=True, kw_only=True)
class LinknetConfig(ModelConfig):
    """LinkNet over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder; one whose first stage has stride 2."""
    channels: int = 32
    """Width of what the classifier sees."""

    def build(self, num_classes: int) -> Linknet:
        return Linknet(self, num_classes)

    @property
    def title(self) -> str:
        return f"LinkNet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="linknet-mobilenetv2", config=cls()),)


class Linknet(SMPNetwork):
    """Narrow transposed convolutions, to which the encoder's stages are added; logits at stride 1.

    Source: Chaurasia and Culurciello 2017, LinkNet: Exploiting Encoder Representations for Efficient
    Semantic Segmentation.
    """

    def __init__(self, config: LinknetConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages(from_half=True)
        decoder = LinknetDecoder(
            self.stage_channels, prefinal_channels=config.channels, n_blocks=self.depth
        )
        self.attach(decoder, channels=config.channels, stride=1, kernel=1)
