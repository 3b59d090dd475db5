"""Scoring a network on a prepared folder, whatever it tells, and what there is to show of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import DataError
from ..runtime import (
    DepthPredictor,
    FusionConfig,
    InstanceConfig,
    InstancePredictor,
    JointPredictor,
    fuse_predictors,
)

if TYPE_CHECKING:
    from ..evaluation import Evaluation, Predictions, Predictor
    from ..evaluation.depth import DepthEvaluation
    from ..evaluation.depth import DepthPredictor as TellsDepth
    from ..evaluation.tables import Table
    from ..labels import LabelSpace
    from ..manifest import Manifest
    from ..prepared import PreparedFolder, Sample

__all__ = [
    "Asked",
    "DepthAsked",
    "Found",
    "score_classes",
    "score_depth",
    "score_fused",
    "score_jointly",
    "score_objects",
]

_RANKED = InstanceConfig(confidence=0.001, iou=0.7, max_detections=300)
"""What average precision ranks: nearly everything, as COCO's contestants hand in."""
_SHOWN = InstanceConfig().confidence


class _Evaluation(Protocol):
    """What an evaluation of any task can say."""

    @property
    def unreadable(self) -> tuple[str, ...]: ...

    def measured_on(self) -> dict[str, str]: ...

    def to_dict(self) -> dict[str, Any]: ...


class Found:
    """An evaluation, and how it is shown.

    Args:
        evaluation: What was found.
        tables: Of its scores, for the terminal.
        write: Writes its report into a folder and gives the page.
        suffix: What the name of that folder ends with.
        remarks: What else is to be said.
    """

    def __init__(
        self,
        evaluation: _Evaluation,
        tables: Sequence[Table],
        write: Callable[[Path], Path],
        *,
        suffix: str = "",
        remarks: Sequence[str] = (),
    ) -> None:
        self.evaluation, self.tables, self.write = evaluation, tables, write
        self.suffix, self.remarks = suffix, remarks


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be scored, of any network."""

    folder: PreparedFolder
    """The data."""
    split: str
    """Which of its splits."""
    limit: int | None
    """So many pictures at most; of a network with two answers so many for each."""
    by: str | None
    """A tag to group by."""
    kept: Path | None
    """A prepared folder for the predictions."""

    def samples(self, target: str) -> list[Sample]:
        """The samples with a target, as many as are asked for.

        Raises:
            DataError: There is none.
        """
        return self._limited(self.folder.samples(self.split, target=target))

    def counted(self) -> list[Sample]:
        """The samples of the split; with a limit, so many of those with instances."""
        samples = self.folder.samples(self.split)
        if self.limit is None:
            return samples
        with_objects = [item for item in samples if "instances" in item.record.targets]
        return self._limited(with_objects or samples)

    def with_either(self) -> tuple[list[Sample], list[Sample]]:
        """The samples with classes and those with depth, as many of each as are asked for.

        Raises:
            DataError: There is none of either.
        """
        classes, depth = (
            [s for s in self.folder.samples(self.split) if target in s.record.targets]
            for target in ("semantic", "depth")
        )
        if not classes and not depth:
            raise DataError(
                f"no sample of split {self.split!r} of {self.folder.root} has a semantic or a depth"
                " target",
                fix="choose another split, or data with classes or depth",
            )
        return self._limited(classes), self._limited(depth)

    def _limited(self, samples: list[Sample]) -> list[Sample]:
        from ..prepared import evenly_spaced

        return samples if self.limit is None else evenly_spaced(samples, self.limit)

    def keeping(
        self, space: LabelSpace, said: Mapping[str, Any]
    ) -> AbstractContextManager[Predictions | None]:
        """Where predictions go, if anywhere.

        Args:
            space: What their ids mean.
            said: What decides them.
        """
        from ..evaluation import Predictions

        if self.kept is None:
            return nullcontext()
        data = str(self.folder.root.resolve())
        return Predictions(self.kept, space=space, options={**said, "data": data})


@dataclass(frozen=True, kw_only=True)
class DepthAsked:
    """What of depth is to be scored."""

    trusted: bool = False
    """Only pixels whose depth is to be trusted."""
    max_m: float | None = None
    """Only truth up to this, to which predictions are cut."""


def score_classes(
    predictor: Predictor,
    asked: Asked,
    *,
    common: bool,
    suffix: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Found:
    """Score a class of every pixel.

    Args:
        predictor: The network.
        asked: On what.
        common: At the classes that it and the data have in common.
        suffix: See `Found`.
        settings: What decides its answers besides the network.
    """
    from ..evaluation import at_common_classes, evaluate

    samples = asked.samples("semantic")
    if common:
        predictor, samples = at_common_classes(predictor, samples)
    manifest = predictor.manifest
    with asked.keeping(manifest.space, {**_behind(manifest), **(settings or {})}) as kept:
        evaluation = evaluate(predictor, samples, by=asked.by, kept=kept)
    return _of_classes(evaluation, predictor, samples, common=common, suffix=suffix)


def score_depth(predictor: DepthPredictor, asked: Asked, depth: DepthAsked) -> Found:
    """Score a depth of every pixel."""
    from ..evaluation.depth import evaluate_depth

    samples = asked.samples("depth")
    with asked.keeping(asked.folder.space, _behind(predictor.manifest)) as kept:
        evaluation = evaluate_depth(
            predictor, samples, by=asked.by, kept=kept, trusted=depth.trusted, max_m=depth.max_m
        )
    return _of_depth(evaluation, predictor, samples)


def score_jointly(
    predictor: JointPredictor, asked: Asked, depth: DepthAsked, *, common: bool
) -> dict[str, Found]:
    """Score classes and depth of a network that tells both, each on the samples that tell it.

    Args:
        predictor: The network.
        asked: On what.
        depth: What of its depth.
        common: Its classes at those that it and the data have in common.

    Returns:
        What was found of `semantic` and of `depth`; what no sample tells is missing.
    """
    from ..evaluation import at_common_classes
    from ..evaluation.depth import OneLook, evaluate_jointly

    with_classes, with_depth = asked.with_either()
    for name, samples in (("semantic", with_classes), ("depth", with_depth)):
        if not samples:
            left = f"no sample of split {asked.split!r} has a {name} target: {name} is left out"
            print(f"curbside evaluate: {left}", file=sys.stderr)
    look = OneLook(predictor)
    semantic: Predictor = look.semantic
    apart = common and bool(with_classes)
    if apart:
        semantic, with_classes = at_common_classes(semantic, with_classes)
    manifest = semantic.manifest
    with asked.keeping(manifest.space, _behind(manifest)) as kept:
        classes, metres = evaluate_jointly(
            semantic,
            look.depth,
            with_classes,
            with_depth,
            by=asked.by,
            kept=kept,
            trusted=depth.trusted,
            max_m=depth.max_m,
        )
    found = {}
    if classes is not None:
        found["semantic"] = _of_classes(classes, semantic, with_classes, common=apart)
    if metres is not None:
        found["depth"] = _of_depth(metres, look.depth, with_depth)
    return found


def score_objects(
    predictor: InstancePredictor, asked: Asked, confidence: float | None, iou: float | None
) -> Found:
    """Score single objects.

    Args:
        predictor: The network.
        asked: On what.
        confidence: What is shown: objects with a score above it; as everywhere where None.
        iou: Of two objects of one class that overlap by more, the better counts; COCO's where None.
    """
    from ..evaluation.instances import evaluate_instances, write_instance_report
    from ..evaluation.instances.report import instance_tables

    shown = _SHOWN if confidence is None else confidence
    InstanceConfig(confidence=shown)  # refuses what is no share
    config = replace(
        _RANKED,
        confidence=min(_RANKED.confidence, shown),
        iou=_RANKED.iou if iou is None else iou,
    )
    samples = asked.counted()
    opened = InstancePredictor(predictor.backend, config)
    evaluation = evaluate_instances(opened, samples, threshold=shown, by=asked.by)
    return Found(
        evaluation,
        instance_tables(evaluation),
        lambda out: write_instance_report(evaluation, out, opened, samples),
    )


def score_fused(
    networks: Sequence[Any],
    asked: Asked,
    fusion: FusionConfig,
    confidence: float | None,
    iou: float | None,
) -> Found:
    """Score two networks fused: panoptic quality, or their class map where the data count no objects.

    Args:
        networks: A semantic one and one that finds objects.
        asked: On what.
        fusion: The rules.
        confidence: The score from which on objects are taken; that of the rules where None.
        iou: Of two objects of one class that overlap by more, the better counts; as everywhere where None.
    """
    from ..evaluation.panoptic import FusedClassMaps, evaluate_panoptic, write_panoptic_report
    from ..evaluation.panoptic.report import panoptic_tables

    rules, iou = _rules(fusion, confidence), InstanceConfig().iou if iou is None else iou
    samples = asked.counted()
    predictor = fuse_predictors(*networks, config=rules, iou=iou)
    settings = {name.replace("_", " "): value for name, value in asdict(rules).items()}
    del settings["followed score"]  # no frame follows another
    settings["iou"] = iou
    if not any("instances" in sample.record.targets for sample in samples):
        print(
            "curbside evaluate: the data count no objects: the fused class map is scored",
            file=sys.stderr,
        )
        maps = FusedClassMaps(predictor)
        apart = maps.manifest.space.names != asked.folder.space.names
        return score_classes(maps, asked, common=apart, suffix="-fused", settings=settings)
    both = {"semantic": predictor.semantic, "instances": predictor.instances}
    said = {
        "model": predictor.title,
        **{name: dict(network.manifest.source) for name, network in both.items()},
        **settings,
    }
    with asked.keeping(predictor.space, said) as kept:
        evaluation = evaluate_panoptic(
            predictor, samples, settings=settings, by=asked.by, kept=kept
        )
    return Found(
        evaluation,
        panoptic_tables(evaluation),
        lambda out: write_panoptic_report(evaluation, out, predictor, samples),
        suffix="-panoptic",
    )


def _of_classes(
    evaluation: Evaluation,
    predictor: Predictor,
    samples: Sequence[Sample],
    *,
    common: bool,
    suffix: str = "",
) -> Found:
    from ..evaluation import write_report
    from ..evaluation.tables import class_table, group_table, score_table

    tables = [score_table(evaluation), class_table(evaluation)]
    if evaluation.groups:
        tables.append(group_table(evaluation))
    return Found(
        evaluation,
        tables,
        lambda out: write_report(evaluation, out, predictor, samples),
        suffix=f"{suffix}-common" if common else suffix,
        remarks=[f"no {score}: {reason}" for score, reason in evaluation.missing.items()],
    )


def _of_depth(
    evaluation: DepthEvaluation, predictor: TellsDepth, samples: Sequence[Sample]
) -> Found:
    from ..evaluation.depth import depth_tables, write_depth_report

    return Found(
        evaluation,
        depth_tables(evaluation),
        lambda out: write_depth_report(evaluation, out, predictor, samples),
        suffix="-depth",
        remarks=evaluation.remarks(),
    )


def _behind(manifest: Manifest) -> dict[str, Any]:
    """What predictions are of."""
    return {"model": manifest.model, "source": dict(manifest.source)}


def _rules(fusion: FusionConfig, confidence: float | None) -> FusionConfig:
    if confidence is None:
        return fusion
    InstanceConfig(confidence=confidence)  # refuses what is no share
    return replace(fusion, score=confidence)
