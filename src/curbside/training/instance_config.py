"""Everything that decides a training run of a network that finds single objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import ConfigError
from ..losses.instances import InstanceLossConfig
from ..manifest import Task
from ..models import InstanceModelConfig
from .run_config import BatchesConfig, LoopConfig

__all__ = ["InstanceTrainConfig", "ObjectDataConfig"]

_STRIDE = 32


@dataclass(frozen=True, kw_only=True)
class ObjectDataConfig(BatchesConfig):
    """Where the samples come from, as which classes they are learned, and how they are fed."""

    classes: tuple[str, ...] = ()
    """idd5, the five classes of the IDD edge project; or space, every class with instances; or classes of
    your own, as NAME=CLASS,CLASS NAME=CLASS in their order. Where not given: idd5 for IDD, space for
    others."""
    min_area: int = 10
    """Pixels that a crop leaves of an object at least, at the size of the crop; less is neither an
    object nor none."""
    min_share: float = 0.1
    """Share of an object that a crop leaves of it at least."""
    val_pictures: int = 200
    """Pictures that are scored while training, evenly spread over the split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_area < 1 or self.val_pictures < 1 or not 0 <= self.min_share <= 1:
            raise ConfigError(
                f"objects of {self.min_area} pixels and a share of {self.min_share}, scored on"
                f" {self.val_pictures} pictures, are impossible",
                fix="give 1 pixel or more, a share in 0..1, and 1 picture or more",
            )
        for name, size in (("crop", self.crop_hw), ("evaluation", self.eval_hw)):
            if any(side % _STRIDE for side in size):
                fit = " ".join(str(max(1, round(side / _STRIDE)) * _STRIDE) for side in size)
                raise ConfigError(
                    f"a {name} size of {size[0]} x {size[1]} does not divide by {_STRIDE}",
                    fix=f"choose multiples of it, such as {fit}",
                )


@dataclass(frozen=True, kw_only=True)
class InstanceTrainConfig(LoopConfig):
    """A whole training run of a network that finds single objects."""

    task: ClassVar[Task] = "instances"

    model: InstanceModelConfig
    """The network."""
    data: ObjectDataConfig = field(default_factory=ObjectDataConfig)
    """The samples."""
    loss: InstanceLossConfig = field(default_factory=InstanceLossConfig)
    """The loss."""
