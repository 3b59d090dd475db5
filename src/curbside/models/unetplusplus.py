"""U-Net++ over any encoder: U-Nets of all depths, nested."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMPNetwork

__all__ = ["UnetPlusPlus", "UnetPlusPlusConfig"]


@dataclass(frozen=True, kw_only=True)
class UnetPlusPlusConfig(ModelConfig):
    """U-Net++ over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder; one whose first stage has stride 2."""
    channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Widths of the decoder, deepest first, one per stage of the encoder."""

    def build(self, num_classes: int) -> UnetPlusPlus:
        return UnetPlusPlus(self, num_classes)

    @property
    def title(self) -> str:
        return f"U-Net++ {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="unetplusplus-mobilenetv2", config=cls()),)


class UnetPlusPlus(SMPNetwork):
    """U-Nets of every depth that share their stages, densely joined; logits at stride 1.

    Source: Zhou et al. 2018, UNet++: A Nested U-Net Architecture for Medical Image Segmentation.
    """

    def __init__(self, config: UnetPlusPlusConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages(from_half=True)
        self.require_width_per_stage(config.channels)
        decoder = UnetPlusPlusDecoder(self.stage_channels, config.channels, n_blocks=self.depth)
        self.attach(decoder, channels=config.channels[-1], stride=1, kernel=3)
