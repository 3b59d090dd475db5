"""What all networks share: the output type, the config, the base class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..discovery import classes_in
from ..errors import ConfigError
from ..imaging import IMAGENET, Normalization
from .keys import KeyMap

__all__ = [
    "FeatureSpec",
    "Model",
    "ModelConfig",
    "ModelOutput",
    "Network",
    "NetworkConfig",
    "SegmentationModel",
    "best_class",
    "load_network",
    "model_configs",
    "nearest",
    "networks",
    "normalize",
    "two_sided",
    "upsample",
]


class ModelOutput(NamedTuple):
    """What every network returns."""

    logits: Tensor
    """(B, C, H / stride, W / stride) scores before softmax, at the decoder's stride; see `upsample`. Of a
    binary label space one, before the sigmoid: see `two_sided`."""
    aux: tuple[Tensor, ...] = ()
    """(B, C, h, w) scores of each auxiliary head, in training mode only."""
    boundary: Tensor | None = None
    """(B, 1, h, w) score, before the sigmoid, that a class border runs here; in training mode only,
    of networks that have such a head."""
    depth: Tensor | None = None
    """(B, 1, h, w) depth in metres, of networks that have a depth head."""
    features: tuple[Tensor, ...] = ()
    """What `SegmentationModel.feature_specs` declares: the stages, then what the classifier sees."""


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One tensor that a network shows of its inside, to distil from or to."""

    name: str
    """`stage1` and on for the encoder's stages, a branch's own name, `decoder` for what the classifier sees."""
    channels: int
    """Number of channels."""
    stride: int
    """Pixels of the input per pixel of the tensor, each way."""


class Model(nn.Module, ABC):
    """A network over an encoder, whatever its task.

    Attributes:
        num_classes: Number of scores that it gives per place: one per class, of a binary label space one.
        normalization: What its encoder expects of pixel values.
        key_maps: How published checkpoints of this architecture name its weights.
        training_only: Names of the submodules that only training mode runs; they are not deployed.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = ()
    training_only: ClassVar[tuple[str, ...]] = ()

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.normalization: Normalization = IMAGENET


class SegmentationModel(Model):
    """A network that scores every class at every place.

    Attributes:
        feature_specs: What `ModelOutput.features` will hold; the last one is named `decoder`.
        depth_only: Names of the submodules that only the depth depends on; none where it gives no depth.
        semantic_only: Names of the submodules that only the scores depend on.
        max_depth_m: The farthest depth that it can say, in metres; None where there is no such limit.
    """

    depth_only: tuple[str, ...] = ()
    semantic_only: tuple[str, ...] = ()
    max_depth_m: float | None = None

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.feature_specs: tuple[FeatureSpec, ...] = ()

    @abstractmethod
    def forward(self, image: Tensor) -> ModelOutput:
        """Score a batch.

        Args:
            image: (B, 3, H, W) float, normalised RGB, any size of at least 32.
        """


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(ABC):
    """The settings of a network, whatever its task."""

    @abstractmethod
    def build(self, num_classes: int) -> Model:
        """The network, with a fresh head for `num_classes` classes.

        Raises:
            ConfigError: The settings do not fit each other.
        """

    @property
    @abstractmethod
    def title(self) -> str:
        """Architecture and encoder in words."""

    def from_random(self) -> Self:
        """The same network, nothing to be downloaded for it."""
        encoder: Any = getattr(self, "encoder", None)
        changes: dict[str, Any] = {"encoder": replace(encoder, pretrained=False)} if encoder else {}
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(NetworkConfig):
    """The settings of a semantic network; one subclass per architecture."""

    @abstractmethod
    def build(self, num_classes: int) -> SegmentationModel:
        """The network, with a fresh head for `num_classes` classes.

        Raises:
            ConfigError: The settings do not fit each other.
        """

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        """The networks of this architecture that have a name."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that people know by name: an architecture with all its settings."""

    name: str
    """In small letters with dashes: architecture, then encoder, such as deeplabv3plus-resnet18."""
    config: ModelConfig
    """Its settings, from random weights."""
    published_m: float | None = None
    """Parameters in millions as published, where they are."""
    published_classes: int = 19
    """Number of classes of that figure."""
    published_in: str = ""
    """Who published it."""
    difference: str = ""
    """Why ours has another number, where it differs by more than 3 %."""
    weights: str = ""
    """Whose weights can be loaded into it, and their licence, beyond the encoder's own."""


def model_configs() -> dict[str, type[ModelConfig]]:
    """Every config class of this room by its name, found by listing the folder."""
    assert __package__
    found = classes_in(__package__, ModelConfig)  # type: ignore[type-abstract]
    return {kind.__name__: kind for _, kind in found}


def networks() -> dict[str, Network]:
    """Every named network by its name, architecture by architecture."""
    return {item.name: item for kind in model_configs().values() for item in kind.networks()}


def load_network(name: str) -> ModelConfig:
    """The settings of a named network.

    Raises:
        ConfigError: There is no such network.
    """
    known = networks()
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else "see: curbside models"
        raise ConfigError(f"there is no network {name!r}", fix=hint)
    return known[name].config


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

    Returns:
        (B, C, H, W); the scores themselves where that is their size.
    """
    if tuple(scores.shape[-2:]) == tuple(size_hw):
        return scores  # an idle resize stays in the exported graph and copies all of them
    return F.interpolate(scores, size=tuple(size_hw), mode="bilinear", align_corners=False)


def nearest(values: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Labels or weights of pixels at another size, each from the pixel nearest to its centre.

    Args:
        values: (B, h, w) of any type.
        size_hw: The height and width wanted.

    Returns:
        (B, H, W) of the same type; the values themselves where that is their size.
    """
    if tuple(values.shape[-2:]) == tuple(size_hw):
        return values
    picked = F.interpolate(values[:, None].float(), size=tuple(size_hw), mode="nearest-exact")
    return picked[:, 0].to(values.dtype)


def best_class(scores: Tensor, *, least: float = 0.0) -> Tensor:
    """The most probable class everywhere.

    Args:
        scores: (B, C, H, W) float, or (B, 1, H, W) of a binary label space.
        least: Of the latter, the score from which on a pixel is id 1.

    Returns:
        (B, H, W) uint8.
    """
    found = scores[:, 0] >= least if scores.shape[1] == 1 else scores.argmax(dim=1)
    return found.to(torch.uint8)


def two_sided(scores: Tensor) -> Tensor:
    """Scores of which a softmax may be taken: the one score of a binary label space beside a 0 for id 0.

    Args:
        scores: (B, C, H, W) float.

    Returns:
        (B, 2, H, W) of (B, 1, H, W); others as they are.
    """
    if scores.shape[1] != 1:
        return scores
    return torch.cat([torch.zeros_like(scores), scores], dim=1)
