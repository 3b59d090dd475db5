"""What a network must be sure of for it to become a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError

__all__ = ["PseudoLabelConfig"]


@dataclass(frozen=True, kw_only=True)
class PseudoLabelConfig:
    """What a network must be sure of for it to become a label.

    Raises:
        ConfigError: A share is not in 0..1, the doubt is above the confidence, an area is negative, or a
            distance is none.
    """

    confidence: float = 0.7
    """A pixel or an object counts from this probability on, 0..1; other pixels are ignored (255)."""
    doubt: float = 0.3
    """Objects between this and the confidence are neither there nor absent: their pixels are marked as
    a group, which no score and no loss of objects looks at."""
    min_area: int = 10
    """Objects of fewer pixels are left out."""
    max_depth_m: float | None = None
    """Depth beyond this, in metres, is unknown; where not given, all that the network says is kept."""
    hidden: Literal["things", "none"] = "things"
    """What a label that is there already may hide, where `keep_targets` keeps it: `things`, a countable
    class that was not annotated on the picture may stand before what is not countable, and where the
    network is sure of one the pixel is ignored; `none`, the label stays."""

    def __post_init__(self) -> None:
        for name in ("confidence", "doubt"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give a share in 0..1")
        if self.doubt > self.confidence:
            raise ConfigError(
                f"the doubt {self.doubt:g} is above the confidence {self.confidence:g}",
                fix="give at most the confidence",
            )
        if self.min_area < 0:
            raise ConfigError(f"min_area is {self.min_area}", fix="give 0 or more pixels")
        if self.max_depth_m is not None and not 0 < self.max_depth_m < float("inf"):
            raise ConfigError(f"max_depth_m is {self.max_depth_m}", fix="give metres, above 0")
