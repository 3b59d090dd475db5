"""Encoders from timm: any of its networks that gives features, with weights from a file or a download."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from ..errors import ConfigError, ModelFileError
from ..imaging import Normalization
from .base import FeatureSpec

__all__ = ["EncoderConfig", "TimmEncoder"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """An encoder from timm."""

    name: str = "mobilenetv4_conv_small"
    """Its name in timm, such as mobilenetv2_100 or resnet18; a tag may follow after a dot."""
    stages: int = 0
    """Keep only the first stages; 0 keeps all. Fewer stages make a smaller, shallower encoder."""
    output_stride: Literal[8, 16, 32] = 32
    """Pixels per pixel of the last stage; 8 and 16 put dilation in the place of stride."""
    pretrained: bool = False
    """Fetch timm's published weights from the network."""
    weights: Path | None = None
    """A file with weights under timm's names (.safetensors, .pth), instead of a download."""

    def build(self) -> TimmEncoder:
        """The encoder.

        Raises:
            ConfigError: timm has no such encoder, or it lacks that many stages.
            ModelFileError: The weights cannot be loaded or fetched.
        """
        return TimmEncoder(self)


class TimmEncoder(nn.Module):
    """A timm network cut to its feature stages.

    Attributes:
        specs: Channels and stride of each stage.
        normalization: What it expects of pixel values.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if not timm.is_model(config.name):
            close = timm.list_models(f"*{config.name.split('.')[0].split('_')[0]}*")[:5]
            raise ConfigError(
                f"timm has no encoder {config.name!r}",
                fix=f"choose one of timm.list_models(){', such as ' + ', '.join(close) if close else ''}",
            )
        self.body = _create(config, _options(config))
        info: Any = self.body.feature_info
        self.specs = tuple(
            FeatureSpec(channels=channels, stride=stride)
            for channels, stride in zip(info.channels(), info.reduction(), strict=True)
        )
        published = timm.get_pretrained_cfg(config.name)
        self.normalization = (
            Normalization.of(published.mean, published.std) if published else Normalization()
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """The stages' outputs, (B, channels, H / stride, W / stride) each, finest first."""
        return self.body(image)


def _options(config: EncoderConfig) -> dict[str, Any]:
    with torch.device("meta"):
        info: Any = timm.create_model(config.name, features_only=True).feature_info
    strides = info.reduction()
    if not 0 <= config.stages <= len(strides):
        raise ConfigError(
            f"{config.name} has {len(strides)} stages, not {config.stages}",
            fix="keep 0 (all) or fewer stages",
        )
    options: dict[str, Any] = {"features_only": True}
    if config.stages:
        # The "getter" form drops the layers behind the last stage kept; the usual form runs them in vain.
        options |= {"feature_cls": "getter", "out_indices": tuple(range(config.stages))}
    if config.output_stride < strides[config.stages - 1]:
        options["output_stride"] = config.output_stride
    return options


def _create(config: EncoderConfig, options: dict[str, Any]) -> nn.Module:
    if config.weights is None and not config.pretrained:
        try:
            return timm.create_model(config.name, pretrained=False, **options)
        except TypeError as error:
            raise _no_dilation(config) from error
    if config.weights is not None:
        _check_weights(config)
        options["pretrained_cfg_overlay"] = {"file": str(config.weights)}
    for name in ("timm.models._builder", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return timm.create_model(config.name, pretrained=True, **options)
    except TypeError as error:
        raise _no_dilation(config) from error
    except Exception as error:  # timm and the hub raise many types here
        reason = " ".join(str(error).split())[:200]
        if config.weights is not None:
            raise ModelFileError(
                f"{config.weights} does not hold weights of {config.name} ({reason})",
                fix="give a file with timm's names and shapes",
            ) from error
        raise ModelFileError(
            f"the weights of {config.name} could not be downloaded ({type(error).__name__})",
            fix="go online, give a file with --weights FILE, or start from random with --model.encoder.no-pretrained",
        ) from error


def _no_dilation(config: EncoderConfig) -> ConfigError:
    return ConfigError(
        f"{config.name} with {config.stages or 'all'} stages cannot have output stride {config.output_stride}",
        fix="keep all stages (0), or choose output stride 32",
    )


def _check_weights(config: EncoderConfig) -> None:
    """Refuse a weights file that would leave parts of the encoder untouched."""
    path = config.weights
    if path is None or not path.is_file():
        raise ModelFileError(
            f"the weights file {path} does not exist",
            fix="give an existing .safetensors or .pth file",
        )
    try:
        state = timm.models.load_state_dict(str(path))
    except Exception as error:
        raise ModelFileError(
            f"{path} is not a weights file ({type(error).__name__})",
            fix="give a .safetensors or .pth file",
        ) from error
    with torch.device("meta"):
        whole = timm.create_model(config.name, pretrained=False)
    published = timm.get_pretrained_cfg(config.name)
    classifier = tuple(str(name) for name in _as_tuple(published.classifier if published else None))
    wanted = {
        key: value.shape
        for key, value in whole.state_dict().items()
        if not key.startswith(classifier) and not key.endswith("num_batches_tracked")
    }
    missing = [
        key for key, shape in wanted.items() if key not in state or state[key].shape != shape
    ]
    if missing:
        raise ModelFileError(
            f"{path} fits {len(wanted) - len(missing)} of {len(wanted)} tensors of {config.name}; "
            f"{missing[0]} is the first that does not",
            fix="give the weights of that encoder under timm's names",
        )


def _as_tuple(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) if value else ("\0",)
