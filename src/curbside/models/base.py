"""What all networks share: the output type, the config, the base class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from torch import Tensor, nn
from torch.nn import functional as F

from ..discovery import classes_in
from ..imaging import IMAGENET, Normalization

__all__ = [
    "FeatureSpec",
    "ModelConfig",
    "ModelOutput",
    "SegmentationModel",
    "model_configs",
    "normalize",
    "upsample",
]


class ModelOutput(NamedTuple):
    """What every network returns."""

    logits: Tensor
    """(B, C, H / stride, W / stride) scores before softmax, at the decoder's stride; see `upsample`."""
    aux: tuple[Tensor, ...] = ()
    """Logits of auxiliary heads, in training only."""
    depth: Tensor | None = None
    """(B, 1, h, w) depth, of networks that have a depth head."""
    features: tuple[Tensor, ...] = ()
    """The encoder's stages, as `SegmentationModel.feature_specs` declares them."""


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What one stage of an encoder gives."""

    channels: int
    """Number of channels."""
    stride: int
    """Pixels of the input per pixel of the stage."""


class SegmentationModel(nn.Module, ABC):
    """A network that scores every class at every place.

    Attributes:
        num_classes: Channels of the logits.
        normalization: What its encoder expects of pixel values.
        feature_specs: What `ModelOutput.features` will hold.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.normalization: Normalization = IMAGENET
        self.feature_specs: tuple[FeatureSpec, ...] = ()

    @abstractmethod
    def forward(self, image: Tensor) -> ModelOutput:
        """Score a batch.

        Args:
            image: (B, 3, H, W) float, normalised RGB, any size of at least 32.
        """


@dataclass(frozen=True, kw_only=True)
class ModelConfig(ABC):
    """The settings of a network; one subclass per architecture."""

    @abstractmethod
    def build(self, num_classes: int) -> SegmentationModel:
        """The network, with a fresh head for `num_classes` classes."""

    def with_weights(self, weights: Path | None) -> Self:
        """The same network, its encoder starting from a file, or from random where None; no download."""
        encoder: Any = self.encoder  # type: ignore[attr-defined]
        return replace(self, encoder=replace(encoder, weights=weights, pretrained=False))  # type: ignore[call-arg]

    @property
    @abstractmethod
    def title(self) -> str:
        """Architecture and encoder in words."""


def model_configs() -> dict[str, type[ModelConfig]]:
    """Every config class of this room by its name, found by listing the folder."""
    assert __package__
    found = classes_in(__package__, ModelConfig)  # type: ignore[type-abstract]
    return {kind.__name__: kind for _, kind in found}


def normalize(pixels: Tensor, normalization: Normalization) -> Tensor:
    """Pixels as a network expects them.

    Args:
        pixels: (B, 3, H, W) RGB of 0..255, of any type.
        normalization: What to subtract and divide by.

    Returns:
        (B, 3, H, W) float32.
    """
    pixels = pixels.float()
    mean = pixels.new_tensor(normalization.mean).view(3, 1, 1) * 255
    std = pixels.new_tensor(normalization.std).view(3, 1, 1) * 255
    return (pixels - mean) / std


def upsample(scores: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Scores at another size, bilinear, pixel centres on pixel centres.

    Args:
        scores: (B, C, h, w) float.
        size_hw: The height and width wanted.
    """
    return F.interpolate(scores, size=tuple(size_hw), mode="bilinear", align_corners=False)
