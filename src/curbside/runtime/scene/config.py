"""Which networks look at a frame, how often, and by which rules their answers come together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...errors import ConfigError
from ...manifest import Answer
from ..fusion import FusionConfig, TrackerConfig
from ..instances import InstanceConfig

__all__ = ["Rate", "SceneConfig"]

Rate = int | Literal["own"]
"""How often a network looks: at every n-th frame, or on a thread of its own as often as it can."""


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """The networks of a scene and its rules.

    Raises:
        ConfigError: A rate is none.
    """

    models: tuple[Path, ...] = ()
    """Model files, at most one that tells the same; what a file answers, its Manifest tells."""
    instances: InstanceConfig = field(default_factory=InstanceConfig)
    """Which objects are shown. Where they are fused with a class map, `fusion.score` takes the place
    of its `confidence`."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """How a class map and objects become one picture."""
    tracking: TrackerConfig | None = field(default_factory=TrackerConfig)
    """How fused objects are followed from frame to frame; None for pictures without an order."""
    rates: Mapping[Answer, Rate] = field(default_factory=dict)
    """How often the network that tells something looks; at every frame where it is not named. One network
    that tells both classes and depth looks at the rate of `semantic`. Between two looks the last answer
    holds, and followed objects move on at their last speed."""

    def __post_init__(self) -> None:
        for answer, rate in self.rates.items():
            if rate != "own" and (not isinstance(rate, int) or rate < 1):
                raise ConfigError(
                    f"the network for {answer} cannot look at every {rate!r}-th frame",
                    fix="give a whole number from 1 on, or own",
                )
