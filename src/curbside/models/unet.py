"""U-Net over any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMPNetwork

__all__ = ["Unet", "UnetConfig"]


@dataclass(frozen=True, kw_only=True)
class UnetConfig(ModelConfig):
    """U-Net over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder."""
    channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Widths of the decoder, deepest first, one per stage of the encoder."""

    def build(self, num_classes: int) -> Unet:
        return Unet(self, num_classes)

    @property
    def title(self) -> str:
        return f"U-Net {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="unet-mobilenetv2", config=cls()),)


class Unet(SMPNetwork):
    """Doubles the size step by step, each joined with the encoder's stage of that size; logits at stride 1.

    An encoder without a stage of stride 2 has no skip there.

    Source: Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation.
    """

    def __init__(self, config: UnetConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages()
        self.require_width_per_stage(config.channels)
        decoder = UnetDecoder(self.stage_channels, config.channels, n_blocks=self.depth)
        # It takes the skips' own sizes, so any picture fits.
        self.attach(decoder, channels=config.channels[-1], stride=1, kernel=3, multiple=1)
