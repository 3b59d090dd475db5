"""`report.json`, `report.md`, `report.html` and `per_image.npz` of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..prepared import Sample
from . import curve_plots, plots
from .measured import measured_parts, show_measured
from .page import Page, write_files
from .per_image import write_per_image
from .result import Evaluation
from .scoring import Predictor
from .tables import Table, class_table, group_table, markdown, score_table, threshold_table
from .thumbnails import class_map

__all__ = ["write_report"]

_MAP_WIDTH = 340  # pixels

_ON_THESE = (
    "The best threshold is the probability from which on a pixel is best taken for the class: the one with"
    " the highest F1, and so IoU, on these very pictures. Choose it on others than those it is judged on."
)
_WHISKERS = (
    "Whiskers: 95 % intervals over pictures. Neighbours of one drive are alike, so with other drives"
    " the scores may differ by more."
)


def write_report(
    evaluation: Evaluation, out_dir: Path, predictor: Predictor, samples: Sequence[Sample]
) -> Path:
    """Write `report.json`, `report.md`, `report.html` and `per_image.npz` into a folder, which is
    made if missing.

    Args:
        evaluation: What was found.
        out_dir: Where to write.
        predictor: The model, to show the worst pictures again.
        samples: The samples that were evaluated.

    Returns:
        The path of `report.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed; `plots.require_matplotlib` tells early.
        StorageError: The place cannot be written.
    """
    page = _page(evaluation, predictor, samples)
    write_per_image(out_dir, evaluation.image_ids, evaluation.per_image)
    return write_files(out_dir, data=evaluation.to_dict(), text=_markdown(evaluation), page=page)


def _title(evaluation: Evaluation) -> str:
    return f"{evaluation.model} on {evaluation.dataset}, {evaluation.split}"


def _page(evaluation: Evaluation, predictor: Predictor, samples: Sequence[Sample]) -> Page:
    page = Page(_title(evaluation))
    page.put(score_table(evaluation))
    for score, reason in evaluation.missing.items():
        page.text(f"No {score}: {reason}.")
    show_measured(page, evaluation)
    page.heading("Classes")
    page.figure(
        plots.bars(
            evaluation.space.names,
            evaluation.overall.iou,
            label="intersection over union",
            intervals=evaluation.iou_intervals,
        ),
        _WHISKERS if evaluation.miou_interval else "",
    )
    page.put(class_table(evaluation))
    if any(evaluation.curves):
        page.heading("Precision and recall")
        page.text(_ON_THESE)
        page.figure(*_curves(evaluation))
        page.put(threshold_table(evaluation))
    if evaluation.groups:
        page.heading(f"By {evaluation.by}")
        summaries = [group.summary for group in evaluation.groups]
        binary = evaluation.space.binary
        intervals = [group.main_interval for group in evaluation.groups]
        page.figure(
            plots.bars(
                [group.value for group in evaluation.groups],
                [found.iou[1] if binary else found.miou for found in summaries],
                label=evaluation.main[0] if binary else "mean intersection over union",
                intervals=intervals,
            ),
            _WHISKERS if any(intervals) else "",
        )
        page.put(group_table(evaluation))
    page.heading("What is taken for what")
    with np.errstate(invalid="ignore"):
        rates = evaluation.confusion / np.asarray(evaluation.overall.truth)[:, None]
    page.figure(
        plots.confusion(rates, evaluation.space.names),
        "Percent of each true class (row) taken for each class (column).",
    )
    if evaluation.reliability is not None:
        page.heading("Reliability")
        page.text("Where a bar ends below the diagonal, the model is surer than it is right.")
        page.figures(_reliability(evaluation))
    if evaluation.worst:
        _show_worst(page, evaluation, predictor, {sample.id: sample for sample in samples})
    return page


def _curves(evaluation: Evaluation) -> tuple[str, str]:
    """The precision-recall curves with their caption."""
    found, names = evaluation.overall, evaluation.space.names
    best = evaluation.best_thresholds[1] if evaluation.space.binary else None
    if best is not None and (curve := evaluation.curves[1]) is not None:
        shown = None
        if found.precision[1] is not None and found.accuracy[1] is not None:
            shown = found.precision[1], found.accuracy[1]
        said = f"{names[1]}: area under the curve {found.auprc[1]:.4f}. Grey: lines of equal F1."
        return curve_plots.one_curve(curve, best, shown), said
    series = {
        name: (drawn, marked)
        for name, drawn, marked in zip(
            names, evaluation.curves, evaluation.best_thresholds, strict=True
        )
        if drawn is not None and marked is not None
    }
    said = "Each class against all others. Dots: the best thresholds."
    if len(series) > curve_plots.MOST_NAMED:
        said += f" The {curve_plots.MOST_NAMED} classes with the lowest F1 are named, others grey."
    return curve_plots.all_curves(series), said


def _reliability(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The diagrams with their captions: without the model's temperature and as it is."""
    found, ece = evaluation.overall, "expected calibration error"
    before, after = evaluation.reliability_uncalibrated, evaluation.reliability
    diagrams = []
    if before is not None:
        said = f"Uncalibrated: {ece} {found.ece_uncalibrated:.4f}."
        diagrams.append((plots.reliability(before), said))
    if after is not None:
        said = f"With the temperature: {ece}" if before is not None else ece.capitalize()
        diagrams.append((plots.reliability(after), f"{said} {found.ece:.4f}."))
    return diagrams


def _show_worst(
    page: Page, evaluation: Evaluation, predictor: Predictor, samples: dict[str, Sample]
) -> None:
    page.heading("Worst pictures")
    page.text(
        "Picture, truth and prediction; ignored pixels are black. "
        "mIoU is over the classes in the picture's truth."
    )
    space = evaluation.space
    page.swatches({item.name: item.color for item in space.classes})
    for worst in evaluation.worst:
        sample = samples[worst.id]
        rgb = sample.read_rgb()
        ids = predictor(np.ascontiguousarray(rgb[..., ::-1])).ids
        truth, prediction = (
            class_map(m, space.palette, _MAP_WIDTH) for m in (sample.read_semantic(), ids)
        )
        shown = (
            (rgb, f"{worst.id}, mIoU {worst.miou:.3f}"),
            (truth, "truth"),
            (prediction, "prediction"),
        )
        page.images(shown, max_width=_MAP_WIDTH)


def _markdown(evaluation: Evaluation) -> str:
    parts: list[str | Table] = [f"# {_title(evaluation)}"]
    parts += [score_table(evaluation), class_table(evaluation)]
    if any(evaluation.curves):
        parts.append(threshold_table(evaluation))
    if evaluation.groups:
        parts.append(group_table(evaluation))
    parts += [f"No {name}: {reason}." for name, reason in evaluation.missing.items()]
    return markdown([*parts, *measured_parts(evaluation)])
