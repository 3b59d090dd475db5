"""How a session stands, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...labels import LabelSpace
from ...metrics.timing import LatencySummary
from ...results import View
from ..pipeline import Fault
from ..scene import SceneConfig

__all__ = ["State", "Status"]

State = Literal["idle", "opening", "playing", "paused", "ended", "failed"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a session stands."""

    state: State = "idle"
    """What it is doing; `failed` where the source could not be opened or the run broke off."""
    source: str | None = None
    """What plays, in words."""
    live: bool = False
    """Whether it is a camera or a stream, which cannot wait."""
    seekable: bool = False
    """Whether it has other moments to jump to."""
    duration_s: float | None = None
    """How long it is, where that is known."""
    position_s: float = 0.0
    """Where it is."""
    frame_size_hw: tuple[int, int] | None = None
    """Size of the newest frame."""
    loading: tuple[str, ...] = ()
    """Names of the model files that are being loaded."""
    scene: SceneConfig | None = None
    """The networks in use, which may not be those that are being loaded."""
    beside: SceneConfig | None = None
    """Those on the same frame beside them."""
    wanted: SceneConfig = field(default_factory=SceneConfig)
    """The networks that were asked for; where they cannot be loaded, those in use again."""
    wanted_beside: SceneConfig | None = None
    """The same of those beside them."""
    views: tuple[View, ...] = ("frame",)
    """What can be shown."""
    space: LabelSpace | None = None
    """What the ids of results mean."""
    precision: str = ""
    """What the arithmetic really runs in; empty until it was found out."""
    fps: float = 0.0
    """Frames per second over the last ones."""
    age_ms: float = 0.0
    """From captured to shown, of the newest frame."""
    frames: int = 0
    """Frames shown."""
    dropped: int = 0
    """Frames that a newer one replaced."""
    late: int = 0
    """Frames over the latency budget."""
    stages: dict[str, LatencySummary] = field(default_factory=dict)
    """Latency of every stage of the pipeline."""
    faults: tuple[Fault, ...] = ()
    """The latest faults, newest last."""
    fault_counts: dict[str, int] = field(default_factory=dict)
    """All faults of the session by stage."""
    recording: Path | None = None
    """Where it records to."""
    message: str | None = None
    """The latest mistake or notice, in one line."""
    messages: int = 0
    """How many there were, so that the same one twice can be told from one."""
