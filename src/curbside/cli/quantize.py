"""Write the INT8 twin of a model file, and show what it lost and gained."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..deploy import Comparison

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside quantize`."""
    tyro.cli(_quantize, args=argv, prog="curbside quantize", description=__doc__)


def _quantize(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    calibration: Path,
    out: Path | None = None,
    split: Literal["train", "val", "test"] = "train",
    count: int = 128,
    method: Literal["average", "minmax"] = "average",
    evaluate: Path | None = None,
    eval_split: Literal["train", "val", "test"] = "val",
    limit: int | None = None,
    space: str | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Write the INT8 twin of a model file, and show what it lost and gained.

    Args:
        model: A float model file, as `curbside export` wrote it.
        calibration: A prepared folder whose pictures tell the range of every tensor.
        out: The file to write; beside the float file, ending in .int8.onnx, where not given.
        split: Which split the calibration pictures are from.
        count: How many calibration pictures, spread evenly over the split.
        method: Ranges from the mean of the pictures' extremes (average), or from all (minmax).
        evaluate: A prepared folder to score both files on; the calibration folder where not given.
        eval_split: Which of its splits.
        limit: Score only so many pictures, spread evenly over the split.
        space: Label space of bare images/ + masks/ trees.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    from ..deploy import (
        CalibrationSet,
        QuantizeConfig,
        add_scores,
        compare_files,
        quantize,
    )
    from ..evaluation import require_same_space
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ..runtime import load_semantic_predictor

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} leaves nothing to score", fix="give 1 or more")
    named = load_space(space) if space else None
    folder = PreparedFolder(calibration, space=named)
    scored_on = PreparedFolder(evaluate, space=named) if evaluate else folder
    # All that can be wrong with the inputs is found before the long part.
    samples = scored_on.samples(eval_split, target="semantic")
    samples = samples if limit is None else evenly_spaced(samples, limit)
    with load_semantic_predictor(model) as predictor:
        require_same_space(predictor.manifest.space, scored_on.space)
    chosen = CalibrationSet.choose(folder, split=split, count=count)
    if len(chosen.samples) < count:
        print(
            f"curbside quantize: {split} of {calibration} has only {len(chosen.samples)} pictures;"
            " all are used",
            file=sys.stderr,
        )
    target = out or model.with_suffix(".int8.onnx")
    quantize(model, target, chosen, QuantizeConfig(method=method))
    found = compare_files(model, target, samples, threads=threads)
    add_scores(found)
    for message in found.after.evaluation.unreadable:
        print(f"curbside quantize: left out of the scores: {message}", file=sys.stderr)
    if as_json:
        about = {**chosen.describe(), "method": method}
        print(json.dumps({**found.to_dict(), "calibration": about}, indent=2))
    else:
        _show(found, f"{len(chosen.samples)} pictures of {calibration}, {split}, {method}")


def _show(found: Comparison, calibrated_on: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    before, after = found.before, found.after
    one, two = before.evaluation, after.evaluation
    console = Console(highlight=False)
    console.print(f"[dim]calibrated on:[/] {escape(calibrated_on)}")
    scored_on = f"{two.dataset}, split {two.split}, {two.images} images"
    console.print(f"[dim]scored on:[/] {escape(scored_on)}")
    console.print(f"[dim]timed on:[/] {escape(two.hardware)}, {found.threads} threads, in turns")
    table = Table()
    table.add_column("")
    for header in ("float", "int8", "difference"):
        table.add_column(header, justify="right")
    scores = [("mIoU", one.overall.miou, two.overall.miou)]
    scores.append(("pixel accuracy", one.overall.pixel_accuracy, two.overall.pixel_accuracy))
    scores += [
        (f"  IoU {name}", a, b)
        for name, a, b in zip(one.space.names, one.overall.iou, two.overall.iou, strict=True)
    ]
    for name, a, b in scores:
        change = "–" if a is None or b is None else f"{100 * (b - a):+.2f} points"
        table.add_row(escape(name), *("–" if v is None else f"{v:.4f}" for v in (a, b)), change)
    table.add_section()
    sizes = (before.size_bytes, after.size_bytes)
    smaller = f"{sizes[0] / sizes[1]:.2f} times smaller"
    table.add_row("file", *(f"{size / 1e6:.2f} MB" for size in sizes), smaller)
    for name, a, b in (
        ("network, p50", before.latency.p50_ms, after.latency.p50_ms),
        ("network, p95", before.latency.p95_ms, after.latency.p95_ms),
    ):
        table.add_row(name, f"{a:.2f} ms", f"{b:.2f} ms", f"{a / b:.2f} × the speed")
    table.add_row("same class", "", f"{found.agreement:.2%}", "")
    console.print(table)
    for score in (before, after):
        print(f"{score.path.name} runs in {score.evaluation.precision}")
    print(f"wrote {after.path}")
