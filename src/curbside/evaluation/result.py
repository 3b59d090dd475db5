"""What an evaluation found, and exactly what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..labels import CommonSpace, LabelMap, LabelSpace
from ..metrics import Reliability, SegmentationSummary

__all__ = ["ClassScore", "Evaluation", "GroupScore", "WorstImage"]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """The scores of one class; None where it has no pixel or the score could not be taken."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    pixels: int
    """Its pixels in the truth."""
    iou: float | None
    """Intersection over union."""
    accuracy: float | None
    """Share of its pixels that was found."""
    auprc: float | None
    """Area under its precision-recall curve."""


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """The scores over the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    images: int
    """Number of pictures."""
    summary: SegmentationSummary
    """Their scores."""


@dataclass(frozen=True, kw_only=True)
class WorstImage:
    """A picture that went badly."""

    id: str
    """Id of the sample."""
    miou: float
    """Its mean IoU over the classes in its truth."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of a predictor over a split, and what they were measured on."""

    overall: SegmentationSummary
    """Scores over all pictures, from one confusion matrix of all their pixels."""
    space: LabelSpace
    """What the ids mean."""
    common: CommonSpace | None
    """How the model's classes and the data's came to these, where their label spaces differ."""
    by: str | None
    """The tag that the groups are of."""
    groups: tuple[GroupScore, ...]
    """Scores per value of the tag, by value; empty without a tag."""
    confusion: np.ndarray
    """Pixels, (C, C) int64: rows are the truth, columns the prediction."""
    reliability: Reliability | None
    """Accuracy against confidence in 15 bins; None without confidence."""
    worst: tuple[WorstImage, ...]
    """The pictures with the lowest mean IoU, worst first."""
    unreadable: tuple[str, ...]
    """What was wrong with each picture that was left out."""
    missing: Mapping[str, str]
    """Scores that could not be taken, and why."""
    images: int
    """Number of pictures scored."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    model: str
    """The architecture, in words."""
    source: Mapping[str, Any]
    """The run behind the model, from its Manifest."""
    precision: str
    """What the network really ran in."""
    input_size_hw: tuple[int, int]
    """Size of the network's input, in pixels; scores are taken at the size of the masks."""
    hardware: str
    """The processor and its cores."""
    seconds: float
    """Time for everything, reading and scoring included."""

    def classes(self) -> tuple[ClassScore, ...]:
        """The scores class by class, in order of their ids."""
        found = self.overall
        columns = (self.space.classes, found.truth, found.iou, found.accuracy, found.auprc)
        return tuple(
            ClassScore(id=c.id, name=c.name, pixels=pixels, iou=iou, accuracy=accuracy, auprc=auprc)
            for c, pixels, iou, accuracy, auprc in zip(*columns, strict=True)
        )

    def headline(self) -> dict[str, float | None]:
        """The main scores by the names people read, in the order they are shown."""
        found = self.overall
        return {
            "mIoU": found.miou,
            "mIoU, classes in the truth": found.miou_truth,
            "pixel accuracy": found.pixel_accuracy,
            "mean accuracy": found.mean_accuracy,
            "ECE, 15 bins": found.ece,
            "ECE, 1,500 bins": found.ece_fine,
            "mean AUPRC": found.mean_auprc,
        }

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        height, width = self.input_size_hw
        said = {
            "model": self.model,
            "precision": self.precision,
            "network input": f"{width} x {height} pixels; scored at the size of the masks",
            "dataset": f"{self.dataset}, split {self.split}",
            "label space": f"{self.space.name}, {len(self.space.classes)} classes",
            **self._ways(),
            "images": f"{self.images}",
            "hardware": self.hardware,
            "time": f"{self.seconds:.1f} s, reading and scoring included",
        }
        plain = {k: v for k, v in self.source.items() if isinstance(v, (str, int, float))}
        said.update({f"run: {key}": str(value) for key, value in plain.items()})
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
            "label_space": self.space.to_dict(),
            "common": None if self.common is None else self.common.to_dict(),
            "images": self.images,
            "hardware": self.hardware,
            "seconds": self.seconds,
            "scores": asdict(self.overall),
            "classes": [asdict(item) for item in self.classes()],
            "by": self.by,
            "groups": [asdict(group) for group in self.groups],
            "confusion": self.confusion.tolist(),
            "reliability": self._reliability_dict(),
            "worst": [asdict(item) for item in self.worst],
            "unreadable": list(self.unreadable),
            "missing": dict(self.missing),
        }

    def _ways(self) -> dict[str, str]:
        if self.common is None:
            return {}
        ways = {
            "classes of the model": _way(self.common.first),
            "classes of the data": _way(self.common.second),
        }
        if self.common.first.by_name:
            ways["compared by"] = (
                "the names of the classes alone: a label space is not a shipped one"
            )
        return ways

    def _reliability_dict(self) -> dict[str, list[float | None]] | None:
        if self.reliability is None:
            return None
        return {
            name: [None if np.isnan(value) else float(value) for value in values]
            for name, values in vars(self.reliability).items()
        }


def _way(labels: LabelMap) -> str:
    """A label space, what of it was merged and what was ignored."""
    merged: dict[str, list[str]] = {}
    for row in labels.classes:
        if row.kind == "many to one":
            merged.setdefault(str(row.target), []).append(row.source)
    parts = [labels.source.name]
    parts += [f"{name} = {' + '.join(sources)}" for name, sources in merged.items()]
    if labels.lost:
        parts.append(f"ignored: {', '.join(row.source for row in labels.lost)}")
    return "; ".join(parts)
