"""Compare models on the same pictures: what changed where."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..evaluation.comparison_result import Budget, Comparison

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside compare`."""
    tyro.cli(_compare, args=argv, prog="curbside compare", description=__doc__)


def _compare(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    data: Path | None = None,
    split: Literal["train", "val", "test"] = "val",
    by: str | None = None,
    out: Path | None = None,
    space: str | None = None,
    common: bool = False,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Compare models on the same pictures: what changed where.

    Args:
        models: Run folders or model files, two or more; the others are compared with the first.
        data: A prepared folder; what the first model learned from where not given, if it is a run.
        split: Which of its splits.
        by: A tag of the samples to group the scores by, such as weather.
        out: Folder of the report; beside the first model where not given.
        space: Label space of a bare images/ + masks/ tree.
        common: Compare at the finest classes that the label spaces of all models and of the data
            have in common; without it, different spaces are refused.
        limit: Compare on only so many pictures, spread evenly over the split.
        threads: Threads for each network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..evaluation.at_common import all_at_common_classes
    from ..evaluation.comparison import Contender, compare
    from ..evaluation.comparison_report import write_comparison
    from ..evaluation.plots import require_matplotlib
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ._model import open_model

    if len(models) < 2:
        raise ConfigError(
            f"{len(models)} model cannot be compared", fix="name two run folders or model files"
        )
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to compare", fix="give 1 or more")
    require_matplotlib()
    for path, count in Counter(path.resolve() for path in models).items():
        if count > 1:
            print(f"curbside compare: {path} is compared with itself", file=sys.stderr)
    root = data or _own_data(models[0])
    folder = PreparedFolder(root, space=load_space(space) if space else None)
    samples = folder.samples(split, target="semantic")
    if limit is not None:
        samples = evenly_spaced(samples, limit)
    predictors: Any = [open_model(path, threads=threads) for path in models]
    settings = _settings(models, [dict(item.manifest.source) for item in predictors])
    if common:
        predictors, samples = all_at_common_classes(predictors, samples)
    contenders = [
        Contender(name=name, predictor=predictor, settings=made, budget=_budget(path))
        for name, predictor, made, path in zip(
            _names(models), predictors, settings, models, strict=True
        )
    ]
    comparison = compare(contenders, samples, by=by)
    for message in comparison.unreadable:
        print(f"curbside compare: left out: {message}", file=sys.stderr)
    if not as_json:
        _show(comparison)
    if out is None:
        out = _place(models, f"compare-{split}-common" if common else f"compare-{split}")
    report = write_comparison(comparison, out, contenders, samples)
    if as_json:
        print(json.dumps({**comparison.to_dict(), "report": str(report)}, indent=2))
    else:
        print(f"report: {report}")


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


def _settings(models: tuple[Path, ...], sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the models were made, by dotted names: whole configs where all of them are run folders."""
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
        found.append(dict(_flat({**config, **source})))
    return found


def _flat(values: dict[str, Any], over: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict):
            yield from _flat(value, f"{over}{name}.")
        else:
            yield f"{over}{name}", value


def _budget(model: Path) -> Budget | None:
    """How much a run was trained; None for a model file."""
    if not model.is_dir():
        return None
    from ..evaluation.comparison_result import Budget
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


def _names(models: tuple[Path, ...]) -> list[str]:
    """The names of the files and folders, whole paths where these are not unique."""
    names = [path.resolve().name for path in models]
    return [
        str(path) if names.count(name) > 1 else name
        for path, name in zip(models, names, strict=True)
    ]


def _place(models: tuple[Path, ...], name: str) -> Path:
    """Where the report goes: beside the first model, named by the others."""
    first = models[0]
    others = "-".join(path.resolve().name for path in models[1:])[:100]
    whole = f"{name}-{others}"
    return first / whole if first.is_dir() else first.with_name(f"{first.name}.{whole}")


def _show(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ..evaluation import comparison_tables as tables
    from ._tables import print_table

    console = Console(highlight=False)
    for key, value in comparison.measured_on().items():
        console.print(f"[dim]{escape(key)}:[/] {escape(value)}")
    print_table(console, tables.about_table(comparison))
    if comparison.differing():
        print_table(console, tables.setting_table(comparison))
    for difference in comparison.differences:
        for title, table in tables.difference_tables(comparison, difference).items():
            console.print(f"\n[bold]{escape(title)}[/]")
            print_table(console, table)
        over = tables.over(comparison, difference)
        said = f"{over}{difference.agreement:.2%} of all pixels have the same class in both"
        console.print(escape(said))
    if len(comparison.differences) > 1:
        console.print()
        print_table(console, tables.overview_table(comparison))
    console.print(f"\n[dim]{tables.INTERVALS}[/]")
    for sentence in tables.budget_sentences(comparison) + tables.missing_sentences(comparison):
        console.print(f"[yellow]{escape(sentence)}[/]")
    for difference in comparison.differences:
        console.print(f"[bold]{escape(tables.verdict(comparison, difference))}[/]")
