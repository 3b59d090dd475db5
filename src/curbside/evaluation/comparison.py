"""`compare`: two models on the same pictures, and what changed where from the first to the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..labels import IGNORE_ID, LabelSpace
from ..prepared import Sample
from .comparison_result import (
    Budget,
    Change,
    ClassChange,
    ComparedModel,
    Comparison,
    Flow,
    GroupChange,
    PictureChange,
)
from .intervals import iou_intervals, miou_interval
from .result import Evaluation
from .scoring import Predictor, Scorer, group_of, readable

__all__ = ["Contender", "compare"]

_FLOWS = 12


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model that is compared."""

    name: str
    """What it is called in tables."""
    predictor: Predictor
    """The model, or a `CommonPredictor` where its label space is not the data's."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """How it was made: JSON values by dotted names."""
    budget: Budget | None = None
    """How much it was trained; None where nobody knows."""


def compare(
    first: Contender,
    second: Contender,
    samples: Sequence[Sample],
    *,
    by: str | None = None,
    pictures: int = 4,
) -> Comparison:
    """Compare two models, streaming; every picture is read once for both.

    Pixels are compared at the size of the masks. A picture that cannot be read is left out for both
    models and named in `Comparison.unreadable`.

    Args:
        first: The reference.
        second: The model of which is said what it does differently.
        samples: At least one, all of one split, each with a semantic target.
        by: A tag of the samples to group the scores by, such as `weather`.
        pictures: How many of the largest gains, and of the largest losses, to name.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: A model and the masks do not mean the same by their ids.
        DataError: Not one picture could be read, or all their pixels are ignored.
    """
    scorers = [Scorer(contender.predictor, samples, by=by) for contender in (first, second)]
    moved = _Moved(samples[0].space)
    unreadable: list[str] = []
    for sample, frame_bgr, target in readable(
        samples, unreadable, doing="comparing", read=Sample.read_semantic
    ):
        one, other = (scorer.update(sample, frame_bgr, target) for scorer in scorers)
        moved.update(sample.id, target, one, other)
    before, after = (scorer.evaluation(unreadable) for scorer in scorers)
    changed = moved.pictures()
    return Comparison(
        models=(_compared(first, before), _compared(second, after)),
        scores=_scores(before, after),
        classes=_classes(before, after),
        groups=_groups(before, after, samples),
        agreement=moved.agreement,
        pixels=moved.pixels,
        fixed=moved.fixed,
        broken=moved.broken,
        still_wrong=moved.still_wrong,
        flows=moved.flows(),
        gains=tuple(change for change in changed[:pictures] if change.gain > 0),
        losses=tuple(change for change in changed[::-1][:pictures] if change.gain < 0),
    )


def _compared(contender: Contender, evaluation: Evaluation) -> ComparedModel:
    return ComparedModel(
        name=contender.name,
        evaluation=evaluation,
        budget=contender.budget,
        settings=contender.settings,
    )


def _scores(before: Evaluation, after: Evaluation) -> dict[str, Change]:
    one, other = before.headline(), after.headline()
    intervals = {
        "mIoU": miou_interval(after.per_image, before.per_image),
        "pixel accuracy": miou_interval(_right_and_wrong(after), _right_and_wrong(before)),
    }
    return {
        name: Change(before=one.get(name), after=other.get(name), interval=intervals.get(name))
        for name in {**one, **other}
    }


def _right_and_wrong(evaluation: Evaluation) -> np.ndarray:
    """Pixels of each picture as of a single class, (N, 1, 2) int64, whose IoU is the accuracy."""
    right = np.trace(evaluation.per_image, axis1=1, axis2=2)
    return np.stack([right, evaluation.per_image.sum(axis=(1, 2)) - right], axis=-1)[:, None]


def _classes(before: Evaluation, after: Evaluation) -> tuple[ClassChange, ...]:
    intervals = iou_intervals(after.per_image, before.per_image)
    changes = [
        ClassChange(
            name=one.name,
            pixels=one.pixels,
            iou=Change(before=one.iou, after=other.iou, interval=interval),
        )
        for one, other, interval in zip(before.classes(), after.classes(), intervals, strict=True)
    ]
    return tuple(sorted(changes, key=_size))


def _size(change: ClassChange) -> tuple[bool, float]:
    found = change.iou.difference
    return found is None, -abs(found or 0.0)


def _groups(
    before: Evaluation, after: Evaluation, samples: Sequence[Sample]
) -> tuple[GroupChange, ...]:
    values = {sample.id: group_of(sample, before.by) for sample in samples}
    found = np.array([values[name] for name in before.image_ids])
    return tuple(
        GroupChange(
            value=one.value,
            images=one.images,
            miou=Change(
                before=one.summary.miou,
                after=other.summary.miou,
                interval=miou_interval(*(e.per_image[found == one.value] for e in (after, before))),
            ),
        )
        for one, other in zip(before.groups, after.groups, strict=True)
    )


class _Moved:
    """Where the pixels went from one model to another.

    Args:
        space: What the ids of the masks mean.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.pixels = 0
        """Pixels with a truth."""
        self.fixed = 0
        """Those that only the second model has right."""
        self.broken = 0
        """Those that only the first model has right."""
        self._names = [*space.names, "no class"]
        sides = len(self._names)
        self._flows = np.zeros((sides, sides, sides), np.int64)  # truth, first, second
        self._same = self._all = 0
        self._pictures: list[PictureChange] = []

    def update(self, name: str, target: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        """Count the pixels of a picture.

        Args:
            name: Its id.
            target: (H, W) uint8.
            first: The first model's ids, (H, W) uint8.
            second: The second model's.
        """
        known, differ = target != IGNORE_ID, first != second
        self._all += target.size
        self._same += target.size - int(np.count_nonzero(differ))
        moved = known & differ
        truth, before, after = target[moved], first[moved], second[moved]
        no_class = len(self._names) - 1
        places = [np.minimum(ids, no_class).astype(np.intp) for ids in (truth, before, after)]
        index = np.ravel_multi_index(tuple(places), self._flows.shape)
        found, counts = np.unique(index, return_counts=True)
        self._flows.reshape(-1)[found] += counts
        fixed, broken = (int(np.count_nonzero(ids == truth)) for ids in (after, before))
        pixels = int(np.count_nonzero(known))
        self.pixels += pixels
        self.fixed += fixed
        self.broken += broken
        shares = fixed / max(1, pixels), broken / max(1, pixels)
        self._pictures.append(PictureChange(id=name, fixed=shares[0], broken=shares[1]))

    @property
    def still_wrong(self) -> int:
        """Pixels that both models have wrong, in different ways."""
        return int(self._flows.sum()) - self.fixed - self.broken

    @property
    def agreement(self) -> float:
        """Share of all pixels, ignored ones included, to which both models give the same id."""
        return self._same / self._all

    def flows(self) -> tuple[Flow, ...]:
        """The most frequent changes, largest first."""
        order = np.argsort(-self._flows, axis=None, kind="stable")[:_FLOWS]
        return tuple(
            Flow(truth=self._names[t], before=self._names[a], after=self._names[b], pixels=int(n))
            for t, a, b in zip(*np.unravel_index(order, self._flows.shape), strict=True)
            if (n := self._flows[t, a, b])
        )

    def pictures(self) -> list[PictureChange]:
        """The pictures, those that gained most first."""
        return sorted(self._pictures, key=lambda change: (-change.gain, change.id))
