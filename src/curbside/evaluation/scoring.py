"""`evaluate`: a predictor over the samples of a prepared folder."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from ..errors import ConfigError, DataError, LabelError
from ..hardware import core_count, cpu_model
from ..labels import LabelSpace
from ..manifest import Manifest
from ..metrics import (
    Calibration,
    PrecisionRecall,
    PrecisionRecallCurve,
    Reliability,
    SegmentationScores,
)
from ..prepared import Sample, lacks_objects
from ..progress import track
from ..results import SemanticResult
from .at_common import CommonPredictor
from .intervals import iou_intervals, miou_interval
from .predictions import Predictions
from .result import Evaluation, GroupScore, WorstImage

__all__ = [
    "Predictor",
    "Scorer",
    "check_tag",
    "evaluate",
    "group_of",
    "readable",
    "require_same_space",
    "with_objects",
]

Truth = TypeVar("Truth")

MAX_GROUPS = 32
"""A tag with more values is refused: it names pictures, not conditions, and groups take memory."""
_CURVE_POINTS = 100


class Predictor(Protocol):
    """Frame in, result at frame size out: a model file or the network of a run."""

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        ...

    @property
    def precision(self) -> str:
        """What the network really runs in, such as `fp32`."""
        ...

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """Predict a frame.

        Args:
            frame_bgr: (H, W, 3) uint8.
            probabilities: Fill `result.probabilities`; only where the Manifest has `logits`.
        """
        ...


def evaluate(
    predictor: Predictor,
    samples: Sequence[Sample],
    *,
    by: str | None = None,
    worst: int = 6,
    kept: Predictions | None = None,
) -> Evaluation:
    """Score a predictor over samples, streaming: of a picture, its pixel counts alone are kept.

    Pixels are compared at the size of the masks. A picture that cannot be read is left out and
    named in `Evaluation.unreadable`.

    Args:
        predictor: The model, or a `CommonPredictor` where its label space is not the data's.
        samples: At least one, all of one split, each with a semantic target.
        by: A tag of the samples to group the scores by, such as `weather`.
        worst: How many of the worst pictures to name.
        kept: Where the predictions go.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The model and the masks do not mean the same by their ids.
        DataError: Not one picture could be read, or all their pixels are ignored.
    """
    scorer = Scorer(predictor, samples, by=by)
    unreadable: list[str] = []
    for sample, frame_bgr, target in readable(
        samples, unreadable, doing="evaluating", read=Sample.read_semantic
    ):
        ids = scorer.update(sample, frame_bgr, target)
        if kept is not None:
            kept.add(sample, ids)
    return scorer.evaluation(unreadable, worst=worst)


def readable(
    samples: Sequence[Sample],
    unreadable: list[str],
    *,
    doing: str,
    read: Callable[[Sample], Truth],
) -> Iterator[tuple[Sample, np.ndarray, Truth]]:
    """The samples with their pictures and what is true of them, under a progress bar.

    Args:
        samples: At least one, each with the target that is read.
        unreadable: Where is noted what was wrong with each one that is left out.
        doing: What is done with them.
        read: What reads the truth, such as `Sample.read_semantic`.

    Yields:
        A sample, its picture, (H, W, 3) uint8 BGR, and its truth.

    Raises:
        DataError: Not one could be read.
    """
    for sample in track(samples, total=len(samples), description=doing):
        try:
            frame_bgr, target = sample.read_bgr(), read(sample)
        except DataError as error:
            unreadable.append(str(error))
            continue
        yield sample, frame_bgr, target
    if len(unreadable) == len(samples):
        raise DataError(
            f"none of the {len(samples)} pictures could be read, the first because {unreadable[0]}",
            fix="restore the dataset or convert it again",
        )


class Scorer:
    """What a predictor scores, picture by picture.

    Args:
        predictor: See `evaluate`.
        samples: Those that are to come.
        by: The tag to group by.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The model and the masks do not mean the same by their ids.
    """

    def __init__(
        self, predictor: Predictor, samples: Sequence[Sample], *, by: str | None = None
    ) -> None:
        if not samples:
            raise ValueError("give at least one sample")
        manifest, self._first = predictor.manifest, samples[0]
        require_same_space(
            manifest.space,
            self._first.space,
            otherwise=", or score at their common classes with --common",
        )
        check_tag(samples, by)
        self._predictor, self._by = predictor, by
        self._started = time.perf_counter()
        self._with_logits = manifest.output("logits") is not None
        # Sums of probabilities do not tell what each of them was before.
        common = isinstance(predictor, CommonPredictor)
        self._temperature = 1.0 if common else manifest.temperature
        self._groups: dict[str, SegmentationScores] = defaultdict(self._scores)
        self._members: dict[str, list[int]] = defaultdict(list)
        self._pictures: list[WorstImage] = []
        self._counts: list[np.ndarray] = []

    def _scores(self) -> SegmentationScores:
        return SegmentationScores(self._first.space.num_classes, temperature=self._temperature)

    def update(self, sample: Sample, frame_bgr: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Predict a picture and count its pixels.

        Args:
            sample: Where it comes from.
            frame_bgr: (H, W, 3) uint8.
            target: (H, W) uint8.

        Returns:
            The predicted ids, (H, W) uint8.
        """
        result = self._predictor(frame_bgr, probabilities=self._with_logits)
        group = group_of(sample, self._by)
        alone = self._groups[group].update(
            target, ids=result.ids, confidence=result.confidence, probabilities=result.probabilities
        )
        self._members[group].append(len(self._counts))
        self._counts.append(np.column_stack([alone.counts, alone.outside]))
        self._pictures.append(WorstImage(id=sample.id, miou=alone.miou(over="truth")))
        return result.ids

    def evaluation(self, unreadable: Sequence[str], *, worst: int = 6) -> Evaluation:
        """What the pictures so far, at least one, come to.

        Args:
            unreadable: What was wrong with those that were left out.
            worst: How many of the worst pictures to name.

        Raises:
            DataError: All their pixels are ignored.
        """
        total = self._scores()
        for scores in self._groups.values():
            total += scores
        if not total.confusion.truth.any():
            raise DataError(
                f"every pixel of the {len(self._counts)} masks is ignored",
                fix="choose another split, or data with the classes of the model",
            )
        predictor, manifest, data = self._predictor, self._predictor.manifest, self._first
        per_image = np.stack(self._counts)
        curves = total.precision_recall
        # A mask that is ignored as a whole says nothing.
        told = [picture for picture in self._pictures if not np.isnan(picture.miou)]
        return Evaluation(
            overall=total.summary(),
            space=data.space,
            common=predictor.common if isinstance(predictor, CommonPredictor) else None,
            by=self._by,
            groups=tuple(
                self._group(value, per_image[self._members[value]])
                for value in (sorted(self._groups) if self._by else ())
            ),
            confusion=total.confusion.counts,
            curves=tuple(_curve(curves, class_id) for class_id in range(total.num_classes)),
            best_thresholds=tuple(
                curves.best_threshold(class_id) if curves else None
                for class_id in range(total.num_classes)
            ),
            reliability=_reliability(total.calibration),
            reliability_uncalibrated=_reliability(total.uncalibrated),
            miou_interval=miou_interval(per_image),
            iou_intervals=iou_intervals(per_image),
            per_image=per_image,
            image_ids=tuple(picture.id for picture in self._pictures),
            worst=tuple(sorted(told, key=lambda image: (image.miou, image.id))[:worst]),
            unreadable=tuple(unreadable),
            missing=_missing(total, predictor),
            images=len(per_image),
            dataset=data.root.resolve().name,
            split=data.record.split,
            model=manifest.model,
            source=dict(manifest.source),
            temperature_scaling=manifest.temperature_scaling,
            threshold=manifest.threshold,
            precision=predictor.precision,
            input_size_hw=manifest.input.size_hw,
            hardware=f"{cpu_model()}, {core_count()} cores",
            seconds=time.perf_counter() - self._started,
        )

    def _group(self, value: str, per_image: np.ndarray) -> GroupScore:
        """The scores of the pictures of a group, whose pixel counts are given."""
        interval = miou_interval(per_image)
        return GroupScore(
            value=value,
            images=len(per_image),
            summary=self._groups[value].summary(),
            miou_interval=interval,
            main_interval=iou_intervals(per_image)[1] if self._first.space.binary else interval,
        )


def require_same_space(model: LabelSpace, data: LabelSpace, *, otherwise: str = "") -> None:
    """Refuse a model and masks that do not mean the same by their ids; colours may differ.

    Args:
        model: The model's label space.
        data: The masks'.
        otherwise: What else the reader can do, added to the fix.

    Raises:
        LabelError: Naming the first difference.
    """
    ours, theirs = ({item.id: item.name for item in space.classes} for space in (model, data))
    if ours == theirs:
        return
    first = min(i for i in ours.keys() | theirs.keys() if ours.get(i) != theirs.get(i))
    raise LabelError(
        f"the model's label space is {model.name} ({len(ours)} classes), the dataset's is "
        f"{data.name} ({len(theirs)} classes): id {first} is {ours.get(first, 'absent')} for the "
        f"model and {theirs.get(first, 'absent')} in the data",
        fix=f"convert the dataset with the labels {model.name}, or choose a model for {data.name}"
        + otherwise,
    )


def with_objects(
    samples: Sequence[Sample], names: Collection[str]
) -> tuple[list[Sample], dict[str, int]]:
    """The samples whose objects of some classes are all known, and how many others lack what.

    Args:
        samples: At least one, all of one dataset.
        names: The classes.

    Raises:
        DataError: Of no sample they are known.
    """
    lacking = [lacks_objects(sample, names) for sample in samples]
    known = [sample for sample, lack in zip(samples, lacking, strict=True) if lack is None]
    skipped = dict(sorted(Counter(lack for lack in lacking if lack is not None).items()))
    if not known:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise DataError(
            f"no sample of {samples[0].root} tells its objects: {reasons}",
            fix="convert the dataset with instances",
        )
    return known, skipped


def check_tag(samples: Sequence[Sample], by: str | None) -> None:
    """Refuse a tag that the samples cannot be grouped by.

    Raises:
        ConfigError: No sample has it, or it has too many values.
    """
    if by is None:
        return
    tags = sorted({tag for sample in samples for tag in sample.record.tags})
    if by not in tags:
        raise ConfigError(
            f"no sample has the tag {by!r}",
            fix=f"its tags are {', '.join(tags)}"
            if tags
            else "leave out the grouping: the dataset has no tags",
        )
    values = {group_of(sample, by) for sample in samples}
    if len(values) > MAX_GROUPS:
        raise ConfigError(
            f"the tag {by!r} has {len(values)} values",
            fix=f"group by a tag with at most {MAX_GROUPS}",
        )


def group_of(sample: Sample, by: str | None) -> str:
    """The value of the tag that a sample is grouped by; empty without a tag."""
    return "" if by is None else sample.record.tags.get(by, "(none)")


def _curve(curves: PrecisionRecall | None, class_id: int) -> PrecisionRecallCurve | None:
    curve = curves.curve(class_id, points=_CURVE_POINTS) if curves else None
    return curve if curve is not None and curve.thresholds.size else None


def _reliability(calibration: Calibration) -> Reliability | None:
    return calibration.reliability() if calibration.count else None


def _missing(total: SegmentationScores, predictor: Predictor) -> dict[str, str]:
    common = isinstance(predictor, CommonPredictor)
    merges = isinstance(predictor, CommonPredictor) and predictor.merges
    missing = {}
    if not total.calibration.count:
        missing["ECE"] = (
            "merged classes need probabilities to add up: export the model with --outputs logits"
            if merges
            else "the model gives ids only: export it with --outputs logits, or confidence"
        )
    if predictor.manifest.temperature != 1 and not total.uncalibrated.count:
        missing["ECE without the temperature"] = (
            "it cannot be told in the common classes of two label spaces"
            if common
            else "it needs every probability: export the model with --outputs logits"
        )
    if total.precision_recall is None:
        missing["AUPRC"] = "the model gives no probabilities: export it with --outputs logits"
    return missing
