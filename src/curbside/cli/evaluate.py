"""Score a run folder or a model file on a prepared folder, with a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ..runtime import DepthPredictor, FusionConfig, InstancePredictor, JointPredictor

if TYPE_CHECKING:
    from ._scoring import Found

__all__ = ["main"]


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
    trusted: bool = False,
    max_depth_m: float | None = None,
    save_predictions: Path | None = None,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Score a model on a prepared folder: its class map, its depth, its objects, or two networks fused.

    A network that tells classes and depth is scored on both, each on the pictures that have it.

    Args:
        model: A run folder or a model file.
        data: A prepared folder.
        split: Which of its splits.
        instances: A run folder or a model file that finds objects, to be fused with a semantic one:
            panoptic quality is scored, or their class map alone where the data count no objects.
        by: A tag of the samples to group the scores by, such as weather.
        out: Folder of the report; beside the model where not given.
        space: Label space of a bare images/ + masks/ tree.
        common: Of a semantic network: score at the finest classes that the label spaces of the
            model and of the data have in common; without it, different spaces are refused. Objects
            and fused pictures are always compared so.
        confidence: Of a network that finds objects: what is shown, objects with a score above it,
            0..1; 0.5 where not given. Average precision ranks all objects, whatever is shown.
        iou: Of a network that finds objects: of two of one class that overlap by more than this
            (intersection over union, 0..1), the better alone counts; 0.7 where not given, 0.5 for
            two fused.
        fusion: Of two fused: the rules.
        trusted: Of a network that tells depth: score only pixels whose confidence is over 127 of 255,
            where a picture tells one.
        max_depth_m: Of a network that tells depth: leave out what is truly farther, and cut what it says
            to this, as KITTI's evaluation does with 80; where not given, all counts as it is.
        save_predictions: A prepared folder to make of what is predicted: class maps as masks, depth as
            depth, and of two fused the objects as instance maps; curbside annotations writes it as COCO
            panoptic.
        limit: Score only so many pictures, spread evenly over the split; of a network that tells classes
            and depth so many for each.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..evaluation.plots import require_matplotlib
    from ..labels import load_space
    from ..prepared import PreparedFolder
    from . import _scoring
    from ._model import open_class_model, open_model

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to score", fix="give 1 or more")
    if instances is None and fusion != FusionConfig():
        raise ConfigError(
            "one network is fused with nothing", fix="name another with --instances M.onnx"
        )
    require_matplotlib()
    folder = PreparedFolder(data, space=load_space(space) if space else None)
    asked = _scoring.Asked(folder=folder, split=split, limit=limit, by=by, kept=save_predictions)
    depth = _scoring.DepthAsked(trusted=trusted, max_m=max_depth_m)
    of_objects = {"--confidence": confidence is not None, "--iou": iou is not None}
    of_depth = {"--trusted": trusted, "--max-depth-m": max_depth_m is not None}
    if instances is not None:
        _refuse({"--common": common}, "fused pictures are always compared at common classes")
        _refuse(of_depth, "two networks fused tell no depth")
        networks = [open_class_model(path, threads=threads) for path in (model, instances)]
        found = {"": _scoring.score_fused(networks, asked, fusion, confidence, iou)}
    else:
        predictor = open_model(model, threads=threads)
        if isinstance(predictor, InstancePredictor):
            _refuse({"--common": common}, "objects are always compared at common classes")
            what = "scores of objects ask for thousands of them; see curbside pseudolabel"
            _refuse({"--save-predictions": save_predictions is not None}, what)
            _refuse(of_depth, f"{model} finds objects and tells no depth")
            found = {"": _scoring.score_objects(predictor, asked, confidence, iou)}
        elif isinstance(predictor, DepthPredictor):
            what = f"{model} gives a depth for every pixel and no classes"
            _refuse({"--common": common, **of_objects}, what)
            found = {"": _scoring.score_depth(predictor, asked, depth)}
        elif isinstance(predictor, JointPredictor):
            _refuse(of_objects, f"{model} gives a class for every pixel and finds no objects")
            found = _scoring.score_jointly(predictor, asked, depth, common=common)
        else:
            what = f"{model} gives a class for every pixel and finds no objects"
            _refuse(of_objects, what)
            _refuse(of_depth, f"{model} gives a class for every pixel and no depth")
            found = {"": _scoring.score_classes(predictor, asked, common=common)}
    _tell(found, model, split, out, as_json=as_json)


def _refuse(options: Mapping[str, bool], why: str) -> None:
    """Refuse the first option that was given."""
    for name, given in options.items():
        if given:
            raise ConfigError(f"{name} says nothing here: {why}", fix="leave it out")


def _beside(model: Path, name: str) -> Path:
    return model / name if model.is_dir() else model.with_name(f"{model.name}.{name}")


def _tell(
    found: Mapping[str, Found], model: Path, split: str, out: Path | None, *, as_json: bool
) -> None:
    """Print what was found, and write the reports.

    Args:
        found: By what it is of, where the network tells two things; else under an empty name.
        model: The network.
        split: On which split.
        out: Folder of the report, with one for depth inside where there are two; beside the model where
            None.
        as_json: Print JSON.
    """
    for message in dict.fromkeys(m for item in found.values() for m in item.evaluation.unreadable):
        print(f"curbside evaluate: left out: {message}", file=sys.stderr)
    said: dict[str, Any] = {}
    for name, item in found.items():
        if not as_json:
            _show(item)
        inside = out / name if out is not None and name == "depth" else out
        report = item.write(inside or _beside(model, f"eval-{split}{item.suffix}"))
        said[name] = {**item.evaluation.to_dict(), "report": str(report)}
        if not as_json:
            print(f"report: {report}")
    if as_json:
        print(json.dumps(said.get("", said), indent=2))


def _show(found: Found) -> None:
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
