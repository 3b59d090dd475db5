"""Score a run folder or a model file on a prepared folder, with a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..evaluation import Evaluation

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
    by: str | None = None,
    out: Path | None = None,
    space: str | None = None,
    common: bool = False,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Score a model on a prepared folder.

    Args:
        model: A run folder or a model file.
        data: A prepared folder.
        split: Which of its splits.
        by: A tag of the samples to group the scores by, such as weather.
        out: Folder of the report; beside the model where not given.
        space: Label space of a bare images/ + masks/ tree.
        common: Score at the finest classes that the label spaces of the model and of the data have
            in common; without it, different spaces are refused.
        limit: Score only so many pictures, spread evenly over the split.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..evaluation import at_common_classes, evaluate, write_report
    from ..evaluation.plots import require_matplotlib
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ._model import open_model

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to score", fix="give 1 or more")
    require_matplotlib()
    folder = PreparedFolder(data, space=load_space(space) if space else None)
    samples = folder.samples(split, target="semantic")
    if limit is not None:
        samples = evenly_spaced(samples, limit)
    predictor = open_model(model, threads=threads)
    if common:
        predictor, samples = at_common_classes(predictor, samples)
    evaluation = evaluate(predictor, samples, by=by)
    for message in evaluation.unreadable:
        print(f"curbside evaluate: left out: {message}", file=sys.stderr)
    if not as_json:
        _show(evaluation)
    if out is None:
        name = f"eval-{split}-common" if common else f"eval-{split}"
        out = model / name if model.is_dir() else model.with_name(f"{model.name}.{name}")
    report = write_report(evaluation, out, predictor, samples)
    if as_json:
        print(json.dumps({**evaluation.to_dict(), "report": str(report)}, indent=2))
    else:
        print(f"report: {report}")


def _show(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ..evaluation.tables import class_table, group_table, score_table
    from ._tables import print_table

    console = Console()
    for key, value in evaluation.measured_on().items():
        console.print(f"[dim]{escape(key)}:[/] {escape(value)}", highlight=False)
    found = [score_table(evaluation), class_table(evaluation)]
    if evaluation.groups:
        found.append(group_table(evaluation))
    for item in found:
        print_table(console, item)
    for score, reason in evaluation.missing.items():
        console.print(escape(f"no {score}: {reason}"), highlight=False)
