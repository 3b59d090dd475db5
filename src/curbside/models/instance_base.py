"""What all networks that find single objects share: the output type, the config, the base class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from torch import Tensor

from ..discovery import classes_in
from ..errors import ConfigError
from ..manifest import Meaning, OutputSpec
from .base import Model, NetworkConfig

__all__ = [
    "InstanceModel",
    "InstanceModelConfig",
    "InstanceOutput",
    "instance_model_configs",
    "instance_networks",
    "load_instance_network",
]


_MEANINGS: tuple[tuple[str, Meaning], ...] = (
    ("box", "box_distribution"),
    ("class", "class_scores"),
    ("mask", "mask_coefficients"),
)


class InstanceOutput(NamedTuple):
    """What every network that finds objects returns: maps as `OutputSpec.meaning` describes them, one of
    each kind per stride, finest first. A place is a cell of such a map; its point is the cell's centre."""

    box_distribution: tuple[Tensor, ...]
    """(B, 4 * bins, h, w) scores of the distances, in cells, from the point to the left, top, right and
    bottom of the object; the distance is the mean of 0, 1, ... bins - 1 by their softmax."""
    class_scores: tuple[Tensor, ...]
    """(B, C, h, w) scores before the sigmoid."""
    mask_coefficients: tuple[Tensor, ...]
    """(B, K, h, w) what of each prototype the object's mask is mixed of."""
    prototypes: Tensor
    """(B, K, H / 4, W / 4) masks to mix; a pixel is in the object where the mix is above 0."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All maps in the order of `InstanceModel.output_specs`."""
        levels = zip(self.box_distribution, self.class_scores, self.mask_coefficients, strict=True)
        return (*(found for level in levels for found in level), self.prototypes)


class InstanceModel(Model):
    """A network that proposes an object at every place of several maps.

    Attributes:
        strides: Pixels of the input per cell of each map, finest first.
        bins: Bins of a distance.
        prototype_count: Number of prototypes.
    """

    strides: tuple[int, ...]
    bins: int
    prototype_count: int

    @property
    def output_specs(self) -> tuple[OutputSpec, ...]:
        """What a Manifest says of the maps, stride after stride: `InstanceOutput.tensors`."""
        levels = [
            OutputSpec(name=f"{name}_{stride}", meaning=meaning, activated=False)
            for stride in self.strides
            for name, meaning in _MEANINGS
        ]
        return (*levels, OutputSpec(name="prototypes", meaning="prototypes"))

    @abstractmethod
    def forward(self, image: Tensor) -> InstanceOutput:
        """Propose objects of a batch.

        Args:
            image: (B, 3, H, W) float, normalised RGB; H and W multiples of the coarsest stride.
        """


@dataclass(frozen=True, kw_only=True)
class InstanceModelConfig(NetworkConfig):
    """The settings of a network that finds objects; one subclass per architecture."""

    @abstractmethod
    def build(self, num_classes: int) -> InstanceModel:
        """The network, with fresh heads for `num_classes` classes.

        Raises:
            ConfigError: The settings do not fit each other.
        """

    @classmethod
    def networks(cls) -> Mapping[str, InstanceModelConfig]:
        """The networks of this architecture that have a name, by it."""
        return {}


def instance_model_configs() -> dict[str, type[InstanceModelConfig]]:
    """Every config class of this room by its name, found by listing the folder."""
    assert __package__
    found = classes_in(__package__, InstanceModelConfig)  # type: ignore[type-abstract]
    return {kind.__name__: kind for _, kind in found}


def instance_networks() -> dict[str, InstanceModelConfig]:
    """Every named network that finds objects, by its name."""
    named: dict[str, InstanceModelConfig] = {}
    for kind in instance_model_configs().values():
        named |= kind.networks()
    return named


def load_instance_network(name: str) -> InstanceModelConfig:
    """The settings of a named network that finds objects.

    Raises:
        ConfigError: There is no such network.
    """
    known = instance_networks()
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise ConfigError(f"there is no network {name!r} that finds objects", fix=hint)
    return known[name]
