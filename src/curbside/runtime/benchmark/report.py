"""What a benchmark found, and what it was measured on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...hardware import Condition, Temperature
from ...manifest import Task
from ...metrics.timing import LatencySummary
from ..cores import CorePlan
from .memory import MemoryUse

__all__ = ["AtRate", "BareNetwork", "BenchmarkReport", "ModelSpeed", "Range", "Round"]

Range = tuple[float, float]
"""The lowest and the highest of the rounds."""


@dataclass(frozen=True, kw_only=True)
class BareNetwork:
    """One network alone."""

    file: str
    """The file's name."""
    task: Task
    """What it answers."""
    precision: str
    """What the arithmetic really ran in."""
    input_size_hw: tuple[int, int]
    """The network's input, in pixels."""
    time: LatencySummary
    """One run on all threads, with one picture that does not change."""


@dataclass(frozen=True, kw_only=True)
class AtRate:
    """What is shown of the clip while it plays at its own rate: one network on all threads, and the
    newest frame wins."""

    clip_fps: float
    """Frames per second of the clip, as they came: fewer than its own where reading it took longer."""
    shown_fps: float
    """Frames shown per second: median over the rounds."""
    shown_fps_range: Range
    """The same of the slowest and the fastest round."""
    dropped_share: float
    """Share of the frames that were not shown, 0..1, over all rounds."""
    age: LatencySummary
    """Age of the pictures when they were shown, from the moment of their frames, over all rounds."""
    cpu_share: float
    """Share of all cores that this process used: median over the rounds."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One turn of a model file."""

    bare_ms: float
    """The bare networks, one after the other: mean."""
    frame_ms: float
    """Wall time of the pipeline per frame, as fast as it goes."""
    ratio: float
    """The second over the first."""
    latency: LatencySummary
    """From captured to drawn, as fast as it goes: frames of a file wait for each other."""
    age: LatencySummary
    """Age of the pictures at the clip's own rate."""
    shown_fps: float
    """Frames shown per second at the clip's own rate."""
    dropped_share: float
    """Share of its frames that were not shown, 0..1."""


@dataclass(frozen=True, kw_only=True)
class ModelSpeed:
    """What one model file took, or several that look at a frame together."""

    model: str
    """The names of the files."""
    networks: tuple[BareNetwork, ...]
    """Every network alone, in the order in which they run."""
    precision: str
    """What the arithmetic really ran in."""
    fps: float
    """Frames per second of the pipeline, from `frame_ms`."""
    fps_range: Range
    """The same of the slowest and the fastest round."""
    frame_ms: float
    """Wall time of the pipeline per frame: median over the rounds."""
    bare: LatencySummary
    """The networks alone, one after the other, over all rounds."""
    ratio: float
    """Wall time per frame over the bare networks' mean, both of one round: median over them."""
    ratio_range: Range
    """The lowest and the highest of the rounds."""
    cpu_share: float
    """Share of all cores that this process used in the pipeline: median over the rounds."""
    busy_share: float | None
    """Share of them that anybody used; None where the device does not tell."""
    stages: dict[str, LatencySummary]
    """Latency of every stage inside the running pipeline: medians over the rounds."""
    at_rate: AtRate
    """The clip at its own rate."""
    memory: MemoryUse | None
    """What it takes of the memory; None where the device does not tell."""
    rounds: tuple[Round, ...]
    """Every turn."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """Speeds, and what they were measured on."""

    models: tuple[ModelSpeed, ...]
    """One per model file, in the order given."""
    source: str
    """The clip."""
    source_fps: float
    """Its frames per second."""
    frame_size_hw: tuple[int, int]
    """Its size in pixels."""
    frames: int
    """Frames per model, over all rounds."""
    rounds: int
    """Turns that every model had."""
    plan: CorePlan
    """Networks at once, and threads of each, as fast as it goes."""
    bare_threads: int
    """Threads of the bare network, and at the clip's own rate."""
    cpu: str
    """The processor."""
    cores: int
    """Cores this process may use."""
    board: str | None
    """The board or machine; None where it does not tell."""
    before: Condition
    """How the device was doing before."""
    after: Condition
    """How it was doing after."""
    hottest: Temperature | None
    """The hottest that it was after any turn; None where the device does not tell."""
    throttled_by: tuple[str, ...]
    """What slowed the device after any turn; empty where nothing did, or it does not tell."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)
