"""Encoders: any network of timm that gives features, and the mix transformers."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from ..errors import ConfigError, ModelFileError
from ..imaging import Normalization
from .base import FeatureSpec
from .encoder_keys import timm_key_maps
from .keys import KeyMap

__all__ = ["EDGE_ENCODERS", "Encoder", "EncoderConfig"]

EDGE_ENCODERS = {
    "mobilenetv4-small": "mobilenetv4_conv_small",
    "mobilenetv4-large": "mobilenetv4_conv_large",
    "mobilenetv2": "mobilenetv2_100",
    "resnet18": "resnet18",
}
"""The encoders that the small networks are named over: what we call them, and what timm does."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """An encoder from timm, a mix transformer, or one in segmentation-models-pytorch's form."""

    name: str = "mobilenetv4_conv_small"
    """Its name in timm, such as mobilenetv2_100 or resnet18; a tag may follow after a dot. Or mit_b0 to
    mit_b5, or smp-resnet18 and smp-mobilenet_v2, which checkpoints of segmentation-models-pytorch need."""
    stages: int = 0
    """Keep only the first stages; 0 keeps all. Fewer stages make a smaller, shallower encoder."""
    output_stride: Literal[8, 16, 32] = 32
    """Pixels per pixel of the last stage; 8 and 16 put dilation in the place of stride."""
    deep_stem: bool = False
    """Begin with three 3x3 convolutions in the place of the 7x7 one (ResNets; timm has no weights of it)."""
    every_block: bool = False
    """Give every group of blocks, not just the last one of each stride (MobileNets, EfficientNets)."""
    pretrained: bool = False
    """Fetch timm's published weights from the network."""

    def build(self) -> Encoder:
        """The encoder.

        Raises:
            ConfigError: There is no such encoder, or it lacks that many stages or that stem.
            ModelFileError: The weights cannot be fetched.
        """
        if self.deep_stem and (self.pretrained or not re.match(r"resnet\d", self.name)):
            raise ConfigError(
                f"timm has no {'weights of ' * self.pretrained}{self.name} with a deep stem",
                fix="give --model.encoder.no-deep-stem, or a resnet with --model.encoder.no-pretrained",
            )
        # Both derive from Encoder, in files of their own.
        if self.name.startswith("mit_b"):
            from .mix_transformer import MixTransformer

            return MixTransformer(self)
        if self.name.startswith("smp-"):
            from .smp_encoder import SMPEncoder

            return SMPEncoder(self)
        return BlockEncoder(self) if self.every_block else TimmEncoder(self)

    def require_known(self) -> None:
        """Stop where timm has no encoder of that name.

        Raises:
            ConfigError: It has not.
        """
        if not timm.is_model(self.name):
            close = timm.list_models(f"*{self.name.split('.')[0].split('_')[0]}*")[:5]
            raise ConfigError(
                f"timm has no encoder {self.name!r}",
                fix=f"choose one of timm.list_models(){', such as ' + ', '.join(close) if close else ''}",
            )


class Encoder(nn.Module, ABC):
    """What turns a picture into stages of features.

    Attributes:
        specs: Name, channels and stride of each stage.
        normalization: What it expects of pixel values.
    """

    specs: tuple[FeatureSpec, ...]
    normalization: Normalization

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        """How published files of this encoder alone name its weights."""
        return ()

    @abstractmethod
    def forward(self, image: Tensor) -> list[Tensor]:
        """The stages' outputs, (B, channels, H / stride, W / stride) each, finest first."""

    def stage(self, stride: int) -> int:
        """Index of the last stage of a stride.

        Raises:
            ConfigError: None has it.
        """
        strides = [spec.stride for spec in self.specs]
        if stride not in strides:
            raise ConfigError(
                f"the encoder has no stage of stride {stride} (it has {strides})",
                fix="choose another encoder, or keep more of its stages",
            )
        return len(strides) - 1 - strides[::-1].index(stride)


class TimmEncoder(Encoder):
    """A timm network cut to its feature stages."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        config.require_known()
        self.body = _create(config, _options(config))
        info: Any = self.body.feature_info
        self.specs = tuple(
            FeatureSpec(name=f"stage{number}", channels=channels, stride=stride)
            for number, (channels, stride) in enumerate(
                zip(info.channels(), info.reduction(), strict=True), start=1
            )
        )
        self.normalization = _normalization(config)
        self._name = config.name

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        return timm_key_maps(self._name, self.body)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.body(image)


class BlockEncoder(Encoder):
    """A MobileNet or EfficientNet of timm that shows every group of its blocks."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        config.require_known()
        whole: Any = _create(config, {})
        if not hasattr(whole, "conv_stem") or config.output_stride != 32:
            raise ConfigError(
                f"{config.name} with output stride {config.output_stride} cannot show every group of blocks",
                fix="choose a MobileNet or EfficientNet with output stride 32",
            )
        kept = whole.blocks[: config.stages or len(whole.blocks)]
        self.body = nn.ModuleDict({"conv_stem": whole.conv_stem, "bn1": whole.bn1, "blocks": kept})
        with torch.no_grad():
            seen = self.eval()(torch.zeros(1, 3, 64, 64))
        self.train()
        self.specs = tuple(
            FeatureSpec(name=f"stage{number}", channels=x.shape[1], stride=64 // x.shape[-1])
            for number, x in enumerate(seen, start=1)
        )
        self.normalization = _normalization(config)
        self._name = config.name

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        return timm_key_maps(self._name, self.body)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.body["bn1"](self.body["conv_stem"](image))
        features = []
        for group in self.body["blocks"].children():
            x = group(x)
            features.append(x)
        return features


def _options(config: EncoderConfig) -> dict[str, Any]:
    strides = _strides(config.name)
    if not 0 <= config.stages <= len(strides):
        raise ConfigError(
            f"{config.name} has {len(strides)} stages, not {config.stages}",
            fix="keep 0 (all) or fewer stages",
        )
    options: dict[str, Any] = {"features_only": True}
    if config.deep_stem:
        options |= {"stem_type": "deep", "stem_width": 64}
    if config.name.startswith("hrnet_") and not config.stages:
        # The branches as they are; timm would put a part of its classifier behind them.
        options["feature_location"] = ""
    if config.stages:
        # The "getter" form drops the layers behind the last stage kept; the usual form runs them in vain.
        options |= {"feature_cls": "getter", "out_indices": tuple(range(config.stages))}
    if config.output_stride < strides[config.stages - 1]:
        options["output_stride"] = config.output_stride
    return options


@cache
def _strides(name: str) -> tuple[int, ...]:
    """Those of the stages of a network of timm, which has to be built for it, without memory."""
    with torch.device("meta"):
        info: Any = timm.create_model(name, features_only=True).feature_info
    return tuple(info.reduction())


def _normalization(config: EncoderConfig) -> Normalization:
    published = timm.get_pretrained_cfg(config.name)
    return Normalization.of(published.mean, published.std) if published else Normalization()


def _create(config: EncoderConfig, options: dict[str, Any]) -> nn.Module:
    quiet_downloads()
    try:
        return timm.create_model(config.name, pretrained=config.pretrained, **options)
    except TypeError as error:
        raise ConfigError(
            f"{config.name} with {config.stages or 'all'} stages cannot have output stride {config.output_stride}",
            fix="keep all stages (0), or choose output stride 32",
        ) from error
    except Exception as error:  # timm and the hub raise many types here
        if not config.pretrained:
            raise
        raise not_downloaded(config.name, error) from error


def quiet_downloads() -> None:
    """Keep the libraries' retries and advice off the terminal; what goes wrong is raised."""
    for name in ("timm.models._builder", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def not_downloaded(name: str, error: Exception) -> ModelFileError:
    """What to raise where an encoder's weights did not come."""
    return ModelFileError(
        f"the weights of {name} could not be downloaded ({type(error).__name__})",
        fix="go online, give a file with --weights FILE, or start from random with --model.encoder.no-pretrained",
    )
