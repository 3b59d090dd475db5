"""What an evaluation found, and exactly what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..labels import CommonSpace, LabelMap, LabelSpace
from ..manifest import DecisionThreshold, TemperatureScaling
from ..metrics import BestThreshold, PrecisionRecallCurve, Reliability, SegmentationSummary
from .intervals import Interval

__all__ = [
    "ClassScore",
    "Evaluation",
    "GroupScore",
    "WorstImage",
    "ran_said",
    "skipped_said",
    "way_said",
]


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
    iou_interval: Interval | None
    """Its 95 % interval over pictures; None with too few of them."""
    boundary_iou: float | None
    """Intersection over union of the parts near contours."""
    accuracy: float | None
    """Share of its pixels that was found: its recall."""
    precision: float | None
    """Share of what was taken for it that is of it."""
    f1: float | None
    """Harmonic mean of precision and recall."""
    auprc: float | None
    """Area under its precision-recall curve."""
    best_threshold: BestThreshold | None
    """The probability from which on it would best be taken for it, on these very pictures."""


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """The scores over the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    images: int
    """Number of pictures."""
    summary: SegmentationSummary
    """Their scores."""
    miou_interval: Interval | None
    """The 95 % interval of their mIoU over pictures; None with too few of them."""
    main_interval: Interval | None
    """The same for the score that `Evaluation.main` names."""


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
    curves: tuple[PrecisionRecallCurve | None, ...]
    """Precision against recall of each class, thinned; None where no probabilities came or the truth has no
    such class."""
    best_thresholds: tuple[BestThreshold | None, ...]
    """The threshold with the highest F1 of each class; None where it has no curve."""
    reliability: Reliability | None
    """Accuracy against confidence in 15 bins; None without confidence."""
    reliability_uncalibrated: Reliability | None
    """The same without the model's temperature; None where it has none."""
    miou_interval: Interval | None
    """The 95 % interval of the mIoU over pictures, by the bootstrap; None with too few of them."""
    iou_intervals: tuple[Interval | None, ...]
    """The same for the IoU of each class."""
    per_image: np.ndarray
    """Pixels of each picture, (N, C, C + 1) int64: rows are the truth, columns the prediction, the
    last one for pixels that were given no class. Kept in `per_image.npz`, not in the JSON."""
    image_ids: tuple[str, ...]
    """Ids of these pictures."""
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
    temperature_scaling: TemperatureScaling | None
    """What its scores were divided by, from its Manifest."""
    threshold: DecisionThreshold | None
    """Of yes or no, from which probability on a pixel is yes, from its Manifest; None for 0.5."""
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
        return tuple(
            ClassScore(
                id=item.id,
                name=item.name,
                pixels=found.truth[item.id],
                iou=found.iou[item.id],
                iou_interval=self.iou_intervals[item.id],
                boundary_iou=found.boundary_iou[item.id],
                accuracy=found.accuracy[item.id],
                precision=found.precision[item.id],
                f1=found.f1[item.id],
                auprc=found.auprc[item.id],
                best_threshold=self.best_thresholds[item.id],
            )
            for item in self.space.classes
        )

    @property
    def main(self) -> tuple[str, float | None]:
        """The score that models are ranked by, with its name: the mIoU; of a binary label space the IoU of
        what is looked for."""
        if self.space.binary:
            return f"IoU of {self.space.names[1]}", self.overall.iou[1]
        return "mIoU", self.overall.miou

    @property
    def main_interval(self) -> Interval | None:
        """The 95 % interval of the main score over pictures; None with too few of them."""
        return self.iou_intervals[1] if self.space.binary else self.miou_interval

    def headline(self) -> dict[str, float | None]:
        """The main scores by the names people read, in the order they are shown."""
        found = self.overall
        return {
            **self._sought(),
            "mIoU": found.miou,
            "mIoU, classes in the truth": found.miou_truth,
            "pixel accuracy": found.pixel_accuracy,
            "mean accuracy": found.mean_accuracy,
            "mean boundary IoU": found.mean_boundary_iou,
            "ECE, 15 bins": found.ece,
            "ECE, 1,500 bins": found.ece_fine,
            **self._uncalibrated(),
            "mean AUPRC": found.mean_auprc,
        }

    def _sought(self) -> dict[str, float | None]:
        """The scores of what a binary label space looks for; none of another space."""
        if not self.space.binary:
            return {}
        name, found, best = self.space.names[1], self.overall, self.best_thresholds[1]
        scores = {
            f"IoU of {name}": found.iou[1],
            f"F1 of {name}": found.f1[1],
            f"precision of {name}": found.precision[1],
            f"recall of {name}": found.accuracy[1],
        }
        if best is not None:
            scores[f"best threshold of {name}"] = best.threshold
            scores[f"IoU of {name} at the best threshold"] = best.iou
        return scores

    def _uncalibrated(self) -> dict[str, float | None]:
        found = self.overall.ece_uncalibrated
        return {} if found is None else {"ECE, uncalibrated, 15 bins": found}

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        height, width = self.input_size_hw
        return {
            "model": self.model,
            "precision": self.precision,
            "network input": f"{width} x {height} pixels; scored at the size of the masks",
            "dataset": f"{self.dataset}, split {self.split}",
            "label space": f"{self.space.name}, {len(self.space.classes)} classes",
            **self._ways(),
            "images": f"{self.images}",
            "boundaries": f"{_span(self.overall.boundary_px)} px wide, 2 % of the diagonal",
            **self._temperature(),
            **self._threshold(),
            **ran_said(self.hardware, self.seconds, {"run": self.source}),
        }

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return {
            "model": self.model,
            "source": dict(self.source),
            "temperature_scaling": self.temperature_scaling and self.temperature_scaling.to_dict(),
            "threshold": self.threshold and self.threshold.to_dict(),
            "precision": self.precision,
            "input_size_hw": list(self.input_size_hw),
            "dataset": self.dataset,
            "split": self.split,
            "label_space": self.space.to_dict(),
            "common": None if self.common is None else self.common.to_dict(),
            "images": self.images,
            "hardware": self.hardware,
            "seconds": self.seconds,
            "main": dict(zip(("score", "value"), self.main, strict=True)),
            "main_interval": self.main_interval,
            "scores": asdict(self.overall),
            "miou_interval": self.miou_interval,
            "classes": [asdict(item) for item in self.classes()],
            "by": self.by,
            "groups": [asdict(group) for group in self.groups],
            "confusion": self.confusion.tolist(),
            "curves": [_curve_dict(curve) for curve in self.curves],
            "reliability": _reliability_dict(self.reliability),
            "reliability_uncalibrated": _reliability_dict(self.reliability_uncalibrated),
            "worst": [asdict(item) for item in self.worst],
            "unreadable": list(self.unreadable),
            "missing": dict(self.missing),
        }

    def _ways(self) -> dict[str, str]:
        if self.common is None:
            return {}
        ways = {
            "classes of the model": way_said(self.common.first),
            "classes of the data": way_said(self.common.second),
        }
        if self.common.first.by_name:
            ways["compared by"] = (
                "the names of the classes alone: a label space is not a shipped one"
            )
        return ways

    def _temperature(self) -> dict[str, str]:
        found = self.temperature_scaling
        if found is None:
            return {}
        where = f"{found.images} pictures of {found.dataset}, split {found.split}"
        return {"temperature": f"{found.temperature:.4f}, fitted on {where}"}

    def _threshold(self) -> dict[str, str]:
        found = self.threshold
        if found is None:
            return {}
        where = f"{found.images} pictures of {found.dataset}, split {found.split}"
        return {"threshold": f"{found.threshold:.4f}, chosen on {where}"}


def _span(values: tuple[int, ...]) -> str:
    return " to ".join(str(value) for value in dict.fromkeys((values[0], values[-1])))


def _curve_dict(curve: PrecisionRecallCurve | None) -> dict[str, list[float]] | None:
    if curve is None:
        return None
    return {name: values.tolist() for name, values in curve._asdict().items()}


def _reliability_dict(diagram: Reliability | None) -> dict[str, list[float | None]] | None:
    if diagram is None:
        return None
    return {
        name: [None if np.isnan(value) else float(value) for value in values]
        for name, values in vars(diagram).items()
    }


def ran_said(
    hardware: str, seconds: float, runs: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The computer, the time, and the runs behind networks, each by what it is called."""
    said = {"hardware": hardware, "time": f"{seconds:.1f} s, reading and scoring included"}
    for run, source in runs.items():
        plain = {k: v for k, v in source.items() if isinstance(v, (str, int, float))}
        said.update({f"{run}: {key}": str(value) for key, value in plain.items()})
    return said


def skipped_said(skipped: Mapping[str, int]) -> dict[str, str]:
    """How many samples were skipped per reason; nothing where none was."""
    parts = [f"{count} {reason}" for reason, count in skipped.items()]
    return {"left out": "; ".join(parts)} if parts else {}


def way_said(labels: LabelMap) -> str:
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
