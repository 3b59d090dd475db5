"""The rules by which a class map and single objects become one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...errors import ConfigError

__all__ = ["FusionConfig", "TrackerConfig"]


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """How objects are followed from frame to frame.

    Raises:
        ConfigError: A share is not in 0..1, or a count is negative.
    """

    iou: float = 0.3
    """An object is the one of before where its box overlaps the place expected by at least this
    (intersection over union, 0..1)."""
    other_class_iou: float = 0.7
    """The same where the network calls it another class than before."""
    patience: int = 15
    """Frames for which an object that is not seen is remembered."""

    def __post_init__(self) -> None:
        _check_shares(self, "iou", "other_class_iou")
        if self.patience < 0:
            raise ConfigError(f"patience is {self.patience}", fix="give 0 or more frames")


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """What counts as an object, and to whom a pixel belongs.

    An object is refused where its score is low, where too little of it is seen, or where the class
    map speaks against it. What is left owns its pixels, better ones first.

    Raises:
        ConfigError: A share is not in 0..1.
    """

    score: float = 0.5
    """An object is shown where its score is above this, 0..1."""
    followed_score: float = 0.35
    """The same for one that was shown in the frame before, where this is the lower one of the two: it does
    not flicker at the threshold."""
    conflicts: Literal["score", "agreement"] = "score"
    """Of two objects on a pixel, the one with the better score has it; or the better product of score
    and the share of its pixels on which the class map agrees."""
    min_visible: float = 0.5
    """Refused where better objects leave it less than this share of its pixels."""
    min_agreement: float = 0.1
    """Refused where the class map shows something that it can be, by the taxonomy, on less than this
    share of its pixels, and its score is not sure."""
    sure_score: float = 0.8
    """From this score on an object is sure: the class map is not asked."""
    min_area: float = 5e-5
    """Refused where it has less than this share of the frame: 46 pixels of 1280 x 720."""
    pixels: Literal["object", "agreed"] = "object"
    """An object has all its pixels, or only those where the class map agrees or says nothing."""
    min_stuff_area: float = 0.0
    """A class that is no object and has less than this share of the frame is left out (255)."""
    outside: Literal["drop", "road-users", "keep"] = "road-users"
    """Objects that are none of the map's countable classes: drop them, keep road users (people, animals
    and vehicles by IDD's labels) or keep all, each as a class of its own beside the map's."""

    def __post_init__(self) -> None:
        _check_shares(
            self,
            "score",
            "followed_score",
            "min_visible",
            "min_agreement",
            "sure_score",
            "min_area",
            "min_stuff_area",
        )

    def least_score(self, *, following: bool) -> float:
        """The score above which an object may be shown."""
        return min(self.score, self.followed_score) if following else self.score


def _check_shares(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value}", fix="give a share in 0..1")
