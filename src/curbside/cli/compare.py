"""Compare models on the same pictures: two in depth, or several files by scores, speed and size."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ..files import dotted

if TYPE_CHECKING:
    from ..evaluation import Budget, Comparison
    from ..evaluation.depth import DepthEvaluation
    from ..evaluation.tables import Table
    from ..prepared import Sample

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside compare`."""
    tyro.cli(_compare, args=argv, prog="curbside compare", description=__doc__)


def _compare(
    models: tyro.conf.Positional[tuple[Path, ...]],
    /,
    *,
    data: Path | None = None,
    source: str | None = None,
    split: Literal["train", "val", "test"] = "val",
    by: str | None = None,
    out: Path | None = None,
    space: str | None = None,
    common: bool = False,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Compare models on the same pictures: two in depth, or several files by scores, speed and size.

    Two networks that tell depth beside classes are compared by their classes, and the scores of their
    depth are shown as well where samples have some.

    Args:
        models: Two run folders or model files, of which the second is said to do differently than the
            first; or two and more model files with --source, all held to the first.
        data: A prepared folder; what the first model learned from where not given, if it is a run.
        source: A video or a folder of pictures to measure agreement and speed on, in turns; scores are
            then taken where --data is given.
        split: Which of its splits.
        by: A tag of the samples to group the scores by, such as weather.
        out: Folder of the report; beside the first model where not given.
        space: Label space of a bare images/ + masks/ tree.
        common: Compare at the finest classes that the label spaces of both models and of the data
            have in common; without it, different spaces are refused.
        limit: Compare on only so many pictures, spread evenly over the split.
        threads: Threads for each network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..evaluation.plots import require_matplotlib
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ._lineup import compare_files

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to compare", fix="give 1 or more")
    if len(models) < 2:
        raise ConfigError(f"{models[0]} alone is nothing to compare", fix="name two models or more")
    require_matplotlib()
    side_by_side = source is not None or len(models) > 2
    if side_by_side and (by or common):
        raise ConfigError(
            "--by and --common compare two models in depth",
            fix="leave them out, or compare two models without --source",
        )
    place = data if side_by_side else data or _own_data(models[0])
    samples = []
    if place is not None:
        folder = PreparedFolder(place, space=load_space(space) if space else None)
        samples = folder.samples(split, target=None if side_by_side else "semantic")
        samples = samples if limit is None else evenly_spaced(samples, limit)
    if side_by_side:
        compare_files(models, samples, source, out=out, threads=threads, as_json=as_json)
        return
    comparison, report = _in_depth(
        (models[0], models[1]), samples, by=by, common=common, out=out, threads=threads
    )
    deep = [sample for sample in folder.samples(split) if "depth" in sample.record.targets]
    deep = deep if limit is None else evenly_spaced(deep, limit)
    depth = _depth((models[0], models[1]), deep, threads=threads)
    if as_json:
        scores = {"depth": [asdict(found.overall) for found in depth]} if depth else {}
        print(json.dumps({**comparison.to_dict(), **scores, "report": str(report)}, indent=2))
    else:
        _show(comparison, depth)
        print(f"report: {report}")


def _in_depth(
    models: tuple[Path, Path],
    samples: list[Sample],
    *,
    by: str | None,
    common: bool,
    out: Path | None,
    threads: int | None,
) -> tuple[Comparison, Path]:
    """What the second of two models does differently than the first, and its report."""
    from ..evaluation import Contender, all_at_common_classes, compare, write_comparison
    from ._model import open_semantic_model

    first, second = models
    if first.resolve() == second.resolve():
        print(f"curbside compare: {first} is compared with itself", file=sys.stderr)
    predictors: Any = [open_semantic_model(path, threads=threads) for path in models]
    settings = _settings(models, [dict(item.manifest.source) for item in predictors])
    if common:
        predictors, samples = all_at_common_classes(predictors, samples)
    one, other = (
        Contender(name=name, predictor=predictor, settings=made, budget=_budget(path))
        for name, predictor, made, path in zip(
            _names(models), predictors, settings, models, strict=True
        )
    )
    comparison = compare(one, other, samples, by=by)
    for message in comparison.unreadable:
        print(f"curbside compare: left out: {message}", file=sys.stderr)
    if out is None:
        name = f"compare-{samples[0].record.split}"
        out = _place(models, f"{name}-common" if common else name)
    return comparison, write_comparison(comparison, out, (one, other), samples)


def _depth(
    models: tuple[Path, Path], samples: list[Sample], *, threads: int | None
) -> list[DepthEvaluation]:
    """The scores of both models' depth; none where one of them tells none, or no sample does."""
    from ..evaluation.depth import evaluate_depth
    from ..runtime import JointPredictor
    from ._model import open_model

    found: list[DepthEvaluation] = []
    for path in models if samples else ():
        with open_model(path, threads=threads) as predictor:
            if not isinstance(predictor, JointPredictor):
                return []
            found.append(evaluate_depth(predictor.depth, samples))
    return found


def _own_data(model: Path) -> Path:
    """The data that a run learned from."""
    ask = "name a prepared folder with --data"
    if not model.is_dir():
        raise ConfigError(f"{model} does not say where its data are", fix=ask)
    config = _config(model)
    if len(config.data.root) > 1:
        raise ConfigError(f"{model} learned from {len(config.data.root)} folders", fix=ask)
    root = config.data.root[0]
    if not root.is_dir():
        raise ConfigError(f"{model} learned from {root}, which is not here", fix=ask)
    return root


def _config(run: Path) -> Any:
    from ..training import config_from_json
    from ..training.run_folder import read_description

    return config_from_json(read_description(run)["config"], where=str(run / "config.json"))


def _settings(models: tuple[Path, Path], sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the models were made, by dotted names: whole configs where both are run folders."""
    found: list[dict[str, Any]] = []
    for path, source in zip(models, sources, strict=True):
        source.pop("weights_sha256", None)  # no two models share it
        learned = source.pop("dataset", None) or {}
        source["dataset"] = {k: learned[k] for k in ("source", "train", "val") if k in learned}
        config = {}
        if all(model.is_dir() for model in models):
            from ..training import config_to_json

            config = config_to_json(_config(path))
            config = {k: v for k, v in config.items() if k not in ("class", "name", "out")}
        found.append(dict(dotted({**config, **source})))
    return found


def _budget(model: Path) -> Budget | None:
    """How much a run was trained; None for a model file."""
    if not model.is_dir():
        return None
    from ..evaluation import Budget
    from ..training import read_metrics
    from ..training.run_folder import read_description

    config = _config(model)
    per_step = config.data.batch_size * config.data.accumulate
    pictures = (read_description(model).get("dataset") or {}).get("train")
    rows = read_metrics(model / "metrics.csv")
    planned = config.steps or math.ceil(config.epochs * (pictures or 0) / per_step)
    steps = int(max((row["step"] for row in rows), default=planned))
    teachers = config.distillation.teacher if config.distillation else ()
    return Budget(
        steps=steps,
        pictures_per_step=per_step,
        crop_hw=config.data.crop_hw,
        epochs=steps * per_step / pictures if pictures else None,
        teachers=tuple(map(str, teachers)),
    )


def _names(models: tuple[Path, Path]) -> tuple[str, ...]:
    """The names of the files and folders, whole paths where these are the same."""
    names = tuple(path.resolve().name for path in models)
    return names if len(set(names)) > 1 else tuple(map(str, models))


def _place(models: tuple[Path, Path], name: str) -> Path:
    """Where the report goes: beside the first model, named by the second."""
    first, second = models
    whole = f"{name}-{second.resolve().name[:100]}"
    return first / whole if first.is_dir() else first.with_name(f"{first.name}.{whole}")


def _show(comparison: Comparison, depth: list[DepthEvaluation]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ..evaluation import comparison_tables as tables
    from ._tables import print_table

    console = Console(highlight=False)
    for title, table in tables.sections(comparison).items():
        console.print(f"\n[bold]{escape(title)}[/]")
        print_table(console, table)
    if depth:
        console.print(f"\n[bold]Depth, on {depth[0].images} images[/] (not in the report)")
        print_table(console, _depth_table(depth))
    console.print(f"{comparison.agreement:.2%} of all pixels have the same class in both.")
    for sentence in tables.remarks(comparison):
        console.print(f"\n{escape(sentence)}")
    console.print(f"\n[bold]{escape(tables.verdict(comparison))}[/]")


def _depth_table(depth: list[DepthEvaluation]) -> Table:
    from ..evaluation.depth.tables import SCORES
    from ..evaluation.tables import Table, score

    columns = [[getattr(found.overall, field) for field in SCORES.values()] for found in depth]
    return Table(
        headers=("score", "first", "second"),
        rows=tuple((name, *map(score, pair)) for name, *pair in zip(SCORES, *columns, strict=True)),
    )
