"""What every source is: frames in order, and what can be known of them beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import SourceError

__all__ = ["DEFAULT_FPS", "Frame", "Source"]

DEFAULT_FPS = 25.0
"""What is played at where nobody tells a rate."""
_MOST_FPS = 1000.0
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source."""

    index: int
    """Its number in the source, from 0. A live source leaves out the numbers of frames that nobody
    fetched in time; a file that was sought tells it by time and rate, which is an estimate where its
    rate varies."""
    timestamp_s: float
    """When it was taken, from the start of the source, in seconds: of a file the exact time at which
    it is to be shown."""
    bgr: np.ndarray
    """(H, W, 3) uint8."""
    captured_s: float | None = None
    """When it was taken, by `time.perf_counter`, where a live source tells; None: when it is read."""


class Source(ABC):
    """Something that gives frames, in order.

    It is opened when it is made, so that what cannot be opened fails at once. Only `interrupt` may be
    called while another thread waits for a frame.
    """

    total: int | None = None
    """How many frames there will be, where that is known."""
    fps: float = DEFAULT_FPS
    """Frames per second when played."""
    title: str = ""
    """What it is, in a line for people, without passwords."""
    duration_s: float | None = None
    """How long it plays, where that is known."""
    seekable: bool = False
    """Whether `frames` can begin elsewhere than at its start."""
    report: Callable[[SourceError], None] | None = None
    """Called once for every frame that cannot be decoded and is left out. Where None, they are
    collected, and `frames` names them after the last that can be read."""

    @property
    def live(self) -> bool:
        """Whether frames pass whether or not anyone looks: old ones are then worth nothing."""
        return False

    @abstractmethod
    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The frames, from a moment on.

        It may be called again after it ended, failed or was closed: it begins again, and a live
        source connects anew. Trying again after a fault is left to the caller.

        Args:
            start_s: The first frame is the first that is not earlier than this, to half a frame.
                Live sources, which have only a present, take no notice.

        Raises:
            SourceError: The source broke off: fewer frames came than were promised, the device or
                the connection is gone, or nothing came for seconds. Also, after the last frame,
                where frames were left out and `report` is None.
        """

    def interrupt(self) -> None:  # noqa: B027 - nothing to interrupt is a good answer
        """Make a `frames` that waits end soon, from any thread, where the library can."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file, the device or the connection; more than once is well."""


class LeftOut:
    """Keeps count of the frames that were left out.

    Args:
        report: Called with each; where None, they are collected.
    """

    def __init__(self, report: Callable[[SourceError], None] | None) -> None:
        self._report = report
        self._collected: list[SourceError] = []
        self.count = 0

    def add(self, error: SourceError) -> None:
        """Count a frame that is left out."""
        self.count += 1
        if self._report is not None:
            self._report(error)
        elif len(self._collected) < _NAMED:
            self._collected.append(error)

    def require_none(self, of: str) -> None:
        """Name those that nobody was told of.

        Args:
            of: Those among which they were, as in `12 pictures`.

        Raises:
            SourceError: There are some.
        """
        if self._collected:
            what = "; ".join(error.what for error in self._collected)
            more = self.count - len(self._collected)
            what += f"; and {more} more" if more else ""
            raise SourceError(
                f"{self.count} of {of} cannot be read: {what}",
                fix="fetch them again or remove them; the others have been processed",
            )


def usable_fps(rate: float | None) -> float:
    """A rate that can be played at: the one given, where it is one."""
    return float(rate) if rate and 0 < rate <= _MOST_FPS else DEFAULT_FPS
