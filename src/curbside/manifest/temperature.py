"""The temperature that a network's scores were divided by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .facts import read_facts

__all__ = ["TemperatureScaling"]


@dataclass(frozen=True, kw_only=True)
class TemperatureScaling:
    """What a network's scores are divided by so that its confidence can be believed, and how well
    that works on the pictures that told it.

    Raises:
        ValueError: The temperature is none.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """

    temperature: float
    """What the scores are divided by."""
    weights_sha256: str
    """Of the weights that it was fitted for."""
    dataset: str
    """Name of the folder that it was fitted on."""
    split: str
    """Which of its splits."""
    images: int
    """Number of pictures."""
    pixels: int
    """Number of their pixels that were looked at."""
    nll_before: float
    """Negative log-likelihood of these pixels without it, in nats."""
    nll_after: float
    """The same with it."""
    ece_before: float
    """Expected calibration error of these pixels over 15 bins without it."""
    ece_after: float
    """The same with it: on the pixels that it was fitted on, so too good to be expected elsewhere."""
    ece_cross_fitted: float
    """The same when each half of the pictures is measured with what the other half told."""
    halves: str
    """How the pictures were halved."""

    def __post_init__(self) -> None:
        low, high = _TEMPERATURES
        if not low <= self.temperature <= high:
            raise ValueError(f"a temperature of {self.temperature} is not in {low:g} to {high:g}")

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> TemperatureScaling:
        """The facts that `to_dict` wrote; others are passed over.

        Raises:
            KeyError, TypeError, ValueError: A fact is missing or none.
        """
        return read_facts(cls, data)


_TEMPERATURES = (1e-3, 1e3)
