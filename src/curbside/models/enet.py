"""ENet: a third of a million weights, made for real time before there were mobile encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ..imaging import Normalization
from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import Encoder
from .enet_blocks import Bottleneck, Downsampling, InitialBlock, Slope, Upsampling
from .keys import KeyMap

__all__ = ["ENet", "ENetConfig"]

_NARROWER = (
    "the two downsampling blocks have a quarter of their input's channels inside, not of their output's,"
    " and a PReLU one weight, not one per channel, as in the port whose weights are published"
)


@dataclass(frozen=True, kw_only=True)
class ENetConfig(ModelConfig):
    """ENet, which has an encoder of its own."""

    encoder_only: bool = False
    """The first phase of its training: the encoder with a 1x1 classifier, logits at stride 8. The whole
    network can start from the weights of this phase."""
    unpooling: Literal["indices", "bilinear"] = "indices"
    """How the decoder's shortcuts grow: `indices` puts values back where the encoder's pooling took them,
    as in the paper; `bilinear` is for compilers that refuse that, such as Hailo's. The weights are the
    same in number and name, but each form wants its own training."""

    def build(self, num_classes: int) -> ENet:
        return ENet(self, num_classes)

    @property
    def title(self) -> str:
        if self.encoder_only:
            return "ENet (encoder only)"
        return "ENet" if self.unpooling == "indices" else "ENet (bilinear)"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        whole = Network(
            name="enet",
            config=cls(),
            published_m=0.37,
            published_classes=12,
            published_in="Paszke et al. 2016",
            difference=_NARROWER,
            weights="PyTorch-ENet of davidtvs, CamVid and Cityscapes; licence to be asked of its author",
        )
        return (
            whole,
            Network(name="enet-encoder", config=cls(encoder_only=True)),
            Network(name="enet-bilinear", config=cls(unpooling="bilinear")),
        )


class ENet(SegmentationModel):
    """Bottlenecks with dilated and asymmetric convolutions, unpooled to full size; logits at stride 1.

    The layers are those of the PyTorch port whose weights are published, which differs from the paper
    in little: its pooling at the start is 3x3, the downsampling blocks are narrower inside, a PReLU has
    one slope, an activation follows the expansions too, and the transposed convolutions are 2x2, the
    last one 3x3. Like that port it takes pixels of 0..1, not normalised further.

    Source: Paszke et al. 2016, ENet: A Deep Neural Network Architecture for Real-Time Semantic
    Segmentation.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="PyTorch-ENet of davidtvs",
            rules=(
                (r"^initial_block\.main_branch\.", "encoder.initial.conv."),
                (r"^initial_block\.batch_norm\.", "encoder.initial.norm."),
                (r"^initial_block\.", "encoder.initial."),
                (r"^(upsample\d_0)\.main_conv1\.", r"\1.shortcut."),
                (r"^(upsample\d_0)\.ext_tconv1\.", r"\1.convolve.0."),
                (r"^(upsample\d_0)\.ext_tconv1_bnorm\.", r"\1.convolve.1."),
                (r"^(upsample\d_0)\.ext_conv2\.", r"\1.expand."),
                (r"\.ext_conv1\.", ".reduce."),
                (r"\.ext_conv2\.", ".convolve."),
                (r"\.ext_conv3\.", ".expand."),
                # Files from before the port gave every place a slope of its own say out_prelu.
                (r"\.out_(activation|prelu)\.", ".activation."),
                (r"^[a-z]+1_(\d)\.", r"encoder.groups.0.\1."),
                (r"^[a-z]+2_(\d)\.", r"encoder.groups.1.\1."),
                (r"^[a-z]+3_(\d)\.", r"encoder.groups.2.\1."),
                (r"^[a-z]+4_(\d)\.", r"decoder.coarse.\1."),
                (r"^[a-z]+5_(\d)\.", r"decoder.fine.\1."),
                (r"^transposed_conv\.", "head."),
            ),
        ),
        KeyMap(
            source="the first phase of ENet's training",
            rules=(),
            dropped=(r"classifier\.",),
            fresh=("decoder.", "head."),
        ),
    )

    def __init__(self, config: ENetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = ENetEncoder()
        self.normalization = self.encoder.normalization
        self._encoder_only = config.encoder_only
        if config.encoder_only:
            self.classifier = nn.Conv2d(128, num_classes, 1)
            decoded = FeatureSpec(name="decoder", channels=128, stride=8)
        else:
            self.decoder = ENetDecoder(config.unpooling)
            self.head = nn.ConvTranspose2d(16, num_classes, 3, stride=2, padding=1, bias=False)
            decoded = FeatureSpec(name="decoder", channels=16, stride=2)
        self.feature_specs = (*self.encoder.specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        if self._encoder_only:
            deepest = features[-1]
            return ModelOutput(logits=self.classifier(deepest), features=(*features, deepest))
        decoded = self.decoder(features)
        # (B, 16, ceil(H / 2), ceil(W / 2)) -> (B, C, H, W)
        logits = self.head(decoded, output_size=image.shape[-2:])
        return ModelOutput(logits=logits, features=(*features, decoded))


class ENetEncoder(Encoder):
    """The initial block and the paper's stages 1, 2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.initial = InitialBlock(16)
        self.groups = nn.ModuleList(
            [
                nn.Sequential(
                    Downsampling(16, 64, dropout=0.01),
                    *(Bottleneck(64, Slope, dropout=0.01) for _ in range(4)),
                ),
                nn.Sequential(Downsampling(64, 128, dropout=0.1), *_eight_bottlenecks()),
                nn.Sequential(*_eight_bottlenecks()),
            ]
        )
        self.specs = tuple(
            FeatureSpec(name=f"stage{number}", channels=channels, stride=stride)
            for number, (channels, stride) in enumerate(
                [(16, 2), (64, 4), (128, 8), (128, 8)], start=1
            )
        )
        self.normalization = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [self.initial(image)]
        for group in self.groups:
            features.append(group(features[-1]))
        return features


class ENetDecoder(nn.Module):
    """The paper's stages 4 and 5, which end at stride 2."""

    def __init__(self, unpooling: Literal["indices", "bilinear"]) -> None:
        super().__init__()
        self.coarse = nn.ModuleList(
            [
                Upsampling(128, 64, unpooling),
                Bottleneck(64, nn.ReLU, dropout=0.1),
                Bottleneck(64, nn.ReLU, dropout=0.1),
            ]
        )
        self.fine = nn.ModuleList(
            [Upsampling(64, 16, unpooling), Bottleneck(16, nn.ReLU, dropout=0.1)]
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The encoder's stages to (B, 16, ceil(H / 2), ceil(W / 2))."""
        x = features[-1]
        # What the encoder's two poolings were given: the stages at stride 4 and 2.
        for stage, pooled in ((self.coarse, features[1]), (self.fine, features[0])):
            upsampling, *bottlenecks = stage
            x = upsampling(x, pooled)
            for bottleneck in bottlenecks:
                x = bottleneck(x)
        return x


def _eight_bottlenecks() -> list[Bottleneck]:
    """What the paper's stages 2 and 3 share."""
    steps: list[dict[str, Any]] = [
        {},
        {"dilation": 2},
        {"asymmetric": True},
        {"dilation": 4},
        {},
        {"dilation": 8},
        {"asymmetric": True},
        {"dilation": 16},
    ]
    return [Bottleneck(128, Slope, dropout=0.1, **step) for step in steps]
