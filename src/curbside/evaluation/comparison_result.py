"""What a comparison of models found, and what was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..labels import CommonSpace, LabelSpace
from ..metrics import SegmentationSummary

__all__ = [
    "UNSURE",
    "Budget",
    "Change",
    "ClassChange",
    "ComparedModel",
    "Comparison",
    "Difference",
    "Flow",
    "GroupChange",
    "PictureChange",
    "PlaceChange",
]

UNSURE = "no difference shown"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a model was trained."""

    steps: int
    """Optimiser steps."""
    pictures_per_step: int
    """Batch size times the forward passes per step."""
    crop_hw: tuple[int, int]
    """Height and width of a training crop."""
    epochs: float | None
    """Passes over the training pictures; None where their number is not known."""
    teachers: tuple[str, ...]
    """What it was distilled from; empty without a teacher."""

    @property
    def pictures(self) -> int:
        """Training crops that the model has seen."""
        return self.steps * self.pictures_per_step

    def equals(self, other: Budget) -> bool:
        """Whether both are as many crops of one size."""
        return (self.pictures, self.crop_hw) == (other.pictures, other.crop_hw)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A score of the reference and of another model; None where it could not be taken."""

    before: float | None
    """The reference's."""
    after: float | None
    """The other model's."""
    difference: float | None
    """Their difference, above 0 where the other model's is higher."""
    low: float | None = None
    """Lower end of the 95 % interval of the difference; None where nothing can be said."""
    high: float | None = None
    """Its upper end."""

    @classmethod
    def of(
        cls, before: float, after: float, interval: tuple[float, float] = (math.nan, math.nan)
    ) -> Change:
        """A change, from numbers that are nan where something could not be taken."""
        values = [None if math.isnan(v) else v for v in (before, after, after - before, *interval)]
        return cls(
            **dict(zip(("before", "after", "difference", "low", "high"), values, strict=True))
        )

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; None where nothing can be said."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def verdict(self) -> str:
        """`higher` or `lower` where the interval leaves out zero, else `no difference shown`."""
        low, high = self.interval or (0.0, 0.0)
        return "higher" if low > 0 else "lower" if high < 0 else UNSURE


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One of the models, and what it scored."""

    name: str
    """What it is called in tables."""
    model: str
    """The architecture, in words."""
    precision: str
    """What the network really ran in."""
    input_size_hw: tuple[int, int]
    """Size of the network's input, in pixels; scores are taken at the size of the masks."""
    summary: SegmentationSummary
    """Its scores over all pictures."""
    budget: Budget | None
    """How much it was trained; None where nobody knows."""
    settings: Mapping[str, Any]
    """How it was made: JSON values by dotted names."""


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """What became of a class."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    pixels: int
    """Its pixels in the truth."""
    iou: Change
    """Its intersection over union."""


@dataclass(frozen=True, kw_only=True)
class GroupChange:
    """What became of the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    images: int
    """Number of pictures."""
    miou: Change
    """Their mean IoU."""


@dataclass(frozen=True, kw_only=True)
class PlaceChange:
    """What became of the pixels near label borders, or of those inside."""

    pixels: int
    """Their number."""
    accuracy: Change
    """Share of them that is right."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Pixels of one true class that went from one prediction to another."""

    truth: str
    """Their true class."""
    before: str
    """What the reference takes them for."""
    after: str
    """What the other model takes them for."""
    pixels: int
    """Their number."""


@dataclass(frozen=True, kw_only=True)
class PictureChange:
    """What became of a picture."""

    id: str
    """Id of the sample."""
    fixed: float
    """Share of its pixels that only the other model has right."""
    broken: float
    """Share of its pixels that only the reference has right."""
    miou: Change
    """Its mean IoU over the classes in its truth."""

    @property
    def gain(self) -> float:
        """By how much its pixel accuracy rose."""
        return self.fixed - self.broken


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One model against the reference."""

    name: str
    """The model."""
    equal_budget: bool | None
    """Whether it saw as much in training as the reference did; None where nobody knows."""
    miou: Change
    """Mean IoU over the classes in truth or prediction."""
    pixel_accuracy: Change
    """Share of pixels that are right."""
    ece: Change
    """Expected calibration error over 15 bins."""
    classes: tuple[ClassChange, ...]
    """Class by class, the largest change first; those without a score last."""
    groups: tuple[GroupChange, ...]
    """Per value of the tag; empty without a tag."""
    near: PlaceChange
    """Pixels near label borders."""
    inside: PlaceChange
    """All others."""
    agreement: float
    """Share of all pixels to which both give the same id, those without a truth included."""
    pixels: int
    """Pixels with a truth."""
    fixed: int
    """Those that only this model has right."""
    broken: int
    """Those that only the reference has right."""
    still_wrong: int
    """Those that both have wrong, in different ways."""
    flows: tuple[Flow, ...]
    """The most frequent changes, largest first."""
    gains: tuple[PictureChange, ...]
    """The pictures whose pixel accuracy rose most."""
    losses: tuple[PictureChange, ...]
    """The pictures whose pixel accuracy fell most."""

    @property
    def verdict(self) -> str:
        """`better` or `worse` by its mIoU, or `no difference shown`."""
        return {"higher": "better", "lower": "worse"}.get(self.miou.verdict, UNSURE)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several models on the same pictures; the first is the reference."""

    models: tuple[ComparedModel, ...]
    """The models, in the order they were given."""
    differences: tuple[Difference, ...]
    """Every other model against the first."""
    space: LabelSpace
    """What the ids mean."""
    common: tuple[CommonSpace, ...]
    """How each model's classes and the data's came to these; empty where nothing was merged."""
    by: str | None
    """The tag that the groups are of."""
    images: int
    """Number of pictures compared."""
    unreadable: tuple[str, ...]
    """What was wrong with each picture that was left out."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    hardware: str
    """The processor and its cores."""
    seconds: float
    """Time for everything, reading and scoring included."""

    def differing(self) -> dict[str, tuple[Any, ...]]:
        """The settings that are not the same for all models; None for one that a model has not."""
        names = dict.fromkeys(name for model in self.models for name in model.settings)
        rows = {name: tuple(m.settings.get(name) for m in self.models) for name in names}
        return {name: row for name, row in rows.items() if any(v != row[0] for v in row)}

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        lost = [row.source for row in self.common[0].second.lost] if self.common else []
        said = {
            "dataset": f"{self.dataset}, split {self.split}",
            "label space": f"{self.space.name}, {len(self.space.classes)} classes",
            "true classes ignored": ", ".join(lost),
            "images": f"{self.images}, each predicted by all models in turn",
            "hardware": self.hardware,
            "time": f"{self.seconds:.1f} s, reading and scoring included",
        }
        return {name: text for name, text in said.items() if text}

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "label_space": self.space.to_dict(),
            "common": [item.to_dict() for item in self.common],
            "hardware": self.hardware,
            "seconds": self.seconds,
            "by": self.by,
            "models": [{**asdict(m), "settings": dict(m.settings)} for m in self.models],
            "settings_that_differ": {k: list(row) for k, row in self.differing().items()},
            "differences": [{**asdict(item), "verdict": item.verdict} for item in self.differences],
            "unreadable": list(self.unreadable),
        }
