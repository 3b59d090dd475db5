"""What a comparison of two models found, and what was compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .intervals import Interval
from .result import Evaluation

__all__ = [
    "Budget",
    "Change",
    "ClassChange",
    "ComparedModel",
    "Comparison",
    "Flow",
    "GroupChange",
    "PictureChange",
]


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
    """A score of both models; None where it could not be taken."""

    before: float | None
    """The first model's."""
    after: float | None
    """The second model's."""
    interval: Interval | None = None
    """The 95 % interval of the difference over pictures; None where nothing can be said."""

    @property
    def difference(self) -> float | None:
        """Above 0 where the second model's is higher."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before

    @property
    def sign(self) -> int:
        """1 where it rose and -1 where it fell, by an interval that leaves out zero; else 0."""
        low, high = self.interval or (0.0, 0.0)
        return (low > 0) - (high < 0)

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON values."""
        return {**asdict(self), "difference": self.difference}


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One of the two models, and what it scored."""

    name: str
    """What it is called in tables."""
    evaluation: Evaluation
    """Its scores."""
    budget: Budget | None
    """How much it was trained; None where nobody knows."""
    settings: Mapping[str, Any]
    """How it was made: JSON values by dotted names."""


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """What became of a class."""

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
class Flow:
    """Pixels of one true class that went from one prediction to another."""

    truth: str
    """Their true class."""
    before: str
    """What the first model takes them for."""
    after: str
    """What the second model takes them for."""
    pixels: int
    """Their number."""


@dataclass(frozen=True, kw_only=True)
class PictureChange:
    """What became of a picture."""

    id: str
    """Id of the sample."""
    fixed: float
    """Share of its pixels that only the second model has right."""
    broken: float
    """Share of its pixels that only the first model has right."""

    @property
    def gain(self) -> float:
        """By how much its pixel accuracy rose."""
        return self.fixed - self.broken


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same pictures, and what changed from the first to the second."""

    models: tuple[ComparedModel, ComparedModel]
    """The models."""
    scores: Mapping[str, Change]
    """Their main scores, by the names of `Evaluation.headline`."""
    classes: tuple[ClassChange, ...]
    """Class by class, the largest change first; those without a score last."""
    groups: tuple[GroupChange, ...]
    """Per value of the tag; empty without a tag."""
    agreement: float
    """Share of all pixels to which both give the same id, those without a truth included."""
    pixels: int
    """Pixels with a truth."""
    fixed: int
    """Those that only the second model has right."""
    broken: int
    """Those that only the first model has right."""
    still_wrong: int
    """Those that both have wrong, in different ways."""
    flows: tuple[Flow, ...]
    """The most frequent changes, largest first."""
    gains: tuple[PictureChange, ...]
    """The pictures whose pixel accuracy rose most."""
    losses: tuple[PictureChange, ...]
    """The pictures whose pixel accuracy fell most."""

    @property
    def miou(self) -> Change:
        """What became of the mean IoU over the classes in truth or prediction."""
        return self.scores["mIoU"]

    @property
    def verdict(self) -> str:
        """`better` or `worse` by the mIoU, or `no difference shown`."""
        return ("no difference shown", "better", "worse")[self.miou.sign]

    @property
    def by(self) -> str | None:
        """The tag that the groups are of."""
        return self.models[0].evaluation.by

    @property
    def images(self) -> int:
        """Number of pictures compared."""
        return self.models[0].evaluation.images

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What was wrong with each picture that was left out."""
        return self.models[0].evaluation.unreadable

    @property
    def equal_budget(self) -> bool | None:
        """Whether both saw as much in training; None where nobody knows."""
        first, second = (model.budget for model in self.models)
        return None if first is None or second is None else first.equals(second)

    def differing(self) -> dict[str, tuple[Any, Any]]:
        """The settings that are not the same; None for one that a model has not."""
        first, second = (model.settings for model in self.models)
        rows = {name: (first.get(name), second.get(name)) for name in {**first, **second}}
        return {name: (one, other) for name, (one, other) in rows.items() if one != other}

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        found = self.models[0].evaluation
        lost = [row.source for row in found.common.second.lost] if found.common else []
        said = {
            "dataset": f"{found.dataset}, split {found.split}",
            "label space": f"{found.space.name}, {len(found.space.classes)} classes",
            "true classes ignored": ", ".join(lost),
            "images": f"{found.images}, each predicted by both models in turn",
            "hardware": found.hardware,
            "time": f"{found.seconds:.1f} s, reading and scoring included",
        }
        return {name: text for name, text in said.items() if text}

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        found = self.models[0].evaluation
        return {
            "dataset": found.dataset,
            "split": found.split,
            "images": found.images,
            "label_space": found.space.to_dict(),
            "hardware": found.hardware,
            "seconds": found.seconds,
            "models": [_model_dict(model) for model in self.models],
            "equal_budget": self.equal_budget,
            "settings_that_differ": {k: list(row) for k, row in self.differing().items()},
            "verdict": self.verdict,
            "scores": {name: change.to_dict() for name, change in self.scores.items()},
            "classes": [{**vars(item), "iou": item.iou.to_dict()} for item in self.classes],
            "by": self.by,
            "groups": [{**vars(item), "miou": item.miou.to_dict()} for item in self.groups],
            **{name: getattr(self, name) for name in _COUNTS},
            "flows": [asdict(item) for item in self.flows],
            "gains": [asdict(item) for item in self.gains],
            "losses": [asdict(item) for item in self.losses],
            "unreadable": list(self.unreadable),
        }


_COUNTS = ("agreement", "pixels", "fixed", "broken", "still_wrong")


def _model_dict(model: ComparedModel) -> dict[str, Any]:
    found = model.evaluation
    return {
        "name": model.name,
        "model": found.model,
        "precision": found.precision,
        "input_size_hw": list(found.input_size_hw),
        "common": None if found.common is None else found.common.to_dict(),
        "scores": asdict(found.overall),
        "missing": dict(found.missing),
        "budget": model.budget and asdict(model.budget),
        "settings": dict(model.settings),
    }
