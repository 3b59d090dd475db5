"""Accuracy against latency: which networks are worth their milliseconds, and which another one beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics.timing import LatencySummary
from .instances import InstanceEvaluation
from .intervals import Interval
from .result import Evaluation

__all__ = ["Frontier", "MainScore", "MeasuredNetwork", "dominators", "main_score"]


@dataclass(frozen=True, kw_only=True)
class MainScore:
    """What a network is judged by."""

    name: str
    """What it is: mIoU, the IoU of what a binary network looks for, or mask AP."""
    value: float | None
    """The score, 0..1; None where the pictures hold nothing to take it on."""
    interval: Interval | None
    """Its 95 % interval over pictures; None with too few of them, and for average precision."""
    images: int
    """Number of pictures scored."""


@dataclass(frozen=True, kw_only=True)
class MeasuredNetwork:
    """A network, with what it scored and how long it took."""

    name: str
    """What it is called here."""
    model: str
    """The architecture, in words."""
    file: str
    """The file that was scored and timed."""
    score: float
    """Its main score, 0..1."""
    interval: Interval | None
    """The 95 % interval of the score over pictures."""
    network: LatencySummary
    """Time of the bare network."""
    whole: LatencySummary
    """Time from the frame to the result at the frame's size."""
    input_size_hw: tuple[int, int]
    """Size of its input, in pixels."""
    precision: str
    """What its arithmetic really ran in."""
    device: str
    """What it computed on."""
    size_bytes: int
    """Size of the file, with the parts that belong to it."""
    parameters: int | None = None
    """Its weights, BatchNorm's among them; None where a file alone is known."""

    @property
    def runs_in(self) -> str:
        """The precision, and the device where that is not the processor."""
        return self.precision if self.device == "cpu" else f"{self.precision} on {self.device}"

    @property
    def runs_in_short(self) -> str:
        """The same without what is said in brackets of the layers that run in another precision."""
        short = self.precision.partition(" (")[0]
        return short if self.device == "cpu" else f"{short} on {self.device}"

    @property
    def frames_per_second(self) -> float:
        """Frames in a second, one after the other, by the median of the whole."""
        return 1e3 / self.whole.p50_ms


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """Networks scored on the same pictures and timed in turns on the same frames."""

    networks: tuple[MeasuredNetwork, ...]
    """One or more."""
    score_name: str
    """What their scores are."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    images: int
    """Number of pictures scored."""
    classes: tuple[str, ...]
    """The classes at which they were scored."""
    common: bool
    """Whether these are what different label spaces have in common."""
    timed_on: str
    """What the frames are."""
    runs: int
    """How often each was timed."""
    threads: int
    """Threads of each network."""
    hardware: str
    """The processor and its cores."""

    @property
    def dominated_by(self) -> tuple[str | None, ...]:
        """By network, the name of one on the front that is no slower and no worse, and one of both
        better; None on the front. Time is the median of the whole."""
        found = dominators(
            [item.whole.p50_ms for item in self.networks], [item.score for item in self.networks]
        )
        return tuple(None if place is None else self.networks[place].name for place in found)

    @property
    def front(self) -> tuple[MeasuredNetwork, ...]:
        """Those that no other dominates, quickest first."""
        pairs = zip(self.networks, self.dominated_by, strict=True)
        kept = [item for item, by in pairs if by is None]
        return tuple(sorted(kept, key=lambda item: item.whole.p50_ms))

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        of_all = "that the label spaces have in common" if self.common else "of the data"
        devices = sorted({item.device for item in self.networks} - {"cpu"})
        return {
            "score": f"{self.score_name} on {self.images} pictures of {self.dataset}, split"
            f" {self.split}",
            "classes": f"{len(self.classes)} {of_all}: {', '.join(self.classes)}",
            "timed": f"in turns, {self.runs} times each after a warm-up, one frame at a time, on"
            f" {self.timed_on}",
            "net": "the bare network, from its input tensor to its output tensors",
            "all": "from the frame in memory to the result at the frame's size",
            "hardware": ", ".join([self.hardware, *devices]),
            "threads": f"{self.threads} of each network",
            **{
                f"{item.name} runs in": item.runs_in
                for item in self.networks
                if item.runs_in != item.runs_in_short
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """The frontier as JSON values."""
        return {
            "score": self.score_name,
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "classes": list(self.classes),
            "common": self.common,
            "timed_on": self.timed_on,
            "runs": self.runs,
            "threads": self.threads,
            "hardware": self.hardware,
            "front": [item.name for item in self.front],
            "networks": [
                {
                    **asdict(item),
                    "frames_per_second": item.frames_per_second,
                    "dominated_by": by,
                }
                for item, by in zip(self.networks, self.dominated_by, strict=True)
            ],
        }


def dominators(latencies: Sequence[float], scores: Sequence[float]) -> tuple[int | None, ...]:
    """Which network dominates each: is no slower and no worse, and quicker or better.

    Of several, the one with the best score is named, of these the quickest; it is on the front itself.
    Two that are equal in both do not dominate each other.

    Args:
        latencies: Of every network; less is better.
        scores: The same; more is better.

    Returns:
        The place of the dominating network, by network; None for those on the front.
    """
    found: list[int | None] = [None] * len(latencies)
    best: int | None = None
    order = sorted(range(len(latencies)), key=lambda i: (latencies[i], -scores[i]))
    for place in order:
        if best is None or scores[place] > scores[best]:
            best = place
        elif (latencies[place], scores[place]) != (latencies[best], scores[best]):
            found[place] = best
    return tuple(found)


def main_score(found: Evaluation | InstanceEvaluation) -> MainScore:
    """What a network is judged by: `Evaluation.main`; of one that finds objects the average precision of
    its masks."""
    if isinstance(found, InstanceEvaluation):
        ap = found.overall.mask.average.ap
        return MainScore(name="mask AP", value=ap, interval=None, images=found.images)
    name, value = found.main
    return MainScore(name=name, value=value, interval=found.main_interval, images=found.images)
