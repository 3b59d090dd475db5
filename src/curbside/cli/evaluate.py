"""Score a run folder or a model file on a prepared folder, with a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import tyro

from ..errors import ConfigError
from ..runtime import FusionConfig, InstanceConfig, InstancePredictor

if TYPE_CHECKING:
    from ..evaluation import Predictions, Predictor
    from ..evaluation.tables import Table
    from ..labels import LabelSpace
    from ..prepared import PreparedFolder, Sample

__all__ = ["main"]

_RANKED = InstanceConfig(confidence=0.001, iou=0.7, max_detections=300)
"""What average precision ranks: nearly everything, as COCO's contestants hand in."""
_SHOWN = InstanceConfig().confidence


def main(argv: list[str]) -> None:
    """Entry of `curbside evaluate`."""
    tyro.cli(_evaluate, args=argv, prog="curbside evaluate", description=__doc__)


def _evaluate(
    model: tyro.conf.Positional[Path],
    data: tyro.conf.Positional[Path],
    /,
    *,
    split: Literal["train", "val", "test"] = "val",
    instances: Path | None = None,
    by: str | None = None,
    out: Path | None = None,
    space: str | None = None,
    common: bool = False,
    confidence: float | None = None,
    iou: float | None = None,
    fusion: FusionConfig = FusionConfig(),  # noqa: B008 - it is frozen
    save_predictions: Path | None = None,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Score a model on a prepared folder: its class map, its objects, or two networks fused.

    Args:
        model: A run folder or a model file.
        data: A prepared folder.
        split: Which of its splits.
        instances: A run folder or a model file that finds objects, to be fused with a semantic one:
            panoptic quality is scored, or their class map alone where the data count no objects.
        by: A tag of the samples to group the scores by, such as weather.
        out: Folder of the report; beside the model where not given.
        space: Label space of a bare images/ + masks/ tree.
        common: Of a semantic network alone: score at the finest classes that the label spaces of the
            model and of the data have in common; without it, different spaces are refused. Objects
            and fused pictures are always compared so.
        confidence: Of a network that finds objects: what is shown, objects with a score above it,
            0..1; 0.5 where not given. Average precision ranks all objects, whatever is shown.
        iou: Of a network that finds objects: of two of one class that overlap by more than this
            (intersection over union, 0..1), the better alone counts; 0.7 where not given, 0.5 for
            two fused.
        fusion: Of two fused: the rules.
        save_predictions: A prepared folder to make of what is predicted: class maps as masks, and of
            two fused the objects as instance maps; curbside annotations writes it as COCO panoptic.
        limit: Score only so many pictures, spread evenly over the split.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..evaluation.plots import require_matplotlib
    from ..labels import load_space
    from ..prepared import PreparedFolder
    from ._model import open_model

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to score", fix="give 1 or more")
    if instances is None and fusion != FusionConfig():
        raise ConfigError(
            "one network is fused with nothing", fix="name another with --instances M.onnx"
        )
    require_matplotlib()
    folder = PreparedFolder(data, space=load_space(space) if space else None)
    if instances is not None:
        _refuse(common, "--common", "fused pictures are always compared at common classes")
        rules = _rules(fusion, confidence)
        found = _panoptic(
            model, instances, folder, split, limit, rules, iou, threads, by, save_predictions
        )
    else:
        predictor = open_model(model, threads=threads)
        if isinstance(predictor, InstancePredictor):
            _refuse(common, "--common", "objects are always compared at common classes")
            what = "scores of objects ask for thousands of them; see curbside pseudolabel"
            _refuse(save_predictions is not None, "--save-predictions", what)
            found = _objects(predictor, folder, split, limit, confidence, iou, by)
        else:
            for name, value in (("--confidence", confidence), ("--iou", iou)):
                what = f"{model} gives a class for every pixel and finds no objects"
                _refuse(value is not None, name, what)
            found = _semantic(predictor, folder, split, limit, by, save_predictions, common=common)
    _tell(found, out or _beside(model, f"eval-{split}{found.suffix}"), as_json=as_json)


def _refuse(given: bool, name: str, why: str) -> None:
    if given:
        raise ConfigError(f"{name} says nothing here: {why}", fix="leave it out")


def _beside(model: Path, name: str) -> Path:
    return model / name if model.is_dir() else model.with_name(f"{model.name}.{name}")


class _Evaluation(Protocol):
    """What an evaluation of any task can say."""

    @property
    def unreadable(self) -> tuple[str, ...]: ...

    def measured_on(self) -> dict[str, str]: ...

    def to_dict(self) -> dict[str, Any]: ...


class _Found:
    """An evaluation, and how it is shown."""

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


def _semantic(
    predictor: Predictor,
    folder: PreparedFolder,
    split: str,
    limit: int | None,
    by: str | None,
    kept: Path | None,
    *,
    common: bool,
    suffix: str = "",
    settings: Mapping[str, Any] | None = None,
) -> _Found:
    from ..evaluation import at_common_classes, evaluate, write_report
    from ..evaluation.tables import class_table, group_table, score_table
    from ..prepared import evenly_spaced

    samples = folder.samples(split, target="semantic")
    if limit is not None:
        samples = evenly_spaced(samples, limit)
    if common:
        predictor, samples = at_common_classes(predictor, samples)
    manifest = predictor.manifest
    said = {"model": manifest.model, "source": dict(manifest.source), **(settings or {})}
    with _keeping(kept, folder, manifest.space, said) as predictions:
        evaluation = evaluate(predictor, samples, by=by, kept=predictions)
    tables = [score_table(evaluation), class_table(evaluation)]
    if evaluation.groups:
        tables.append(group_table(evaluation))
    return _Found(
        evaluation,
        tables,
        lambda out: write_report(evaluation, out, predictor, samples),
        suffix=f"{suffix}-common" if common else suffix,
        remarks=[f"no {score}: {reason}" for score, reason in evaluation.missing.items()],
    )


def _objects(
    predictor: InstancePredictor,
    folder: PreparedFolder,
    split: str,
    limit: int | None,
    confidence: float | None,
    iou: float | None,
    by: str | None,
) -> _Found:
    from ..evaluation.instances import evaluate_instances, write_instance_report
    from ..evaluation.instances.report import instance_tables

    shown = _SHOWN if confidence is None else confidence
    InstanceConfig(confidence=shown)  # refuses what is no share
    config = replace(
        _RANKED,
        confidence=min(_RANKED.confidence, shown),
        iou=_RANKED.iou if iou is None else iou,
    )
    samples = _counted(folder, split, limit)
    opened = InstancePredictor(predictor.backend, config)
    evaluation = evaluate_instances(opened, samples, threshold=shown, by=by)
    return _Found(
        evaluation,
        instance_tables(evaluation),
        lambda out: write_instance_report(evaluation, out, opened, samples),
    )


def _rules(fusion: FusionConfig, confidence: float | None) -> FusionConfig:
    if confidence is None:
        return fusion
    InstanceConfig(confidence=confidence)  # refuses what is no share
    return replace(fusion, score=confidence)


def _panoptic(
    semantic: Path,
    instances: Path,
    folder: PreparedFolder,
    split: str,
    limit: int | None,
    fusion: FusionConfig,
    iou: float | None,
    threads: int | None,
    by: str | None,
    kept: Path | None,
) -> _Found:
    from ..evaluation.panoptic import FusedClassMaps, evaluate_panoptic, write_panoptic_report
    from ..evaluation.panoptic.report import panoptic_tables
    from ..runtime import fuse_predictors
    from ._model import open_class_model

    iou = InstanceConfig().iou if iou is None else iou
    samples = _counted(folder, split, limit)
    opened = [open_class_model(path, threads=threads) for path in (semantic, instances)]
    predictor = fuse_predictors(*opened, config=fusion, iou=iou)
    settings = {name.replace("_", " "): value for name, value in asdict(fusion).items()}
    del settings["followed score"]  # no frame follows another
    settings["iou"] = iou
    if not any("instances" in sample.record.targets for sample in samples):
        print(
            "curbside evaluate: the data count no objects: the fused class map is scored",
            file=sys.stderr,
        )
        maps = FusedClassMaps(predictor)
        apart = maps.manifest.space.names != folder.space.names
        return _semantic(
            maps, folder, split, limit, by, kept, common=apart, suffix="-fused", settings=settings
        )
    networks = {"semantic": predictor.semantic, "instances": predictor.instances}
    said = {
        "model": predictor.title,
        **{name: dict(network.manifest.source) for name, network in networks.items()},
        **settings,
    }
    with _keeping(kept, folder, predictor.space, said) as predictions:
        evaluation = evaluate_panoptic(
            predictor, samples, settings=settings, by=by, kept=predictions
        )
    return _Found(
        evaluation,
        panoptic_tables(evaluation),
        lambda out: write_panoptic_report(evaluation, out, predictor, samples),
        suffix="-panoptic",
    )


def _keeping(
    out: Path | None, folder: PreparedFolder, space: LabelSpace, said: Mapping[str, Any]
) -> AbstractContextManager[Predictions | None]:
    """Where predictions go, if anywhere."""
    from ..evaluation import Predictions

    if out is None:
        return nullcontext()
    return Predictions(out, space=space, options={**said, "data": str(folder.root.resolve())})


def _counted(folder: PreparedFolder, split: str, limit: int | None) -> list[Sample]:
    """The samples of a split; with a limit, so many of those with instances."""
    from ..prepared import evenly_spaced

    samples = folder.samples(split)
    if limit is None:
        return samples
    with_objects = [item for item in samples if "instances" in item.record.targets]
    return evenly_spaced(with_objects or samples, limit)


def _tell(found: _Found, out: Path, *, as_json: bool) -> None:
    """Print what was found, and write the report."""
    evaluation = found.evaluation
    for message in evaluation.unreadable:
        print(f"curbside evaluate: left out: {message}", file=sys.stderr)
    if not as_json:
        _show(found)
    report = found.write(out)
    if as_json:
        print(json.dumps({**evaluation.to_dict(), "report": str(report)}, indent=2))
    else:
        print(f"report: {report}")


def _show(found: _Found) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ._tables import print_table

    console = Console()
    for key, value in found.evaluation.measured_on().items():
        console.print(f"[dim]{escape(key)}:[/] {escape(value)}", highlight=False)
    for item in found.tables:
        print_table(console, item)
    for remark in found.remarks:
        console.print(escape(remark), highlight=False)
