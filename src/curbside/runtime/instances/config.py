"""Which of the objects that a network proposes are shown."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ConfigError

__all__ = ["InstanceConfig"]


@dataclass(frozen=True, kw_only=True)
class InstanceConfig:
    """Which of the objects that a network proposes are shown.

    Raises:
        ConfigError: A share is not in 0..1, or a count is not positive.
    """

    confidence: float = 0.5
    """A proposal counts where its best class is more probable than this, 0..1."""
    iou: float = 0.5
    """Of two of one class that overlap by more than this (intersection over union, 0..1), the less
    probable is dropped."""
    max_detections: int = 300
    """Objects of a frame at most, the most probable ones."""
    max_candidates: int = 3000
    """Proposals that are compared for overlaps at most, the most probable ones; it bounds the time
    that a frame can take."""

    def __post_init__(self) -> None:
        for name in ("confidence", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give a share in 0..1")
        for name in ("max_detections", "max_candidates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give 1 or more")
