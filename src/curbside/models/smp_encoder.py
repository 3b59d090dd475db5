"""The encoders of segmentation-models-pytorch that timm has in another form."""

from __future__ import annotations

import re

import segmentation_models_pytorch as smp
from torch import Tensor

from ..errors import ConfigError
from ..imaging import IMAGENET
from .base import FeatureSpec
from .encoder import Encoder, EncoderConfig, not_downloaded, quiet_downloads
from .keys import KeyMap

__all__ = ["SMPEncoder"]

_NAMES = ("mobilenet_v2", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_MOBILENET_ENDS = (2, 4, 7, 14, 19)


class SMPEncoder(Encoder):
    """torchvision's ResNets and MobileNetV2 as segmentation-models-pytorch cuts and dilates them.

    Its MobileNetV2 ends with the 1280 channels that timm leaves out, and its dilation includes the
    first convolution of a stage, which timm's does not: for its published checkpoints to give the
    same logits here. Named after what it calls them, with `smp-` before.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        name = config.name.removeprefix("smp-")
        if name not in _NAMES:
            raise ConfigError(
                f"there is no encoder {config.name!r}",
                fix=f"choose smp- before one of {', '.join(_NAMES)}, or any encoder of timm",
            )
        if config.every_block or config.deep_stem or not 0 <= config.stages <= 5:
            raise ConfigError(
                f"{config.name} has five stages and no other form",
                fix="choose 0 to 5 stages, without every_block and deep_stem",
            )
        depth = config.stages or 5
        self.own = _created(name, depth, config)
        # smp keeps the layers behind the last stage, for nothing.
        if name == "mobilenet_v2":
            end = _MOBILENET_ENDS[depth - 1]
            behind = [f"features.{number}" for number in range(end, _MOBILENET_ENDS[-1])]
            self.own.features = self.own.features[:end]
        else:
            behind = [f"layer{number}" for number in range(depth, 5)]
            for layer in behind:
                delattr(self.own, layer)
        self._name = name
        self._behind = [rf"(?:smp\.)?{re.escape(layer)}\." for layer in behind]
        self.specs = tuple(
            FeatureSpec(
                name=f"stage{number}",
                channels=channels,
                stride=min(2**number, config.output_stride),
            )
            for number, channels in enumerate(self.own.out_channels[1:], start=1)
        )
        self.normalization = IMAGENET

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        return (
            KeyMap(
                source=f"torchvision's {self._name}",
                rules=((r"^(?:smp\.)?", "own."),),
                dropped=(r"fc\.", r"classifier\.", *self._behind),
            ),
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.own(image)[1:]


def _created(name: str, depth: int, config: EncoderConfig) -> smp.encoders.EncoderMixin:
    quiet_downloads()
    weights = "imagenet" if config.pretrained else None
    try:
        return smp.encoders.get_encoder(
            name, depth=depth, weights=weights, output_stride=config.output_stride
        )
    except Exception as error:  # the hub raises many types here
        if not config.pretrained:
            raise
        raise not_downloaded(config.name, error) from error
