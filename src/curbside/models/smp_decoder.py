"""What the networks with a decoder of segmentation-models-pytorch share."""

from __future__ import annotations

from typing import ClassVar

from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .base import FeatureSpec, ModelOutput, SegmentationModel
from .encoder import EncoderConfig
from .keys import KeyMap

__all__ = ["SMP_DILATED_KEYS", "SMP_KEYS", "SMPNetwork"]

_SOURCE = "segmentation-models-pytorch"
_HEAD = (r"^segmentation_head\.0\.", "head.")
SMP_KEYS = (KeyMap(source=_SOURCE, rules=((r"^encoder\.model\.", "encoder."), _HEAD)),)
"""How its checkpoints name their weights."""
SMP_DILATED_KEYS = (
    KeyMap(
        source=_SOURCE,
        rules=(
            (r"^encoder\.(?!model\.)", "encoder.smp."),
            (r"^encoder\.model\.", "encoder."),
            _HEAD,
        ),
    ),
)
"""The same for networks whose encoder is dilated.

Its own ResNets then dilate one convolution of a stage more than timm's, which the weights do not tell:
theirs fit the `smp-` encoders alone, which know the keys by this mark.
"""


class SMPNetwork(SegmentationModel):
    """An encoder, a decoder of segmentation-models-pytorch, and a classifier.

    Most of its decoders double the size from stage to stage, which meets the next stage's own size
    only where the picture's sides are multiples of the deepest stride. The stages of other pictures
    are continued with their own last rows and columns, and what the decoder gives is cropped.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = SMP_KEYS

    def __init__(self, encoder: EncoderConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = encoder.build()
        self.normalization = self.encoder.normalization
        self._strides = [1, *(spec.stride for spec in self.encoder.specs)]
        self.stage_channels = [3, *(spec.channels for spec in self.encoder.specs)]
        self._lacks_half = self._strides[1] == 4
        if self._lacks_half:
            # The decoders count on a stage of stride 2; this one is empty.
            self._strides.insert(1, 2)
            self.stage_channels.insert(1, 0)

    @property
    def depth(self) -> int:
        """Number of stages that the decoder is given, besides the picture."""
        return len(self.stage_channels) - 1

    def require_stages(
        self, least: int = 1, *, from_half: bool = False, dilated: bool = False
    ) -> None:
        """Stop where the decoder cannot use the encoder's stages, each of half the size before.

        Args:
            least: How many stages it needs.
            from_half: The first one must be of stride 2.
            dilated: The last ones may be of one stride.

        Raises:
            ConfigError: It cannot.
        """
        given = [spec.stride for spec in self.encoder.specs]
        wanted = [2**power for power in range(len(self._strides))]
        if dilated:
            wanted = [min(stride, given[-1]) for stride in wanted]
        lacks = len(given) < least or (from_half and self._lacks_half)
        if lacks or self._strides != wanted:
            raise ConfigError(
                f"{type(self).__name__} cannot use an encoder with stages of strides {given}",
                fix="choose one of strides 2, 4, 8, 16, 32, such as resnet18 or mobilenetv2_100, with"
                " all stages, output stride 32 and without every_block",
            )

    def require_width_per_stage(self, widths: tuple[int, ...]) -> None:
        """Stop where a decoder has not one width for each stage.

        Raises:
            ConfigError: It has not.
        """
        if len(widths) != self.depth:
            raise ConfigError(
                f"{len(widths)} widths of the decoder do not fit {self.depth} stages of the encoder",
                fix=f"give {self.depth} widths, or keep {len(widths)} stages of the encoder",
            )

    def attach(
        self,
        decoder: nn.Module,
        *,
        channels: int,
        stride: int,
        kernel: int,
        multiple: int | None = None,
        least: int = 1,
    ) -> None:
        """Put the decoder and a classifier behind the encoder.

        Args:
            decoder: Takes the picture and the stages, finest first.
            channels: Of what it gives.
            stride: Of what it gives.
            kernel: Side of the classifier.
            multiple: What the decoder needs the picture's sides to be multiples of; the deepest
                stage's stride where None.
            least: What the decoder needs the picture's sides to be at least.
        """
        self.decoder = decoder
        self.head = nn.Conv2d(channels, self.num_classes, kernel, padding=kernel // 2)
        initialize_decoder(self.decoder)
        initialize_head(self.head)
        self._stride = stride
        self._multiple = multiple or self._strides[-1]
        self._least = least
        decoded = FeatureSpec(name="decoder", channels=channels, stride=stride)
        self.feature_specs = (*self.encoder.specs, decoded)

    def decode(self, stages: list[Tensor]) -> Tensor:
        """What the classifier sees.

        Args:
            stages: The picture and the stages, finest first, (B, channels, H / stride, W / stride).
        """
        return self.decoder(stages)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        height, width = (int(side) for side in image.shape[-2:])
        stages = [image, *features]
        if self._lacks_half:
            stages.insert(1, image.new_zeros(image.shape[0], 0, -(-height // 2), -(-width // 2)))
        grown = [max(_up(side, self._multiple), self._least) for side in (height, width)]
        decoded = self.decode(
            [
                _continued(stage, *(-(-side // stride) for side in grown))
                for stage, stride in zip(stages, self._strides, strict=True)
            ]
        )
        decoded = decoded[..., : -(-height // self._stride), : -(-width // self._stride)]
        return ModelOutput(logits=self.head(decoded), features=(*features, decoded))


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _continued(stage: Tensor, height: int, width: int) -> Tensor:
    """A stage, (B, C, h, w), with its last row and column repeated up to a size."""
    below, right = height - int(stage.shape[-2]), width - int(stage.shape[-1])
    if below == right == 0:
        return stage
    if stage.shape[1] == 0:
        return stage.new_zeros(stage.shape[0], 0, height, width)
    return F.pad(stage, (0, right, 0, below), mode="replicate")
