"""Show the whole way on drawn scenes: draw, convert, train, distil, score, export, quantise, run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    import numpy as np

    from ..deploy import GateReport
    from ..evaluation import Evaluation
    from ..export import Verification
    from ..runtime import PipelineStats

__all__ = ["main"]

_RUNS = {
    "teacher": "drawn-teacher",
    "student alone": "drawn-student",
    "student distilled": "drawn-student-kd",
}
_SHIPPED = "student distilled"


def main(argv: list[str]) -> None:
    """Entry of `curbside demo`."""
    tyro.cli(_demo, args=argv, prog="curbside demo", description=__doc__)


@dataclass(kw_only=True)
class _Found:
    """What the steps came to, for the table and the report."""

    evaluations: dict[str, Evaluation]
    seconds: dict[str, float]
    train_steps: int
    verified: Verification
    gate: GateReport
    live: PipelineStats
    video: Path


def _demo(
    *,
    out: Path = Path("demo-out"),
    scenes: int = 200,
    val: int = 50,
    steps: int = 700,
    frames: int = 100,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show the whole way on drawn scenes: draw, convert, train, distil, score, export, quantise, run.

    Stopped and started again, it goes on where it was.

    Args:
        out: The folder for everything it makes.
        scenes: Pictures to train on.
        val: Pictures to score on, from other streets.
        steps: Training steps of each network, the same for all three.
        frames: Frames of the drive-through.
        seed: Another seed draws other streets.
        as_json: Print JSON instead of a table.
    """
    from ..evaluation.plots import require_matplotlib

    require_matplotlib()
    clock = _Clock()
    with clock.step("draw scenes as a raw IDD dataset, and convert it"):
        data = _make_data(out, scenes, val, seed)
    for name, recipe in _RUNS.items():
        with clock.step(f"train: {name} ({recipe}), {steps} steps"):
            _train(out, recipe, data, steps)
    with clock.step("score all three on streets they have not seen"):
        evaluations = {name: _score(out / "runs" / recipe, data) for name, recipe in _RUNS.items()}
    with clock.step(f"export the {_SHIPPED} and check the file against the checkpoint"):
        verified = _export(out / "runs" / _RUNS[_SHIPPED], out / "student.onnx")
    with clock.step("quantise it to INT8 and score both files"):
        gate = _quantize(out, data)
    with clock.step("drive through a drawn street with the INT8 file"):
        video, live = _drive(out, frames, seed)
    found = _Found(
        evaluations=evaluations,
        seconds=clock.seconds,
        train_steps=steps,
        verified=verified,
        gate=gate,
        live=live,
        video=video,
    )
    _write_report(out, data, found)
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
    else:
        _print(out, found)


class _Clock:
    """Says each step and keeps its time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Time a step."""
        print(f"\n[{len(self.seconds) + 1}] {what}", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield
        self.seconds[what] = time.monotonic() - began


def _make_data(out: Path, train: int, val: int, seed: int) -> Path:
    from ..convert import Idd, convert
    from ..scenes import ScenesConfig, write_layout

    write_layout(out / "idd", ScenesConfig(seed=seed, train=train, val=val))
    convert(Idd(root=out / "idd", labels="level2"), out / "data")
    return out / "data"


def _train(out: Path, recipe: str, data: Path, steps: int) -> None:
    from ..recipes import load_recipe
    from ..training import TrainConfig, fit

    config = load_recipe(recipe, TrainConfig)
    distillation = config.distillation
    if distillation is not None:
        teachers = tuple(out / "runs" / teacher.name for teacher in distillation.teacher)
        distillation = replace(distillation, teacher=teachers)
    fit(
        replace(
            config,
            data=replace(config.data, root=(data,)),
            distillation=distillation,
            steps=steps,
            validate_every=max(1, steps // 3),
            out=out / "runs" / recipe,
        )
    )


def _score(run: Path, data: Path) -> Evaluation:
    from ..evaluation import evaluate, write_report
    from ..prepared import PreparedFolder
    from ..training import load_semantic_run_predictor

    samples = PreparedFolder(data).samples("val", target="semantic")
    predictor = load_semantic_run_predictor(run)
    found = evaluate(predictor, samples, by="weather")
    write_report(found, run / "eval-val", predictor, samples)
    return found


def _export(run_folder: Path, file: Path) -> Verification:
    from ..export import ExportConfig
    from ..training import load_run
    from .export import export_run

    run = load_run(run_folder)
    return export_run(run, file, ExportConfig(size_hw=run.image_size_hw))


def _quantize(out: Path, data: Path) -> GateReport:
    from ..deploy import CalibrationSet, Work, compile_through_gate, target_named, write_gate_report
    from ..prepared import PreparedFolder

    folder = PreparedFolder(data)
    calibration = CalibrationSet.choose(folder, split="train", count=64)
    work = Work(model=out / "student.onnx", out=out / "student.int8.onnx", calibration=calibration)
    samples = folder.samples("val", target="semantic")
    report = compile_through_gate(target_named("onnxruntime"), work, samples)
    write_gate_report(report, out / "gate")
    report.require_passed()
    return report


def _drive(out: Path, frames: int, seed: int) -> tuple[Path, PipelineStats]:
    from ..runtime import Pipeline, load_semantic_predictor, open_sink, open_source, plan_cores
    from ..scenes import write_video

    clip, video = out / "drive.mp4", out / "overlay.mp4"
    write_video(clip, seed=seed, frames=frames, size_hw=(540, 960))
    source = open_source(clip)
    plan = plan_cores(None, live=source.live)
    with load_semantic_predictor(out / "student.int8.onnx", threads=plan.threads) as predictor:
        pipeline = Pipeline(
            source,
            predictor,
            draw=lambda frame, result: result.draw(frame),
            sink=open_sink(video, fps=source.fps),
            workers=plan.workers,
        )
        stats = pipeline.run()
    return video, stats


_HEADERS = ("network", "mIoU %", "pixel acc. %", "AUPRC %", "ECE", "median ms")


def _rows(found: _Found) -> list[tuple[str, ...]]:
    scored = [(name, evaluation, "") for name, evaluation in found.evaluations.items()]
    for file in found.gate.lineup.files:
        assert file.evaluation is not None
        scored.append((file.path.name, file.evaluation, f"{file.latency.p50_ms:.1f}"))
    rows = []
    for name, evaluation, latency in scored:
        o = evaluation.overall
        percents = (
            "–" if value is None else f"{100 * value:.1f}"
            for value in (o.miou, o.pixel_accuracy, o.mean_auprc)
        )
        rows.append((name, *percents, "–" if o.ece is None else f"{o.ece:.3f}", latency or "–"))
    return rows


def _what_ran(found: _Found) -> list[tuple[str, str, str]]:
    files = {file.path.name: file.evaluation for file in found.gate.lineup.files if file.evaluation}
    return [(name, e.model, e.precision) for name, e in {**found.evaluations, **files}.items()]


def _verdict(found: _Found) -> str:
    scores = [evaluation.overall.miou or 0.0 for evaluation in found.evaluations.values()]
    teacher, alone, distilled = (100 * score for score in scores)
    gain, gap = distilled - alone, teacher - alone
    closed = f", {100 * gain / gap:.0f} % of its gap to the teacher" if 0 < gain < gap else ""
    verb = "helped" if gain > 0 else "did not help"
    return (
        f"Distillation {verb} here: {gain:+.1f} points of mIoU{closed}, after {found.train_steps} "
        f"steps each (teacher {teacher:.1f}, student alone {alone:.1f}, distilled {distilled:.1f}). "
        "That is one seed and a young teacher: repeat it with --seed and more --steps before "
        "believing it, and mind that a distilled step also costs the teacher's forward pass."
    )


def _print(out: Path, found: _Found) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(_HEADERS[0])
    for header in _HEADERS[1:]:
        table.add_column(header, justify="right")
    for row in _rows(found):
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(_verdict(found), highlight=False)
    for name, model, precision in _what_ran(found):
        print(f"  {name}: {model}, {precision}")
    print(f"\ntook      {sum(found.seconds.values()):.0f} s")
    print(
        f"live      {found.live.fps:.1f} frames/s, reading, drawing and writing the video included"
    )
    print(f"report    {out / 'report.html'}")
    print(f"video     {found.video}")
    print(f"model     {out / 'student.int8.onnx'}")


def _as_json(found: _Found) -> dict[str, object]:
    return {
        "seconds": found.seconds,
        "evaluations": {
            name: evaluation.to_dict() for name, evaluation in found.evaluations.items()
        },
        "verified": found.verified.to_dict(),
        "quantised": found.gate.to_dict(),
        "fps": found.live.fps,
    }


def _write_report(out: Path, data: Path, found: _Found) -> None:
    from ..evaluation import Page, plots

    first = next(iter(found.evaluations.values()))
    page = Page("curbside demo: three networks on drawn streets")
    page.text(_verdict(found))
    page.table(_HEADERS, _rows(found))
    page.text(
        f"Scored on {first.images} drawn pictures of streets that no network was trained on. {first.hardware}."
    )
    page.table(("network", "architecture", "arithmetic that ran"), _what_ran(found))
    page.heading("By weather, mIoU %")
    weathers = [group.value for group in first.groups]
    page.table(
        ("network", *weathers),
        [
            (name, *(f"{100 * (group.summary.miou or 0):.1f}" for group in evaluation.groups))
            for name, evaluation in found.evaluations.items()
        ],
    )
    page.heading("Training")
    page.figures(_curves(out))
    page.heading("Per class")
    shipped = found.evaluations[_SHIPPED]
    page.figure(
        plots.bars(shipped.space.names, shipped.overall.iou, label="IoU of the distilled student")
    )
    page.heading("From checkpoint to INT8")
    lineup = found.gate.lineup
    page.text(
        f"The exported file gives the checkpoint's class on {found.verified.agreement:.4%} of the pixels. INT8 lost "
        f"{100 * (lineup.miou_loss() or 0):.2f} points of mIoU and ran {lineup.speed_up():.2f} times as fast "
        f"from frame to class map ({lineup.threads} threads); gate/report.html has the whole account."
    )
    page.heading("What they see")
    page.images(_pictures(out, data), max_width=420)
    page.heading("Drive-through, INT8")
    page.images(
        [
            (_frame(found.video, place), f"frame at {place:.0%} of overlay.mp4")
            for place in (0.2, 0.5, 0.8)
        ]
    )
    page.heading("Where the time went")
    page.table(
        ("step", "seconds"), [(what, f"{seconds:.1f}") for what, seconds in found.seconds.items()]
    )
    page.write(out / "report.html")


def _curves(out: Path) -> list[tuple[str, str]]:
    from ..evaluation import plots
    from ..training import read_metrics

    figures = []
    for key, label in (("train/ce", "cross-entropy"), ("val/miou", "mIoU on the validation split")):
        rows = {
            name: read_metrics(out / "runs" / recipe / "metrics.csv")
            for name, recipe in _RUNS.items()
        }
        steps = sorted({row["step"] for found in rows.values() for row in found if key in row})
        series = {}
        for name, found in rows.items():
            values = {row["step"]: row[key] for row in found if key in row}
            series[name] = [values.get(step, float("nan")) for step in steps]
        figures.append((plots.curves(steps, series, x_label="step", y_label=label), label))
    return figures


def _pictures(out: Path, data: Path) -> list[tuple[np.ndarray, str]]:
    """Validation pictures of three conditions, their truth, and what each network makes of them."""

    from ..prepared import PreparedFolder
    from ..training import load_semantic_run_predictor

    chosen = {
        sample.record.tags["weather"]: sample for sample in PreparedFolder(data).samples("val")
    }
    predictors = {
        name: load_semantic_run_predictor(out / "runs" / recipe) for name, recipe in _RUNS.items()
    }
    pictures = []
    for weather in list(chosen)[:3]:
        sample = chosen[weather]
        rgb, truth = sample.read_rgb(), sample.read_semantic()
        pictures += [(rgb, weather), (sample.space.palette[truth], "truth")]
        for name in ("student alone", _SHIPPED):
            result = predictors[name](sample.read_bgr())
            pictures.append((sample.space.palette[result.ids], name))
    return pictures


def _frame(video: Path, place: float) -> np.ndarray:
    """The frame at a place of a video, 0..1, as RGB."""
    from ..runtime import open_source

    source = open_source(video)
    wanted = int(place * ((source.total or 1) - 1))
    try:
        return next(frame.bgr for frame in source.frames() if frame.index == wanted)[..., ::-1]
    finally:
        source.close()
