"""What a network expects of its pixel values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ConfigError

__all__ = ["IMAGENET", "Normalization"]


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """`(pixel / 255 - mean) / std`, per channel, in RGB order."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from pixels scaled to 0..1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Divides what is left."""

    @classmethod
    def of(cls, mean: Iterable[float], std: Iterable[float]) -> Normalization:
        """From any three means and three deviations.

        Raises:
            ConfigError: They are not three, or a deviation is not positive.
        """
        return cls(mean=tuple(map(float, mean)), std=tuple(map(float, std)))  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not all(value > 0 for value in self.std):
            raise ConfigError(
                f"normalisation with mean {self.mean} and std {self.std} is impossible",
                fix="give three means and three positive standard deviations",
            )


IMAGENET = Normalization()
