"""What a panoptic evaluation found, and exactly what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...metrics import PanopticSummary
from ..result import ran_said, skipped_said, way_said
from .classes import SharedSegments

__all__ = ["PanopticEvaluation", "PanopticGroup", "WorstSegments"]


@dataclass(frozen=True, kw_only=True)
class PanopticGroup:
    """The scores over the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    images: int
    """Number of pictures."""
    summary: PanopticSummary
    """Their scores."""
    miou: float | None
    """Mean IoU of their classes, whatever the objects; None without a mask."""


@dataclass(frozen=True, kw_only=True)
class WorstSegments:
    """A picture that went badly."""

    id: str
    """Id of the sample."""
    pq: float
    """Its panoptic quality over the classes that it holds or was said to hold."""


@dataclass(frozen=True, kw_only=True)
class PanopticEvaluation:
    """Scores of fused pictures over a split, and what they were measured on."""

    overall: PanopticSummary
    """Scores over all pictures."""
    miou: float | None
    """Mean IoU of the classes of all pixels, whatever the objects; None where no sample has a mask."""
    masks: int
    """Pictures that it is over."""
    classes: SharedSegments
    """At which classes the pictures and the data were compared."""
    by: str | None
    """The tag that the groups are of."""
    groups: tuple[PanopticGroup, ...]
    """Scores per value of the tag, by value; empty without a tag."""
    worst: tuple[WorstSegments, ...]
    """The pictures with the lowest panoptic quality, worst first."""
    images: int
    """Number of pictures scored."""
    skipped: Mapping[str, int]
    """Samples whose objects are not all known, per reason."""
    unreadable: tuple[str, ...]
    """What was wrong with each picture that could not be read."""
    settings: Mapping[str, Any]
    """The rules of fusion."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    model: str
    """Both networks in words."""
    sources: Mapping[str, Mapping[str, Any]]
    """The runs behind them, from their Manifests: `semantic` and `instances`."""
    precision: str
    """What the networks really ran in."""
    input_sizes_hw: Mapping[str, tuple[int, int]]
    """Sizes of their inputs, in pixels; scores are taken at the size of the pictures."""
    hardware: str
    """The processor and its cores."""
    seconds: float
    """Time for everything, reading and scoring included."""

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        sizes = [f"{width} x {height}" for height, width in self.input_sizes_hw.values()]
        things = sum(item.has_instances for item in self.classes.space.classes)
        runs = {f"{side} run": source for side, source in self.sources.items()}
        return {
            "model": self.model,
            "precision": self.precision,
            "network inputs": f"{' and '.join(sizes)} pixels; scored at the size of the pictures",
            "dataset": f"{self.dataset}, split {self.split}",
            "images": f"{self.images}",
            **skipped_said(self.skipped),
            "label space": f"{self.classes.space.name}, {len(self.classes.space.classes)} classes,"
            f" {things} of them things",
            **self._ways(),
            **self._masks(),
            "fused": ", ".join(f"{name} {value}" for name, value in self.settings.items()),
            **ran_said(self.hardware, self.seconds, runs),
        }

    def _ways(self) -> dict[str, str]:
        said = {}
        found = self.classes.common
        if found is not None:
            said["classes of the map"] = way_said(found.first)
            said["classes of the data"] = way_said(found.second)
            if found.first.by_name:
                said["compared by"] = "the names of the classes alone"
        if self.classes.left_out:
            said["objects left out"] = f"{', '.join(self.classes.left_out)}: void"
        return said

    def _masks(self) -> dict[str, str]:
        return {"mIoU over": f"{self.masks} pictures with a mask"} if self.masks else {}

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return {
            "model": self.model,
            "sources": {side: dict(source) for side, source in self.sources.items()},
            "precision": self.precision,
            "input_sizes_hw": {side: list(size) for side, size in self.input_sizes_hw.items()},
            "settings": dict(self.settings),
            "dataset": self.dataset,
            "split": self.split,
            "classes": self.classes.to_dict(),
            "images": self.images,
            "skipped": dict(self.skipped),
            "hardware": self.hardware,
            "seconds": self.seconds,
            "scores": asdict(self.overall),
            "miou": self.miou,
            "masks": self.masks,
            "by": self.by,
            "groups": [asdict(group) for group in self.groups],
            "worst": [asdict(item) for item in self.worst],
            "unreadable": list(self.unreadable),
        }
