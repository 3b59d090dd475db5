"""`compare`: models on the same pictures, and what changed where from the first to the others."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from ..hardware import core_count, cpu_model
from ..labels import IGNORE_ID, LabelSpace
from ..metrics.bootstrap import bootstrap_difference
from ..prepared import Sample
from ..progress import track
from .at_common import CommonPredictor
from .comparison_result import (
    Budget,
    Change,
    ClassChange,
    ComparedModel,
    Comparison,
    Difference,
    GroupChange,
    PlaceChange,
)
from .comparison_tally import ModelTally, PairTally, near_borders
from .scoring import MAX_GROUPS, Predictor, require_same_space

__all__ = ["Contender", "compare"]

_FEWEST = 6
"""Of fewer pictures nothing is shown: even where all change the same way, a fair coin would do that more
often than in 5 of 100 cases."""


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
    contenders: Sequence[Contender],
    samples: Sequence[Sample],
    *,
    by: str | None = None,
    pictures: int = 4,
    seed: int = 0,
) -> Comparison:
    """Compare models with the first of them, streaming; every picture is read once for all of them.

    Pixels are compared at the size of the masks. A picture that cannot be read is left out for all
    models and named in `Comparison.unreadable`.

    Args:
        contenders: Two models or more; the first is the reference.
        samples: At least one, all of one split, each with a semantic target.
        by: A tag of the samples to group the scores by, such as `weather`.
        pictures: How many of the largest gains, and of the largest losses, to name.
        seed: Decides the draws behind the intervals.

    Raises:
        ConfigError: There is one model only; no sample has the tag, or it has too many values.
        LabelError: A model and the masks do not mean the same by their ids.
        DataError: Not one picture could be read, or all their pixels are ignored.
    """
    if len(contenders) < 2:
        raise ConfigError("one model alone cannot be compared", fix="name two models or more")
    space = samples[0].space
    for contender in contenders:
        require_same_space(contender.predictor.manifest.space, space, otherwise=_AT_COMMON)
    values = _values_of_tag(samples, by)
    started = time.perf_counter()
    tallies = [ModelTally(contender.predictor, space) for contender in contenders]
    pairs = [PairTally(space) for _ in contenders[1:]]
    groups: dict[str, list[int]] = defaultdict(list)
    unreadable: list[str] = []
    images = 0
    for sample in track(samples, total=len(samples), description="comparing"):
        try:
            frame_bgr = sample.read_bgr()
            target = sample.read_semantic()
        except DataError as error:
            unreadable.append(str(error))
            continue
        near = near_borders(target) & (target != IGNORE_ID)
        maps = [tally.update(frame_bgr, target, near) for tally in tallies]
        for pair, ids in zip(pairs, maps[1:], strict=True):
            pair.update(sample.id, target, maps[0], ids)
        if by is not None:
            groups[values[sample.id]].append(images)
        images += 1
    if not images:
        raise DataError(
            f"none of the {len(samples)} pictures could be read, the first because {unreadable[0]}",
            fix="restore the dataset or convert it again",
        )
    if not pairs[0].pixels:
        raise DataError(
            f"every pixel of the {images} masks is ignored",
            fix="choose another split, or data with the classes of the models",
        )
    predictors = [contender.predictor for contender in contenders]
    reference = _Reference(contenders[0], tallies[0], space, groups, seed)
    return Comparison(
        models=tuple(map(_compared, contenders, tallies)),
        differences=tuple(
            reference.difference(*other, pictures)
            for other in zip(contenders[1:], tallies[1:], pairs, strict=True)
        ),
        space=space,
        common=tuple(item.common for item in predictors if isinstance(item, CommonPredictor)),
        by=by,
        images=images,
        unreadable=tuple(unreadable),
        dataset=samples[0].root.resolve().name,
        split=samples[0].record.split,
        hardware=f"{cpu_model()}, {core_count()} cores",
        seconds=time.perf_counter() - started,
    )


_AT_COMMON = ", or compare at their common classes with --common"


def _values_of_tag(samples: Sequence[Sample], by: str | None) -> dict[str, str]:
    """The value of the tag for each sample, by its id."""
    if by is None:
        return {}
    tags = sorted({tag for sample in samples for tag in sample.record.tags})
    if by not in tags:
        known = f"its tags are {', '.join(tags)}" if tags else "leave out --by: there are no tags"
        raise ConfigError(f"no sample has the tag {by!r}", fix=known)
    values = {sample.id: sample.record.tags.get(by, "(none)") for sample in samples}
    count = len(set(values.values()))
    if count > MAX_GROUPS:
        raise ConfigError(
            f"the tag {by!r} has {count} values", fix=f"group by a tag with at most {MAX_GROUPS}"
        )
    return values


def _compared(contender: Contender, tally: ModelTally) -> ComparedModel:
    predictor = contender.predictor
    return ComparedModel(
        name=contender.name,
        model=predictor.manifest.model,
        precision=predictor.precision,
        input_size_hw=predictor.manifest.input.size_hw,
        summary=tally.scores.summary(),
        budget=contender.budget,
        settings=contender.settings,
    )


@dataclass(frozen=True)
class _Reference:
    """The first model, from which the others differ."""

    contender: Contender
    tally: ModelTally
    space: LabelSpace
    groups: Mapping[str, list[int]]
    seed: int

    def difference(
        self, contender: Contender, tally: ModelTally, pair: PairTally, pictures: int
    ) -> Difference:
        """What another model does differently; so many pictures are named each way."""
        ours, theirs = self.contender.budget, contender.budget
        before, after = self.tally.classes, tally.classes
        here, there = self.tally.places, tally.places
        near, inside = (
            PlaceChange(
                pixels=int(here[:, i].sum()),
                accuracy=self._change(here[:, i : i + 1], there[:, i : i + 1]),
            )
            for i in range(2)
        )
        shown = pair.pictures(self.tally.mious, tally.mious)
        return Difference(
            name=contender.name,
            equal_budget=None if ours is None or theirs is None else ours.equals(theirs),
            miou=self._change(before, after),
            pixel_accuracy=self._change(
                here.sum(axis=1, keepdims=True), there.sum(axis=1, keepdims=True)
            ),
            ece=Change.of(self.tally.ece, tally.ece),
            classes=self._classes(before, after),
            groups=tuple(
                GroupChange(
                    value=value,
                    images=len(members),
                    miou=self._change(before[members], after[members]),
                )
                for value, members in sorted(self.groups.items())
            ),
            near=near,
            inside=inside,
            agreement=pair.agreement,
            pixels=pair.pixels,
            fixed=pair.fixed,
            broken=pair.broken,
            still_wrong=pair.still_wrong,
            flows=pair.flows(),
            gains=tuple(change for change in shown[:pictures] if change.gain > 0),
            losses=tuple(change for change in shown[::-1][:pictures] if change.gain < 0),
        )

    def _classes(self, before: np.ndarray, after: np.ndarray) -> tuple[ClassChange, ...]:
        """Class by class, from (N, C, 2) each, the largest change first."""
        pixels = self.tally.scores.confusion.truth
        changes = [
            ClassChange(
                id=item.id,
                name=item.name,
                pixels=int(pixels[item.id]),
                iou=self._change(before[:, item.id : item.id + 1], after[:, item.id : item.id + 1]),
            )
            for item in self.space.classes
        ]
        return tuple(sorted(changes, key=_size_of_change))

    def _change(self, before: np.ndarray, after: np.ndarray) -> Change:
        """A mean of quotients hits / (hits + misses) over all pictures, and its interval.

        Args:
            before: Hits and misses of each picture and kind, (N, K, 2) int64. Those of a class give
                its IoU, all right and wrong pixels the accuracy.
            after: The other model's.
        """
        score, other = (_mean_quotient(counts.sum(axis=0)) for counts in (before, after))
        telling = np.count_nonzero((before + after).any(axis=(1, 2)))
        if telling < _FEWEST:
            return Change.of(score, other)
        matrices = _as_confusion(before), _as_confusion(after)
        return Change.of(score, other, bootstrap_difference(*matrices, seed=self.seed))


def _size_of_change(change: ClassChange) -> tuple[bool, float]:
    found = change.iou.difference
    return found is None, -abs(found or 0.0)


def _mean_quotient(counts: np.ndarray) -> float:
    """Mean of hits / (hits + misses) over the kinds that have pixels, (K, 2); nan where none has."""
    pixels = counts.sum(axis=1)
    known = pixels > 0
    return float((counts[known, 0] / pixels[known]).mean()) if known.any() else float("nan")


def _as_confusion(counts: np.ndarray) -> np.ndarray:
    """Hits and misses, (N, K, 2), as (N, K, K + 1) confusion matrices whose IoU are their quotients."""
    pictures, kinds, _ = counts.shape
    matrices = np.zeros((pictures, kinds, kinds + 1), np.int64)
    every = np.arange(kinds)
    matrices[:, every, every] = counts[:, :, 0]
    matrices[:, :, kinds] = counts[:, :, 1]
    return matrices
