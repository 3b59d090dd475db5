"""SegFormer: mix transformers and a decoder of linear layers."""

from __future__ import annotations

from dataclasses import dataclass, field

from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .keys import KeyMap
from .smp_decoder import SMP_KEYS, SMPNetwork

__all__ = ["SegFormer", "SegFormerConfig"]


@dataclass(frozen=True, kw_only=True)
class SegFormerConfig(ModelConfig):
    """SegFormer over an encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mit_b0"))
    """The encoder; the paper's are mit_b0 to mit_b5."""
    channels: int = 256
    """Width of the decoder; the paper's is 256 for B0 and B1, 768 for the larger."""

    def build(self, num_classes: int) -> SegFormer:
        return SegFormer(self, num_classes)

    @property
    def title(self) -> str:
        return f"SegFormer {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        weights = "SegFormer's authors', NVIDIA Source Code License (research and evaluation only)"
        return (
            Network(
                name="segformer-b0",
                config=cls(),
                published_m=3.7,
                published_in="the ACDC thesis",
                weights=weights,
            ),
            Network(
                name="segformer-b2",
                config=cls(encoder=EncoderConfig(name="mit_b2"), channels=768),
                published_m=27.5,
                published_in="the paper",
                published_classes=150,
                weights=weights,
            ),
        )


class SegFormer(SMPNetwork):
    """A linear layer per stage, all brought to the finest and joined by another; logits at stride 4.

    Source: Xie et al. 2021, SegFormer: Simple and Efficient Design for Semantic Segmentation with
    Transformers.
    """

    key_maps = (
        *SMP_KEYS,
        KeyMap(
            source="SegFormer's authors",
            rules=(
                (r"^backbone\.", "encoder."),
                *(
                    (rf"^decode_head\.linear_c{n}\.proj\.", f"decoder.mlp_stage.{4 - n}.linear.")
                    for n in (1, 2, 3, 4)
                ),
                (r"^decode_head\.linear_fuse\.conv\.", "decoder.fuse_stage.0."),
                (r"^decode_head\.linear_fuse\.bn\.", "decoder.fuse_stage.1."),
                (r"^decode_head\.linear_pred\.", "head."),
            ),
            dropped=(r"decode_head\.conv_seg\.",),
        ),
    )

    def __init__(self, config: SegFormerConfig, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        self.require_stages(3, dilated=True)
        decoder = SegformerDecoder(
            self.stage_channels, encoder_depth=self.depth, segmentation_channels=config.channels
        )
        self.attach(decoder, channels=config.channels, stride=4, kernel=1, multiple=4)
