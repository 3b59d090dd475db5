"""`evaluate_panoptic`: fused pictures over the samples of a prepared folder."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ...errors import DataError
from ...hardware import core_count, cpu_model
from ...labels import IGNORE_ID, LabelSpace
from ...manifest import Manifest
from ...metrics import ConfusionMatrix, PanopticScores
from ...prepared import Sample, check_values
from ...results import PanopticResult
from ..predictions import Predictions
from ..scoring import check_tag, group_of, readable, with_objects
from .classes import SharedSegments, shared_segments
from .result import PanopticEvaluation, PanopticGroup, WorstSegments

__all__ = ["PanopticPredictor", "evaluate_panoptic"]


class Network(Protocol):
    """One of the two networks."""

    @property
    def manifest(self) -> Manifest:
        """What it says about itself."""
        ...


class PanopticPredictor(Protocol):
    """Frame in, one picture of both networks at frame size out; no frame depends on another."""

    @property
    def space(self) -> LabelSpace:
        """What the ids of results mean."""
        ...

    @property
    def title(self) -> str:
        """Both networks in words."""
        ...

    @property
    def precision(self) -> str:
        """What they really run in."""
        ...

    @property
    def semantic(self) -> Network:
        """The network that gives the class map."""
        ...

    @property
    def instances(self) -> Network:
        """The network that finds objects."""
        ...

    def __call__(self, frame_bgr: np.ndarray) -> PanopticResult:
        """What is on a frame, (H, W, 3) uint8."""
        ...


def evaluate_panoptic(
    predictor: PanopticPredictor,
    samples: Sequence[Sample],
    *,
    settings: Mapping[str, Any] | None = None,
    by: str | None = None,
    worst: int = 6,
    kept: Predictions | None = None,
) -> PanopticEvaluation:
    """Score fused pictures over samples: panoptic quality, and the mIoU of their classes beside it.

    They are compared at the classes that both have in common: what has no partner is void. Samples
    whose objects are not all known are skipped, pictures that cannot be read left out; both are told.

    Args:
        predictor: The two networks, without following objects from frame to frame.
        samples: All of one split.
        settings: The rules of fusion, for the report.
        by: A tag of the samples to group the scores by, such as `weather`.
        worst: How many of the worst pictures to name.
        kept: Where the predictions go.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The class map and the data have nothing in common, or the data counts nothing.
        DataError: No sample has its objects told, or not one picture could be read.
    """
    first = samples[0]
    classes = shared_segments(
        predictor.space, predictor.semantic.manifest, predictor.instances.manifest, first.space
    )
    counted = [item.name for item in first.space.classes if classes.truth[item.id] != IGNORE_ID]
    known, skipped = with_objects(samples, counted)
    check_tag(known, by)
    scorer = _Scorer(predictor, classes, known, by=by)
    unreadable: list[str] = []
    for sample, frame_bgr, (instances, mask) in readable(
        known, unreadable, doing="evaluating", read=_read
    ):
        result = scorer.update(sample, frame_bgr, instances, mask)
        if kept is not None:
            kept.add(sample, result.ids, result.segment_map())
    return scorer.evaluation(settings or {}, skipped, unreadable, worst=worst)


def _read(sample: Sample) -> tuple[np.ndarray, np.ndarray | None]:
    """The instance map, (H, W) uint16, and the mask, (H, W) uint8, where there is one."""
    instances = sample.read_instances()
    check_values(sample, np.flatnonzero(np.bincount(instances.ravel())), sample.space)
    has_mask = "semantic" in sample.record.targets
    return instances, sample.read_semantic() if has_mask else None


class _Scorer:
    """What fused pictures score, one by one."""

    def __init__(
        self,
        predictor: PanopticPredictor,
        classes: SharedSegments,
        samples: Sequence[Sample],
        *,
        by: str | None,
    ) -> None:
        self._predictor, self._classes, self._first, self._by = predictor, classes, samples[0], by
        self._started = time.perf_counter()
        self._scores: dict[str, PanopticScores] = defaultdict(lambda: PanopticScores(classes.space))
        count = len(classes.space.classes)
        self._matrices: dict[str, ConfusionMatrix] = defaultdict(lambda: ConfusionMatrix(count))
        self._members: Counter[str] = Counter()
        self._masks = 0
        self._pictures: list[WorstSegments] = []

    def update(
        self,
        sample: Sample,
        frame_bgr: np.ndarray,
        instances: np.ndarray,
        mask: np.ndarray | None,
    ) -> PanopticResult:
        """Fuse a picture, compare it with what is there, and give it back."""
        result, classes = self._predictor(frame_bgr), self._classes
        group = group_of(sample, self._by)
        self._members[group] += 1
        alone = self._scores[group].update(
            classes.segments(instances, "truth"),
            classes.segments(result.segment_map(), "predicted"),
        )
        if mask is not None:
            self._masks += 1
            ids, target = (
                _places(table[pixels], classes.first)
                for table, pixels in ((classes.predicted, result.ids), (classes.truth, mask))
            )
            self._matrices[group].update(ids, target)
        found = alone.summary().all
        if found is not None:
            self._pictures.append(WorstSegments(id=sample.id, pq=found.pq))
        return result

    def evaluation(
        self,
        settings: Mapping[str, Any],
        skipped: Mapping[str, int],
        unreadable: Sequence[str],
        *,
        worst: int,
    ) -> PanopticEvaluation:
        """What the pictures so far, at least one, come to."""
        total = PanopticScores(self._classes.space)
        matrix = ConfusionMatrix(len(self._classes.space.classes))
        for group in list(self._scores):
            total += self._scores[group]
            matrix += self._matrices[group]
        overall = total.summary()
        if not any(item.found or item.missed for item in overall.classes):
            raise DataError(
                f"the {self._members.total()} pictures hold no segment of the common classes",
                fix="choose another split, or data with the classes of the model",
            )
        predictor = self._predictor
        networks = {"semantic": predictor.semantic, "instances": predictor.instances}
        return PanopticEvaluation(
            overall=overall,
            miou=_miou(matrix),
            masks=self._masks,
            classes=self._classes,
            by=self._by,
            groups=tuple(
                PanopticGroup(
                    value=value,
                    images=self._members[value],
                    summary=self._scores[value].summary(),
                    miou=_miou(self._matrices[value]),
                )
                for value in (sorted(self._scores) if self._by else ())
            ),
            worst=tuple(sorted(self._pictures, key=lambda item: (item.pq, item.id))[:worst]),
            images=self._members.total(),
            skipped=skipped,
            unreadable=tuple(unreadable),
            settings=settings,
            dataset=self._first.root.resolve().name,
            split=self._first.record.split,
            model=predictor.title,
            sources={side: dict(item.manifest.source) for side, item in networks.items()},
            precision=predictor.precision,
            input_sizes_hw={side: item.manifest.input.size_hw for side, item in networks.items()},
            hardware=f"{cpu_model()}, {core_count()} cores",
            seconds=time.perf_counter() - self._started,
        )


def _places(ids: np.ndarray, first: int) -> np.ndarray:
    """Ids that begin at `first` as places from 0 on, 255 as it is."""
    return ids if first == 0 else np.where(ids == IGNORE_ID, ids, ids - first).astype(np.uint8)


def _miou(matrix: ConfusionMatrix) -> float | None:
    found = matrix.miou()
    return None if np.isnan(found) else found
