"""`report.json`, `report.md` and `report.html` of an evaluation of depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...prepared import Sample
from .. import plots
from ..measured import measured_parts, show_measured
from ..page import Page, write_files
from ..tables import Table, markdown
from .figures import density_plot, depth_colors, depth_map, error_colors, error_map, errors_plot
from .result import DepthEvaluation
from .scoring import DepthPredictor, read_depth_truth
from .tables import band_name, band_table, group_table, score_table

__all__ = ["write_depth_report"]

_MAP_WIDTH = 250  # pixels
_BY_DISTANCE = "Over all pixels, by their true distance."


def write_depth_report(
    evaluation: DepthEvaluation,
    out_dir: Path,
    predictor: DepthPredictor,
    samples: Sequence[Sample],
) -> Path:
    """Write `report.json`, `report.md` and `report.html` into a folder, which is made if missing.

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
    return write_files(out_dir, data=evaluation.to_dict(), text=_markdown(evaluation), page=page)


def _title(evaluation: DepthEvaluation) -> str:
    return f"Depth: {evaluation.model} on {evaluation.dataset}, {evaluation.split}"


def _notes(evaluation: DepthEvaluation) -> list[str]:
    """What the scores are."""
    found = evaluation.scaled
    notes = [
        "Pixels: all of them count the same. Pictures: the mean of what each one scores, as papers report it."
        " AbsRel is the mean of the error over the true depth, delta < 1.25 the share of pixels within that"
        " factor, SILog what is left of the error of logarithms once a common factor is free (KITTI shows"
        " 100 times it)."
    ]
    if found.factor is not None and found.spread is not None:
        notes.append(
            "Scaled: every picture's depth times the factor that makes its median right, which needs the"
            " truth: how good the shape is, not the metres. The factors have a median of"
            f" {found.factor:.3f} and a spread of {100 * found.spread:.1f} %; metres are right at 1."
        )
    return notes


def _page(
    evaluation: DepthEvaluation, predictor: DepthPredictor, samples: Sequence[Sample]
) -> Page:
    page = Page(_title(evaluation))
    for remark in evaluation.remarks():
        page.text(f"Mind: {remark}.")
    page.put(score_table(evaluation))
    for note in _notes(evaluation):
        page.text(note)
    show_measured(page, evaluation)
    page.heading("By distance")
    page.text(_BY_DISTANCE)
    names = [band_name(band) for band in evaluation.bands]
    errors = [band.summary.abs_rel for band in evaluation.bands]
    page.figures(
        [
            (errors_plot(names, errors), ""),
            (
                density_plot(evaluation.density),
                "Predicted against true depth: columns add up to one.",
            ),
        ]
    )
    page.put(band_table(evaluation))
    if evaluation.groups:
        page.heading(f"By {evaluation.by}")
        page.figure(
            plots.bars(
                [group.value for group in evaluation.groups],
                [group.summary.delta1 for group in evaluation.groups],
                label="share of pixels within a factor of 1.25",
            )
        )
        page.put(group_table(evaluation))
    if evaluation.worst:
        _show_worst(page, evaluation, predictor, {sample.id: sample for sample in samples})
    return page


def _show_worst(
    page: Page,
    evaluation: DepthEvaluation,
    predictor: DepthPredictor,
    samples: Mapping[str, Sample],
) -> None:
    page.heading("Worst pictures")
    page.text("Picture, truth, prediction and error. Depth, black where it is unknown:")
    page.swatches(depth_colors())
    page.text("Error:")
    page.swatches(error_colors())
    for worst in evaluation.worst:
        sample = samples[worst.id]
        truth = read_depth_truth(sample, trusted=evaluation.trusted)
        found = predictor(sample.read_bgr()).depth_m
        shown = (
            (sample.read_rgb(), f"{worst.id}, AbsRel {worst.abs_rel:.3f}"),
            (depth_map(truth, _MAP_WIDTH), "truth"),
            (depth_map(found, _MAP_WIDTH), "prediction"),
            (error_map(found, truth, _MAP_WIDTH), f"{100 * worst.delta1:.0f} % within 1.25"),
        )
        page.images(shown, max_width=_MAP_WIDTH)


def _markdown(evaluation: DepthEvaluation) -> str:
    parts: list[str | Table] = [f"# {_title(evaluation)}"]
    parts += [f"Mind: {remark}." for remark in evaluation.remarks()]
    parts += [score_table(evaluation), *_notes(evaluation), _BY_DISTANCE, band_table(evaluation)]
    if evaluation.groups:
        parts.append(group_table(evaluation))
    return markdown([*parts, *measured_parts(evaluation)])
