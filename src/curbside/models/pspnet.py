"""PSPNet over the first stages of any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from torch import Tensor
from torch.nn import functional as F

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .pooling import replace_adaptive_pools
from .smp_decoder import SMPNetwork

__all__ = ["PSPNet", "PSPNetConfig"]


@dataclass(frozen=True, kw_only=True)
class PSPNetConfig(ModelConfig):
    """PSPNet over an encoder."""

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(name="mobilenetv2_100", stages=3)
    )
    """The encoder; its first three stages, to stride 8, are enough."""
    channels: int = 512
    """Width of the decoder."""
    dropout: float = 0.2
    """Share of channels dropped before the classifier."""

    def build(self, num_classes: int) -> PSPNet:
        return PSPNet(self, num_classes)

    @property
    def title(self) -> str:
        return f"PSPNet {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="pspnet-mobilenetv2", config=cls()),)


class PSPNet(SMPNetwork):
    """Means over grids of 1, 2, 3 and 6 cells beside the deepest stage; logits at its stride.

    Source: Zhao et al. 2017, Pyramid Scene Parsing Network.
    """

    def __init__(self, config: PSPNetConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        decoder = PSPDecoder(
            self.stage_channels, out_channels=config.channels, dropout=config.dropout
        )
        replace_adaptive_pools(decoder)
        stride = self.encoder.specs[-1].stride
        self.attach(decoder, channels=config.channels, stride=stride, kernel=3)

    def decode(self, stages: list[Tensor]) -> Tensor:
        decoder: Any = self.decoder
        deep = stages[-1]
        # smp's own blocks ask whether they are exported, and pool in another way if so.
        grids = [
            F.interpolate(block.pool(deep), deep.shape[-2:], mode="bilinear", align_corners=True)
            for block in decoder.psp.blocks
        ]
        return decoder.dropout(decoder.conv(torch.cat([*grids, deep], dim=1)))
