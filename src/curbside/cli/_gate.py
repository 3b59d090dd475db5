"""Compiling a model file through the gate: what `quantize` and `compile` share."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ._fine_tuning import check_origin, fine_tune

if TYPE_CHECKING:
    from ..deploy import CalibrationSet, FastestReport, GateConfig, GateReport, Target
    from ..deploy.calibration import CalibrationPicture

__all__ = ["GateOptions", "compile_file", "compile_quickest"]

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What a file is made from, and what it is held to."""

    calibration: Path | None = None
    """Pictures that tell the range of every tensor: a prepared folder, any folder of pictures, or
    tensors in a .npy file, (N, H, W, 3) uint8 RGB."""
    out: Path | None = None
    """What to write; beside the float file where not given."""
    split: Split = "train"
    """Which split the calibration pictures are from."""
    count: int | None = None
    """How many calibration pictures, chosen by classes and tags; what the target wants where not given."""
    evaluate: Path | None = None
    """A prepared folder to score both files on, or any folder of pictures to see how far they agree;
    the calibration pictures' folder where not given."""
    eval_split: Split = "val"
    """Which of its splits."""
    limit: int | None = None
    """Score only so many pictures, spread evenly over the split; of a network that tells classes and depth,
    so many of each."""
    space: str | None = None
    """Label space of bare images/ + masks/ trees."""
    max_loss: float = 1.0
    """Most that may be lost, in points of mIoU, of a network that finds objects in points of mask AP;
    without truth to score on, percent of the pixels or objects that no longer agree. Otherwise nothing
    is written."""
    max_depth_loss: float = 2.0
    """The same of the depth of a network that tells it: percent by which its mean relative error (AbsRel)
    grows; without true depth, percent that it differs from the float file's. Both must hold."""
    most_float: float = 0.5
    """Most of the layers that may stay in float to get there, as a share."""
    finetune: Path | None = None
    """The run folder that the file came from: where too much is lost, its network is fine-tuned with its
    weights rounded (needs torch), written as M.tuned.onnx, and tried in the place of M.onnx."""
    finetune_epochs: float = 2.0
    """Passes over the training pictures for that."""
    finetune_lr: float = 1e-4
    """Learning rate for that."""
    threads: int | None = None
    """Threads for the networks; all cores where not given."""
    report: Path | None = None
    """Folder of the report; beside what is written where not given."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print JSON instead of tables."""


def compile_file(verb: str, model: Path, target: Target, options: GateOptions) -> GateReport:
    """Compile a model file, write the report of what that cost, and show it.

    Args:
        verb: Who calls, for messages.
        model: A float model file.
        target: The device.
        options: The rest.

    Raises:
        CurbsideError: Anything is wrong with them, or what came of it lost too much.
    """
    from ..deploy import Work, compile_through_gate

    made_from = _inputs(verb, model, target, options)
    out = options.out or _default_out(model, target)
    work = Work(model=model, out=out, calibration=made_from.calibration)
    how: Any = {"config": made_from.config, "threads": options.threads}
    report = compile_through_gate(target, work, made_from.pictures, **how)
    if not report.passed and options.finetune is not None:
        print(f"curbside {verb}: {report.verdict}; fine-tuning for 8 bits", file=sys.stderr)
        work = replace(work, model=fine_tune(model, options.finetune, options))
        report = compile_through_gate(target, work, made_from.pictures, baseline=model, **how)
    _tell(verb, report, out, options)
    report.require_passed()
    return report


def compile_quickest(verb: str, model: Path, options: GateOptions) -> FastestReport:
    """Compile a model file in every way that this processor has, write the quickest, and show all.

    Args:
        verb: Who calls, for messages.
        model: A float model file.
        options: The rest; its `out` is without a suffix.

    Raises:
        CurbsideError: Anything is wrong with them, or nothing lost little enough.
    """
    from ..deploy import compile_fastest, target_named

    if options.finetune is not None:
        raise ConfigError(
            "--finetune goes with one target", fix="fine-tune with --target onnxruntime first"
        )
    made_from = _inputs(verb, model, target_named("onnxruntime"), options)
    assert made_from.calibration is not None
    stem = options.out or model.with_name(f"{model.stem}.cpu")
    found = compile_fastest(
        model,
        stem,
        made_from.calibration,
        made_from.pictures,
        config=made_from.config,
        threads=options.threads,
    )
    _tell(verb, found.best.gate, found.path, options, found)
    return found


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What a file is made from, opened."""

    calibration: CalibrationSet | None
    pictures: Sequence[CalibrationPicture]
    config: GateConfig


def _inputs(verb: str, model: Path, target: Target, options: GateOptions) -> _Inputs:
    """Open and check everything before the long part."""
    from ..deploy import GateConfig
    from ..evaluation.plots import require_matplotlib

    require_matplotlib()
    if options.limit is not None and options.limit < 1:
        raise ConfigError(f"--limit {options.limit} leaves nothing to score", fix="give 1 or more")
    config = GateConfig(
        max_loss=options.max_loss,
        max_depth_loss=options.max_depth_loss,
        most_float=options.most_float,
    )
    if options.finetune is not None:
        check_origin(model, options.finetune)
        _require_classes_alone(model)
    pictures = _pictures(verb, model, options)
    calibration = _calibration(verb, target, options)
    for warning in _strange(model, calibration, pictures):
        print(f"curbside {verb}: {warning}", file=sys.stderr)
    return _Inputs(calibration=calibration, pictures=pictures, config=config)


def _require_classes_alone(model: Path) -> None:
    """Stop where fine-tuning, which teaches classes, would let go of a depth."""
    from ..runtime import load_predictor

    with load_predictor(model) as predictor:
        task = predictor.manifest.task
    if task != "semantic":
        raise ConfigError(
            f"--finetune teaches classes of pixels, and {model} is a network for the task {task}",
            fix="leave it out; allow more layers in float with --most-float, or calibrate on more"
            " pictures",
        )


def _tell(
    verb: str,
    report: GateReport,
    out: Path,
    options: GateOptions,
    fastest: FastestReport | None = None,
) -> None:
    """Write the report, and print it."""
    from ..deploy import write_gate_report

    folder = options.report or out.with_name(f"{out.name}.report")
    page = write_gate_report(report, folder, fastest)
    for file in report.lineup.files:
        for found in (file.scored, file.depth):
            for message in found.unreadable if found else ():
                print(f"curbside {verb}: left out of the scores: {message}", file=sys.stderr)
    if options.as_json:
        ways = {} if fastest is None else {"ways": fastest.to_dict()}
        print(json.dumps({**report.to_dict(), **ways, "report": str(page)}, indent=2))
    else:
        _show(report, fastest)
        print(f"report: {page}")


def _default_out(model: Path, target: Target) -> Path:
    """Where a target's file goes: beside the float file, such as `M.int8.xml`."""
    precision = getattr(target, "precision", None)
    name = f"{model.stem}.{precision}{target.suffix}" if precision else model.stem + target.suffix
    return model.with_name(name)


def _pictures(verb: str, model: Path, options: GateOptions) -> Sequence[CalibrationPicture]:
    """What to measure on: samples with masks, objects or depth where there are any, pictures otherwise."""
    from ..deploy import CalibrationSet
    from ..deploy.gate.objects import told_objects
    from ..evaluation import require_same_space
    from ..labels import load_space
    from ..prepared import PreparedFolder, evenly_spaced
    from ..runtime import load_predictor

    path = options.evaluate or options.calibration
    if path is None:
        raise ConfigError(
            "there is nothing to measure on", fix="give --evaluate DATA, a folder of pictures"
        )
    space = load_space(options.space) if options.space else None
    with load_predictor(model) as predictor:
        manifest = predictor.manifest
    if space is None and not (path / "dataset.json").is_file():
        found = CalibrationSet.load(path, count=options.limit or 64).samples
        if options.evaluate is None:
            print(
                f"curbside {verb}: only how far the files agree is measured, on the calibration"
                " pictures themselves; give others with --evaluate",
                file=sys.stderr,
            )
        return found
    folder = PreparedFolder(path, space=space)
    if manifest.task == "instances":
        samples = folder.samples(options.eval_split)
        told = told_objects(manifest, samples) or samples
        return told if options.limit is None else evenly_spaced(told, options.limit)
    if manifest.task == "semantic":
        folder.samples(options.eval_split, target="semantic")  # there must be one
    samples = folder.samples(options.eval_split)
    kinds = [[s for s in samples if target in s.record.targets] for target in manifest.answers]
    if "semantic" in manifest.answers and kinds[0]:
        require_same_space(manifest.space, folder.space)
    kinds = kinds if any(kinds) else [samples]
    if options.limit is not None:
        kinds = [evenly_spaced(kind, options.limit) for kind in kinds]
    chosen = {sample.id for kind in kinds for sample in kind}
    return [sample for sample in samples if sample.id in chosen]


def _calibration(verb: str, target: Target, options: GateOptions) -> CalibrationSet | None:
    from ..deploy import CalibrationSet
    from ..labels import load_space

    if not target.quantizes:
        return None
    if options.calibration is None:
        raise ConfigError(
            f"{target.title} in 8 bits needs pictures to calibrate on",
            fix="give --calibration DATA, the folder that the network learned from",
        )
    count = target.pictures if options.count is None else options.count
    space = load_space(options.space) if options.space else None
    chosen = CalibrationSet.load(options.calibration, split=options.split, count=count, space=space)
    if len(chosen.samples) < count:
        print(
            f"curbside {verb}: {options.calibration} has only {len(chosen.samples)} pictures to"
            f" calibrate on, not {count}; all are used",
            file=sys.stderr,
        )
    return chosen


def _strange(
    model: Path, calibration: CalibrationSet | None, pictures: Sequence[CalibrationPicture]
) -> list[str]:
    """What speaks against the calibration pictures, a sentence each."""
    from ..deploy.gate.domain import doubts
    from ..runtime import load_predictor

    if calibration is None:
        return []
    with load_predictor(model) as predictor:
        return doubts(calibration, pictures, predictor.manifest)


def _show(report: GateReport, fastest: FastestReport | None = None) -> None:
    """Print the report's tables."""
    from rich.console import Console
    from rich.markup import escape

    from ..deploy.gate import report as tables
    from ._tables import print_table

    console = Console(highlight=False)
    found = report.lineup.files[0].scored
    deep = report.lineup.files[0].depth
    for what, scored in (("scored on", found), ("depth scored on", deep)):
        if scored is not None:
            scored_on = f"{scored.dataset}, split {scored.split}, {scored.images} images"
            console.print(f"[dim]{what}:[/] {escape(scored_on)}")
    lineup = report.lineup
    console.print(
        f"[dim]timed on:[/] {escape(lineup.hardware)}, {lineup.threads} threads, in turns"
    )
    classes = tables.class_table(report)
    for table in (classes, tables.score_table(report)):
        if table is not None:
            print_table(console, table)
    if len(report.attempts) > 1:
        print_table(console, tables.attempt_table(report))
    if fastest is not None:
        print_table(console, tables.way_table(fastest, brief=True))
    for note in report.notes:
        console.print(escape(note))
    console.print(f"[bold]{escape(report.verdict)}[/]")
    if report.path is not None:
        print(f"wrote {report.path}")
