"""What an evaluation of single objects found, and exactly what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...labels import LabelSpace
from ...metrics import InstanceSummary, MatchCurve
from ..result import ran_said, skipped_said
from .classes import SharedThings

__all__ = ["InstanceEvaluation", "InstanceGroup", "WorstObjects"]


@dataclass(frozen=True, kw_only=True)
class InstanceGroup:
    """The scores over the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    summary: InstanceSummary
    """Their scores."""


@dataclass(frozen=True, kw_only=True)
class WorstObjects:
    """A picture that went badly, by what the threshold shows of its masks."""

    id: str
    """Id of the sample."""
    f1: float
    """F1 of its objects."""
    right: int
    """Objects that were found."""
    wrong: int
    """Detections that are none."""
    missed: int
    """Objects that were not found."""


@dataclass(frozen=True, kw_only=True)
class InstanceEvaluation:
    """Scores of a network that finds objects over a split, and what they were measured on."""

    overall: InstanceSummary
    """Scores over all pictures."""
    classes: SharedThings
    """At which classes the network and the data were compared."""
    curves: Mapping[str, MatchCurve]
    """Precision and recall of the masks at an IoU of 0.5, by the name of each class with objects."""
    curve: MatchCurve
    """The same over all objects."""
    by: str | None
    """The tag that the groups are of."""
    groups: tuple[InstanceGroup, ...]
    """Scores per value of the tag, by value; empty without a tag."""
    worst: tuple[WorstObjects, ...]
    """The pictures with the lowest F1, worst first."""
    left_out: Mapping[str, int]
    """Objects of the data whose class the network does not know, by their class."""
    dropped: Mapping[str, int]
    """Detections above the threshold of classes that the data does not count, by their class."""
    skipped: Mapping[str, int]
    """Samples whose objects are not all known, per reason."""
    unreadable: tuple[str, ...]
    """What was wrong with each picture that could not be read."""
    threshold: float
    """What is shown: detections with a score above it."""
    confidence: float
    """Detections with a score above it count for average precision."""
    iou: float
    """Of two detections of one class that overlap by more than this, the better one counts."""
    max_detections: int
    """Detections of a picture at most."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    model: str
    """The network in words."""
    source: Mapping[str, Any]
    """The run behind it, from its Manifest."""
    precision: str
    """What it really ran in."""
    input_size_hw: tuple[int, int]
    """Size of its input, in pixels; scores are taken at the size of the pictures."""
    hardware: str
    """The processor and its cores."""
    seconds: float
    """Time for everything, reading and scoring included."""

    @property
    def images(self) -> int:
        """Number of pictures scored."""
        return self.overall.images

    @property
    def space(self) -> LabelSpace:
        """The classes at which they were compared."""
        return self.classes.space

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        height, width = self.input_size_hw
        found = self.overall
        return {
            "model": self.model,
            "precision": self.precision,
            "network input": f"{width} x {height} pixels; scored at the size of the pictures",
            "dataset": f"{self.dataset}, split {self.split}",
            "images": f"{found.images}",
            **skipped_said(self.skipped),
            "objects": f"{found.objects:,}, and {found.crowds:,} crowds, which count for nothing",
            "classes": f"{len(self.classes.space.classes)}, compared by {self.classes.by}",
            **self._left_out(),
            "average precision": f"of detections with a score above {self.confidence:g}, at most"
            f" {self.max_detections} a picture, of which 100 of each class count; doubles with an IoU"
            f" above {self.iou:g} dropped",
            "shown": f"the same detections with a score above {self.threshold:g}; right from an IoU"
            " of 0.5 on, one each",
            **ran_said(self.hardware, self.seconds, {"run": self.source}),
        }

    def _left_out(self) -> dict[str, str]:
        said = {}
        if self.classes.data_only:
            counts = [f"{name} ({self.left_out.get(name, 0)})" for name in self.classes.data_only]
            said["not known to the network"] = f"{', '.join(counts)}: no truth here"
        if self.classes.model_only:
            seen = [f"{name} ({count})" for name, count in self.dropped.items()]
            said["not counted by the data"] = (
                f"{len(self.classes.model_only)} classes of the network; above {self.threshold:g} were"
                f" dropped: {', '.join(seen) or 'none'}"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return {
            "model": self.model,
            "source": dict(self.source),
            "precision": self.precision,
            "input_size_hw": list(self.input_size_hw),
            "dataset": self.dataset,
            "split": self.split,
            "classes": self.classes.to_dict(),
            "images": self.overall.images,
            "skipped": dict(self.skipped),
            "left_out_objects": dict(self.left_out),
            "dropped_detections": dict(self.dropped),
            "threshold": self.threshold,
            "confidence": self.confidence,
            "iou": self.iou,
            "max_detections": self.max_detections,
            "hardware": self.hardware,
            "seconds": self.seconds,
            "scores": self.overall.to_dict(),
            "by": self.by,
            "groups": [{"value": group.value, **group.summary.to_dict()} for group in self.groups],
            "worst": [asdict(item) for item in self.worst],
            "unreadable": list(self.unreadable),
        }
