"""What can be looked through on this device: cameras and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Found", "Kind", "Mode"]

Kind = Literal["v4l2", "picamera", "libcamera", "synthetic", "named"]
"""How a source is reached; `named` of one that a person named."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Pictures that a camera can give."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    fps: tuple[float, ...]
    """Rates it can give them at, the fastest first; of a range its two ends. Empty where it tells none."""
    format: str
    """How the pixels come, in V4L2's four letters, as in `MJPG`; empty where that is of no concern."""


@dataclass(frozen=True, slots=True)
class Found:
    """A source that is there, or seems to be: only a frame proves it."""

    spec: str
    """What `open_source` takes."""
    title: str
    """What it is, in a line for people."""
    kind: Kind
    """How it is reached."""
    modes: tuple[Mode, ...] = ()
    """What it says it can give; empty where it does not say."""
