"""`evaluate_instances`: a network that finds objects over the samples of a prepared folder."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...errors import DataError
from ...hardware import core_count, cpu_model
from ...labels import IGNORE_ID
from ...manifest import Manifest
from ...metrics import FoundObjects, InstanceScores, TrueObjects, require_coco_eval
from ...prepared import FoundObject, Sample, find_objects
from ...results import InstanceResult
from ..scoring import check_tag, group_of, readable, with_objects
from .classes import SharedThings, shared_things
from .result import InstanceEvaluation, InstanceGroup, WorstObjects

__all__ = ["InstancePredictor", "evaluate_instances", "found_objects", "true_objects"]


class Choice(Protocol):
    """Which of the objects that a network proposes are given."""

    @property
    def confidence(self) -> float:
        """Those with a score above it."""
        ...

    @property
    def iou(self) -> float:
        """Of two of one class that overlap by more than this, the better one."""
        ...

    @property
    def max_detections(self) -> int:
        """So many of a frame at most."""
        ...


class InstancePredictor(Protocol):
    """Frame in, objects at frame size out."""

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        ...

    @property
    def precision(self) -> str:
        """What the network really runs in, such as `fp32`."""
        ...

    @property
    def config(self) -> Choice:
        """Which of its proposals it gives."""
        ...

    def __call__(self, frame_bgr: np.ndarray) -> InstanceResult:
        """The objects on a frame, (H, W, 3) uint8."""
        ...


def evaluate_instances(
    predictor: InstancePredictor,
    samples: Sequence[Sample],
    *,
    threshold: float = 0.5,
    by: str | None = None,
    worst: int = 6,
) -> InstanceEvaluation:
    """Score a network that finds objects over samples, as COCO does and as a person sees it.

    Objects are compared at the classes that the network and the data have in common. Samples whose
    objects are not all known are skipped, pictures that cannot be read left out; both are told.

    Args:
        predictor: The network, opened with a low confidence: average precision ranks everything.
        samples: All of one split.
        threshold: What is shown: detections with a score above it, 0..1.
        by: A tag of the samples to group the scores by, such as `weather`.
        worst: How many of the worst pictures to name.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The network and the data have no class of objects in common.
        DataError: No sample has its objects told, or not one picture could be read.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    require_coco_eval()
    classes = shared_things(predictor.manifest, samples[0].space)
    known, skipped = with_objects(samples, classes.data)
    check_tag(known, by)
    scorer = _Scorer(predictor, classes, known, threshold=threshold, by=by)
    unreadable: list[str] = []
    read = readable(known, unreadable, doing="evaluating", read=_read)
    for sample, frame_bgr, (instances, objects) in read:
        scorer.update(sample, frame_bgr, instances, objects)
    return scorer.evaluation(skipped, unreadable, worst=worst)


def true_objects(
    instances: np.ndarray, objects: Sequence[FoundObject], table: np.ndarray
) -> TrueObjects:
    """The objects of a picture that count.

    Args:
        instances: (H, W) uint16.
        objects: What stands in it.
        table: The class of each id of the data's label space, (256,) uint8, 255 where it counts not.
    """
    kept = [item for item in objects if table[item.label.id] != IGNORE_ID]
    return TrueObjects(
        instances=instances,
        values=np.array([item.value for item in kept], np.int64),
        class_ids=np.array([table[item.label.id] for item in kept], np.int64),
        crowd=np.array([item.group for item in kept], bool),
        boxes_xywh=np.array([item.box_xywh for item in kept], np.int64).reshape(-1, 4),
        areas=np.array([item.area for item in kept], np.int64),
    )


def found_objects(result: InstanceResult, table: np.ndarray) -> FoundObjects:
    """The detections that count; `table` as of `true_objects`, of the network's label space."""
    class_ids = table[result.class_ids]
    kept = result.select(class_ids != IGNORE_ID)
    return FoundObjects(
        boxes_xyxy=kept.boxes_xyxy,
        scores=kept.scores,
        class_ids=table[kept.class_ids].astype(np.int64),
        masks=[(mask.top, mask.left, mask.inside) for mask in kept.masks],
    )


def _read(sample: Sample) -> tuple[np.ndarray, list[FoundObject]]:
    instances = sample.read_instances()
    return instances, find_objects(sample, instances)


class _Scorer:
    """What a network scores, picture by picture."""

    def __init__(
        self,
        predictor: InstancePredictor,
        classes: SharedThings,
        samples: Sequence[Sample],
        *,
        threshold: float,
        by: str | None,
    ) -> None:
        self._predictor, self._classes, self._first = predictor, classes, samples[0]
        self._threshold, self._by = threshold, by
        self._started = time.perf_counter()
        self._model_table = classes.table("model", predictor.manifest.space)
        self._data_table = classes.table("data", samples[0].space)
        self._total = self._scores()
        self._groups: dict[str, InstanceScores] = defaultdict(self._scores)
        self._pictures: list[WorstObjects] = []
        self._left_out: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def _scores(self) -> InstanceScores:
        return InstanceScores(self._classes.space, threshold=self._threshold)

    def update(
        self,
        sample: Sample,
        frame_bgr: np.ndarray,
        instances: np.ndarray,
        objects: Sequence[FoundObject],
    ) -> None:
        """Find the objects of a picture and compare them with those that are there."""
        result = self._predictor(frame_bgr)
        shown = result.select(result.scores > self._threshold)
        self._dropped.update(n for n in shown.names if n not in self._classes.model)
        self._left_out.update(
            item.label.name for item in objects if item.label.name not in self._classes.data
        )
        alone = self._total.update(
            true_objects(instances, objects, self._data_table),
            found_objects(result, self._model_table),
        )
        self._groups[group_of(sample, self._by)] += alone
        found = alone.shown("mask")
        if found.f1 is not None:
            counts = {"right": found.right, "wrong": found.wrong, "missed": found.missed}
            self._pictures.append(WorstObjects(id=sample.id, f1=found.f1, **counts))

    def evaluation(
        self, skipped: dict[str, int], unreadable: Sequence[str], *, worst: int
    ) -> InstanceEvaluation:
        """What the pictures so far, at least one, come to."""
        total = self._total
        overall = total.summary()
        if not overall.objects:
            raise DataError(
                f"the {overall.images} pictures hold no object of the common classes",
                fix="choose another split, or data with the classes of the model",
            )
        predictor, manifest, config = (
            self._predictor,
            self._predictor.manifest,
            self._predictor.config,
        )
        ranked = sorted(self._pictures, key=lambda p: (p.f1, -p.wrong - p.missed, p.id))
        return InstanceEvaluation(
            overall=overall,
            classes=self._classes,
            curves={
                item.name: total.curve("mask", item.id) for item in overall.classes if item.objects
            },
            curve=total.curve("mask"),
            by=self._by,
            groups=tuple(
                InstanceGroup(value=value, summary=self._groups[value].summary())
                for value in (sorted(self._groups) if self._by else ())
            ),
            worst=tuple(ranked[:worst]),
            left_out=dict(self._left_out.most_common()),
            dropped=dict(self._dropped.most_common()),
            skipped=skipped,
            unreadable=tuple(unreadable),
            threshold=self._threshold,
            confidence=config.confidence,
            iou=config.iou,
            max_detections=config.max_detections,
            dataset=self._first.root.resolve().name,
            split=self._first.record.split,
            model=manifest.model,
            source=dict(manifest.source),
            precision=predictor.precision,
            input_size_hw=manifest.input.size_hw,
            hardware=f"{cpu_model()}, {core_count()} cores",
            seconds=time.perf_counter() - self._started,
        )
