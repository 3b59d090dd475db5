"""`evaluate`: a predictor over the samples of a prepared folder."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..errors import ConfigError, DataError, LabelError
from ..hardware import core_count, cpu_model
from ..labels import LabelSpace
from ..manifest import Manifest
from ..metrics import Calibration, Reliability, SegmentationScores, bootstrap_iou, bootstrap_miou
from ..prepared import Sample
from ..progress import track
from ..results import SemanticResult
from .at_common import CommonPredictor
from .result import Evaluation, GroupScore, Interval, WorstImage

__all__ = ["Predictor", "check_tag", "evaluate", "require_same_space"]

MAX_GROUPS = 32
"""A tag with more values is refused: it names pictures, not conditions, and groups take memory."""
FEWEST_PICTURES = 5
"""With fewer, drawing them again says nothing of how sure a score is."""


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
    predictor: Predictor, samples: Sequence[Sample], *, by: str | None = None, worst: int = 6
) -> Evaluation:
    """Score a predictor over samples, streaming: of a picture, its pixel counts alone are kept.

    Pixels are compared at the size of the masks. A picture that cannot be read is left out and
    named in `Evaluation.unreadable`.

    Args:
        predictor: The model, or a `CommonPredictor` where its label space is not the data's.
        samples: At least one, all of one split, each with a semantic target.
        by: A tag of the samples to group the scores by, such as `weather`.
        worst: How many of the worst pictures to name.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The model and the masks do not mean the same by their ids.
        DataError: Not one picture could be read.
    """
    if not samples:
        raise ValueError("give at least one sample")
    space, manifest = samples[0].space, predictor.manifest
    require_same_space(manifest.space, space, otherwise=_AT_COMMON)
    check_tag(samples, by)
    started = time.perf_counter()
    with_logits = manifest.output("logits") is not None
    # Sums of probabilities do not tell what each of them was before.
    temperature = 1.0 if isinstance(predictor, CommonPredictor) else manifest.temperature
    groups: dict[str, SegmentationScores] = defaultdict(
        lambda: SegmentationScores(space.num_classes, temperature=temperature)
    )
    members: dict[str, list[int]] = defaultdict(list)
    pictures: list[WorstImage] = []
    counts: list[np.ndarray] = []
    unreadable: list[str] = []
    for sample in track(samples, total=len(samples), description="evaluating"):
        try:
            frame_bgr = sample.read_bgr()
            target = sample.read_semantic()
        except DataError as error:
            unreadable.append(str(error))
            continue
        result = predictor(frame_bgr, probabilities=with_logits)
        group = _group(sample, by)
        alone = groups[group].update(
            target, ids=result.ids, confidence=result.confidence, probabilities=result.probabilities
        )
        members[group].append(len(counts))
        counts.append(np.column_stack([alone.counts, alone.outside]))
        pictures.append(WorstImage(id=sample.id, miou=alone.miou(over="truth")))
    if not counts:
        raise DataError(
            f"none of the {len(samples)} pictures could be read, the first because {unreadable[0]}",
            fix="restore the dataset or convert it again",
        )
    total = SegmentationScores(space.num_classes, temperature=temperature)
    for scores in groups.values():
        total += scores
    per_image = np.stack(counts)
    # A mask that is ignored as a whole says nothing.
    told = [picture for picture in pictures if not np.isnan(picture.miou)]
    return Evaluation(
        overall=total.summary(),
        space=space,
        common=predictor.common if isinstance(predictor, CommonPredictor) else None,
        by=by,
        groups=tuple(
            GroupScore(
                value=value,
                images=len(members[value]),
                summary=groups[value].summary(),
                miou_interval=_interval(per_image[members[value]]),
            )
            for value in (sorted(groups) if by else ())
        ),
        confusion=total.confusion.counts,
        reliability=_reliability(total.calibration),
        reliability_uncalibrated=_reliability(total.uncalibrated),
        miou_interval=_interval(per_image),
        iou_intervals=_iou_intervals(per_image),
        per_image=per_image,
        image_ids=tuple(picture.id for picture in pictures),
        worst=tuple(sorted(told, key=lambda image: (image.miou, image.id))[:worst]),
        unreadable=tuple(unreadable),
        missing=_missing(total, manifest, predictor),
        images=len(counts),
        dataset=samples[0].root.resolve().name,
        split=samples[0].record.split,
        model=manifest.model,
        source=dict(manifest.source),
        temperature_scaling=manifest.temperature_scaling,
        precision=predictor.precision,
        input_size_hw=manifest.input.size_hw,
        hardware=f"{cpu_model()}, {core_count()} cores",
        seconds=time.perf_counter() - started,
    )


_AT_COMMON = ", or score at their common classes with --common"


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
    values = {_group(sample, by) for sample in samples}
    if len(values) > MAX_GROUPS:
        raise ConfigError(
            f"the tag {by!r} has {len(values)} values",
            fix=f"group by a tag with at most {MAX_GROUPS}",
        )


def _group(sample: Sample, by: str | None) -> str:
    return "" if by is None else sample.record.tags.get(by, "(none)")


def _reliability(calibration: Calibration) -> Reliability | None:
    return calibration.reliability() if calibration.count else None


def _interval(per_image: np.ndarray) -> Interval | None:
    """The 95 % interval of the mIoU; None where there is no telling from so few pictures."""
    return _known(bootstrap_miou(per_image)) if len(per_image) >= FEWEST_PICTURES else None


def _iou_intervals(per_image: np.ndarray) -> tuple[Interval | None, ...]:
    if len(per_image) < FEWEST_PICTURES:
        return (None,) * per_image.shape[1]
    return tuple(_known((float(low), float(high))) for low, high in bootstrap_iou(per_image).T)


def _known(interval: Interval) -> Interval | None:
    return None if np.isnan(interval).any() else interval


def _missing(total: SegmentationScores, manifest: Manifest, predictor: Predictor) -> dict[str, str]:
    common = isinstance(predictor, CommonPredictor)
    merges = isinstance(predictor, CommonPredictor) and predictor.merges
    missing = {}
    if not total.calibration.count:
        missing["ECE"] = (
            "merged classes need probabilities to add up: export the model with --outputs logits"
            if merges
            else "the model gives ids only: export it with --outputs logits, or confidence"
        )
    if manifest.temperature != 1 and not total.uncalibrated.count:
        missing["ECE without the temperature"] = (
            "it cannot be told in the common classes of two label spaces"
            if common
            else "it needs every probability: export the model with --outputs logits"
        )
    if total.precision_recall is None:
        missing["AUPRC"] = "the model gives no probabilities: export it with --outputs logits"
    return missing
