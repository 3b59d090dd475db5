"""The figures of a study's page: curves, differences, reliability diagrams and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation import Page, Predictor, plots
from ...evaluation.thumbnails import class_map
from ...metrics import Reliability
from ...prepared import Sample
from ..predictors import load_semantic_run_predictor
from .cost import Budget
from .plan import Plan
from .results import Result, read_teachers
from .tables import macs_unit
from .verdict import Verdict
from .work import scored_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "most_different",
    "show_class_differences",
    "show_curves",
    "show_differences",
    "show_pictures",
    "show_reliability",
]

Results = Mapping[str, Mapping[int, Result]]
"""The runs that are done, by variant and seed."""

_SHOWN = 6  # pictures
_WIDTH = 250  # pixels


def show_curves(page: Page, plan: Plan, results: Results) -> None:
    """Put the scores during training on a page, by steps and by what was spent."""
    by_step, by_compute = {}, {}
    counted: Budget = "time" if plan.budget == "time" else "flops"
    most = max(one.cost.spent(counted, one.steps) for one in plan.variants.values())
    unit, size = ("seconds, as timed", 1.0) if counted == "time" else macs_unit(most)
    for name, by_seed in results.items():
        runs = [run.validations() for run in by_seed.values()]
        if not runs:
            continue
        steps = [step for step, _ in runs[0]]
        values = np.array([[100 * miou for _, miou in run] for run in runs])
        by_step[name] = (steps, values)
        cost = plan.variants[name].cost
        by_compute[name] = ([cost.spent(counted, step) / size for step in steps], values)
    if not by_step:
        return
    page.heading("While training")
    page.figures(
        [
            (_bands(by_step, x_label="steps"), "Mean and range over the seeds."),
            (
                _bands(by_compute, x_label=f"{unit}, teachers included"),
                "The same against what was spent.",
            ),
        ]
    )


def _bands(series: Mapping[str, tuple[Sequence[float], np.ndarray]], *, x_label: str) -> str:
    """A line per variant, the mean over its runs, in a band from the lowest to the highest.

    Args:
        series: By the name of the variant where its values stand, and the values, (runs, places).
        x_label: What x is.
    """

    def paint(axes: Axes) -> None:
        for index, (name, (x, values)) in enumerate(series.items()):
            color = plots.COLORS[index % len(plots.COLORS)]
            style = "-" if index < len(plots.COLORS) else "--"
            mark = "o" if len(x) == 1 else None
            mean = values.mean(axis=0)
            axes.plot(x, mean, style, color=color, lw=1.6, marker=mark, ms=5, label=name)
            axes.fill_between(
                x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, lw=0
            )
        axes.set_xlim(left=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel("mIoU on the validation split, %")
        axes.grid()
        axes.legend(frameon=False, fontsize=9)

    return plots.svg(paint, width=5.2, height=3.6)


def show_differences(page: Page, verdict: Verdict) -> None:
    """Put the differences of the variants to the control on a page."""
    compared = {
        one.name: one.difference for one in verdict.findings.values() if one.difference is not None
    }
    if not compared:
        return
    page.heading("Differences to the control")
    page.figure(
        plots.changes(
            list(compared),
            [100 * one.value for one in compared.values()],
            [(100 * one.low, 100 * one.high) for one in compared.values()],
            label="points of mIoU over the control, with 95 % intervals",
        ),
        "Grey where the interval holds zero.",
    )


def show_class_differences(page: Page, verdict: Verdict) -> None:
    """Put what the best variant changed in every class on a page."""
    best = verdict.findings.get(verdict.best or "")
    if best is None:
        return
    pairs = zip(verdict.classes, best.iou_difference, strict=False)
    known = {name: change for name, change in pairs if change is not None}
    if known:
        page.figure(
            plots.changes(
                list(known),
                [100 * change.value for change in known.values()],
                [(100 * change.low, 100 * change.high) for change in known.values()],
                label=f"points of IoU of {best.name} over the control, with 95 % intervals",
            )
        )


def show_reliability(page: Page, plan: Plan, results: Results) -> None:
    """Put the reliability diagrams of the first run of every variant and of the teachers on a page."""
    shown = [(name, next(iter(runs.values()))) for name, runs in results.items() if runs]
    shown += [item for item in read_teachers(plan).items() if item[0] not in results]
    figures = []
    for name, run in shown:
        diagram = run.report["reliability"]
        if diagram is not None:
            values = {
                key: np.array([math.nan if v is None else v for v in found], float)
                for key, found in diagram.items()
            }
            figures.append(
                (plots.reliability(Reliability(**values)), f"{name}, ECE {run.scores['ece']:.4f}")
            )
    if figures:
        page.heading("Reliability")
        page.text("The first seed of each, without a temperature fitted to it.")
        page.figures(figures)


def show_pictures(page: Page, plan: Plan, verdict: Verdict, results: Results) -> None:
    """Put the pictures on which the control and the best variant differ most on a page: picture, truth,
    and what either makes of it."""
    control, best = results[plan.control], results.get(verdict.best or "", {})
    seed = next((seed for seed in control if seed in best), None)
    if seed is None:
        return
    pair = (control[seed], best[seed])
    (ids, first), (others, second) = (run.per_image() for run in pair)
    if ids != others:
        return
    samples = {sample.id: sample for sample in scored_samples(plan)}
    predictors = [load_semantic_run_predictor(run.folder) for run in pair]
    page.heading(f"Where {plan.control} and {verdict.best} differ most")
    page.text(
        f"Both with seed {seed}. mIoU is over the classes in the picture's truth; ignored pixels are"
        " black."
    )
    space = next(iter(samples.values())).space
    page.swatches({item.name: item.color for item in space.classes})
    for place, before, after in most_different(first, second, _SHOWN):
        captions = (
            ids[place],
            "truth",
            f"{plan.control}, mIoU {100 * before:.1f} %",
            f"{verdict.best}, mIoU {100 * after:.1f} %",
        )
        views = _views(samples[ids[place]], predictors)
        page.images(zip(views, captions, strict=True), max_width=_WIDTH)


def most_different(
    first: np.ndarray, second: np.ndarray, count: int
) -> list[tuple[int, float, float]]:
    """The pictures whose mean IoU over the classes in their truth differs most.

    Args:
        first: Pixels of each picture as one network saw it, (N, C, C + 1) int64.
        second: As another saw it.
        count: How many to name at most.

    Returns:
        The place of each picture and its two scores, 0..1, the largest difference first.
    """
    before, after = _mious(first), _mious(second)
    gains = np.nan_to_num(np.abs(after - before))
    order = np.argsort(-gains, kind="stable")[:count]
    return [(int(i), float(before[i]), float(after[i])) for i in order if gains[i] > 0]


def _mious(per_image: np.ndarray) -> np.ndarray:
    """The mean IoU of each picture, (N,); nan where all is ignored."""
    hits = np.diagonal(per_image, axis1=1, axis2=2)  # (N, C)
    truth = per_image.sum(axis=2)
    union = truth + per_image[:, :, :-1].sum(axis=1) - hits
    with np.errstate(invalid="ignore"):
        iou = np.where(truth > 0, hits / union, np.nan)
        return np.nansum(iou, axis=1) / (truth > 0).sum(axis=1)


def _views(sample: Sample, predictors: Sequence[Predictor]) -> list[np.ndarray]:
    rgb = sample.read_rgb()
    frame_bgr = np.ascontiguousarray(rgb[..., ::-1])
    maps = [sample.read_semantic(), *(predictor(frame_bgr).ids for predictor in predictors)]
    return [rgb, *(class_map(ids, sample.space.palette, _WIDTH) for ids in maps)]
