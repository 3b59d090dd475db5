"""DeepLabV3 over any encoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder

from .base import ModelConfig, Network
from .encoder import EncoderConfig
from .smp_decoder import SMP_DILATED_KEYS, SMPNetwork

__all__ = ["DeepLabV3", "DeepLabV3Config"]


@dataclass(frozen=True, kw_only=True)
class DeepLabV3Config(ModelConfig):
    """DeepLabV3 over an encoder."""

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(name="mobilenetv2_100", output_stride=8)
    )
    """The encoder; output stride 8 is the paper's, 16 is faster."""
    channels: int = 256
    """Width of the decoder."""
    atrous_rates: tuple[int, int, int] = (12, 24, 36)
    """Dilations of the pyramid; the paper's for output stride 8, to be halved for 16."""
    separable: bool = False
    """Depthwise-separable pyramid: fewer operations at nearly the same score."""
    dropout: float = 0.5
    """Dropout behind the pyramid."""

    def build(self, num_classes: int) -> DeepLabV3:
        return DeepLabV3(self, num_classes)

    @property
    def title(self) -> str:
        return f"DeepLabV3 {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (Network(name="deeplabv3-mobilenetv2", config=cls()),)


class DeepLabV3(SMPNetwork):
    """Atrous pyramid on the deepest stage; logits at its stride.

    Source: Chen et al. 2017, Rethinking Atrous Convolution for Semantic Image Segmentation.
    """

    key_maps = tuple(
        # Before version 0.4 its decoder's layers had numbers.
        replace(
            names,
            rules=(
                *names.rules,
                (r"^decoder\.0\.", "decoder.aspp."),
                (r"^decoder\.1\.", "decoder.conv."),
                (r"^decoder\.2\.", "decoder.bn."),
            ),
        )
        for names in SMP_DILATED_KEYS
    )

    def __init__(self, config: DeepLabV3Config, num_classes: int) -> None:
        super().__init__(config.encoder, num_classes)
        decoder = DeepLabV3Decoder(
            in_channels=self.stage_channels[-1],
            out_channels=config.channels,
            atrous_rates=config.atrous_rates,
            aspp_separable=config.separable,
            aspp_dropout=config.dropout,
        )
        stride = self.encoder.specs[-1].stride
        self.attach(decoder, channels=config.channels, stride=stride, kernel=1)
