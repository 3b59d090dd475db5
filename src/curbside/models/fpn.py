"""Panoptic FPN's semantic branch over any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMPNetwork

__all__ = ["FPN", "FPNConfig"]


@dataclass(frozen=True, kw_only=True)
class FPNConfig(ModelConfig):
    """FPN over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder; one of at least four stages."""
    pyramid_channels: int = 256
    """Width of the pyramid."""
    channels: int = 128
    """Width of what the classifier sees."""
    dropout: float = 0.2
    """Share of channels dropped before the classifier."""

    def build(self, num_classes: int) -> FPN:
        return FPN(self, num_classes)

    @property
    def title(self) -> str:
        return f"FPN {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="fpn-mobilenetv2", config=cls()),)


class FPN(SMPNetwork):
    """A feature pyramid of the four deepest stages, each brought to the finest and summed; logits at
    its stride, 4.

    Source: Kirillov et al. 2019, Panoptic Feature Pyramid Networks.
    """

    def __init__(self, config: FPNConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages(4)
        decoder = FPNDecoder(
            self.stage_channels,
            encoder_depth=self.depth,
            pyramid_channels=config.pyramid_channels,
            segmentation_channels=config.channels,
            dropout=config.dropout,
        )
        stride = self.encoder.specs[-4].stride
        self.attach(decoder, channels=config.channels, stride=stride, kernel=1)
