"""From which probability on a pixel is what is looked for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from .facts import read_facts

__all__ = ["DecisionThreshold"]


@dataclass(frozen=True, kw_only=True)
class DecisionThreshold:
    """The probability from which on a pixel is id 1 of a binary label space, and what that comes to on
    the pictures that told it: where F1 is highest, and with it IoU = F1 / (2 - F1).

    Raises:
        ValueError: The threshold is no probability between 0 and 1.
    """

    threshold: float
    """The probability, of the network's scores as they are, without a temperature."""
    weights_sha256: str
    """Of the weights that it was chosen for."""
    dataset: str
    """Name of the folder that it was chosen on."""
    split: str
    """Which of its splits."""
    images: int
    """Number of pictures."""
    precision: float
    """Share of what is found that is right."""
    recall: float
    """Share of what is there that is found."""
    f1: float
    """Harmonic mean of the two."""
    iou: float
    """Intersection over union: on the pictures that it was chosen on, so too good to be expected
    elsewhere."""
    iou_at_half: float
    """The same at 0.5."""
    iou_cross_fitted: float
    """The same when each half of the pictures is measured with what the other half chose."""
    halves: str
    """How the pictures were halved."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"a threshold of {self.threshold} is not between 0 and 1")

    @property
    def score(self) -> float:
        """The network's score that has this probability."""
        return math.log(self.threshold / (1 - self.threshold))

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> DecisionThreshold:
        """The facts that `to_dict` wrote; others are passed over.

        Raises:
            KeyError, TypeError, ValueError: A fact is missing or none.
        """
        return read_facts(cls, data)
