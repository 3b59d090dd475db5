"""MAnet over any encoder: a U-Net with attention over positions and over channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder, MFABBlock
from torch import nn

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMPNetwork

__all__ = ["MAnet", "MAnetConfig"]


@dataclass(frozen=True, kw_only=True)
class MAnetConfig(ModelConfig):
    """MAnet over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder."""
    channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Widths of the decoder, deepest first, one per stage of the encoder."""
    attention_channels: int = 64
    """Width of the attention between the positions of the deepest stage."""

    def build(self, num_classes: int) -> MAnet:
        return MAnet(self, num_classes)

    @property
    def title(self) -> str:
        return f"MAnet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="manet-mobilenetv2", config=cls()),)


class MAnet(SMPNetwork):
    """Every position of the deepest stage attends to all; skips and deeper features weigh their channels
    together; logits at stride 1.

    Source: Fan et al. 2020, MA-Net: A Multi-Scale Attention Network for Liver and Tumor Segmentation.
    """

    def __init__(self, config: MAnetConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages()
        self.require_width_per_stage(config.channels)
        decoder = MAnetDecoder(
            self.stage_channels,
            config.channels,
            n_blocks=self.depth,
            pab_channels=config.attention_channels,
        )
        self.attach(decoder, channels=config.channels[-1], stride=1, kernel=3)
        self._wake()

    def _wake(self) -> None:
        """Begin with every gate above its ReLU: narrow stages have one unit, and it may never wake."""
        for block in self.decoder.modules():
            if isinstance(block, MFABBlock):
                gates: list[Any] = [block.SE_ll, block.SE_hl]
                for _, squeeze, *_ in gates:
                    squeeze.weight.data.abs_()
                    nn.init.ones_(squeeze.bias)
