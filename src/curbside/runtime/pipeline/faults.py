"""What went wrong in a running pipeline, and how long it goes on trying."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time

from ...errors import ConfigError, CurbsideError

__all__ = ["Fault", "Supervision", "forget_trace"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that went wrong, and what was done about it."""

    stage: str
    """Where: `capture`, `prepare`, `network`, `decode` or `draw`."""
    error: Exception
    """What was raised."""
    action: str
    """What was done about it, in words."""
    frame: int | None = None
    """The frame that it concerns; None where it concerns none."""
    at_s: float = field(default_factory=time)
    """When, in seconds since 1970."""

    @property
    def message(self) -> str:
        """What went wrong, in one line."""
        if isinstance(self.error, CurbsideError):
            return self.error.what
        text = " ".join(str(self.error).split())
        return f"{type(self.error).__name__}: {text}" if text else type(self.error).__name__

    def __str__(self) -> str:
        where = "" if self.frame is None else f" at frame {self.frame}"
        return f"{self.stage}{where}: {self.message}; {self.action}"


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """How a pipeline goes on after a fault.

    A frame on which a stage fails is shown as it came. A live source that breaks off is opened again,
    for ever; a network that fails again and again is loaded again. On a file, whose frames do not
    wait, a network that never recovers ends the pipeline, and so does a file's end where no frame had a
    result.

    Raises:
        ConfigError: A number is out of its range.
    """

    retry_s: float = 0.5
    """How long it waits before it tries again what failed; twice as long each further time."""
    longest_retry_s: float = 8.0
    """It never waits longer than this, in seconds."""
    reload_after: int = 3
    """Frames in a row on which the network fails, before it is loaded again."""
    give_up_after: int = 30
    """Frames of a file in a row on which the network fails, before the pipeline ends with the error."""

    def __post_init__(self) -> None:
        if not 0 < self.retry_s <= self.longest_retry_s:
            raise ConfigError(
                f"waits of {self.retry_s} to {self.longest_retry_s} seconds are none",
                fix="give a first wait above 0, and a longest one that is not shorter",
            )
        if min(self.reload_after, self.give_up_after) < 1:
            raise ConfigError(
                f"after {min(self.reload_after, self.give_up_after)} frames nothing has failed yet",
                fix="give 1 or more",
            )

    def wait_s(self, attempt: int) -> float:
        """How long to wait before the attempt of this number, from 0 on, in seconds."""
        return min(self.retry_s * 2.0 ** min(attempt, 30), self.longest_retry_s)


def forget_trace(error: BaseException | None) -> None:
    """Let go of what the trace of an error holds: the frame, its tensors."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
