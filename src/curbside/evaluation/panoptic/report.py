"""`report.json`, `report.md` and `report.html` of a panoptic evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...labels import PER_CLASS, LabelSpace
from ...metrics import Quality
from ...prepared import Sample
from .. import plots
from ..measured import measured_parts, show_measured
from ..page import Page, write_files
from ..tables import Table, markdown, score
from .result import PanopticEvaluation
from .scoring import PanopticPredictor

__all__ = ["class_table", "group_table", "panoptic_tables", "score_table", "write_panoptic_report"]

_MAP_WIDTH = 340  # pixels
_BORDER_RGB = (255, 255, 255)
_PARTS = (("PQ", "pq"), ("SQ", "sq"), ("RQ", "rq"))


def write_panoptic_report(
    evaluation: PanopticEvaluation,
    out_dir: Path,
    predictor: PanopticPredictor,
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


def score_table(evaluation: PanopticEvaluation) -> Table:
    """Panoptic quality over all classes, things and stuff, and the mIoU beside it."""
    found = evaluation.overall
    rows = [
        (name, *_qualities(quality), "" if quality is None else str(quality.classes))
        for name, quality in (
            ("all", found.all),
            ("things", found.things),
            ("stuff", found.stuff),
        )
    ]
    if evaluation.miou is not None:
        rows.append(("mIoU of the classes", score(evaluation.miou), "", "", ""))
    return Table(headers=("over", "PQ", "SQ", "RQ", "classes"), rows=tuple(rows))


def class_table(evaluation: PanopticEvaluation) -> Table:
    """The scores class by class."""
    return Table(
        headers=("class", "kind", "PQ", "SQ", "RQ", "found", "missed", "wrong"),
        rows=tuple(
            (
                item.name,
                "thing" if item.thing else "stuff",
                *(score(value) for value in (item.pq, item.sq, item.rq)),
                *(f"{count:,}" for count in (item.found, item.missed, item.wrong)),
            )
            for item in evaluation.overall.classes
        ),
    )


def group_table(evaluation: PanopticEvaluation) -> Table:
    """The scores group by group."""
    return Table(
        headers=(evaluation.by or "group", "images", "PQ", "SQ", "RQ", "things", "stuff", "mIoU"),
        rows=tuple(
            (
                group.value,
                str(group.images),
                *_qualities(group.summary.all),
                *(_qualities(part)[0] for part in (group.summary.things, group.summary.stuff)),
                score(group.miou),
            )
            for group in evaluation.groups
        ),
    )


def panoptic_tables(evaluation: PanopticEvaluation) -> list[Table]:
    """All tables of scores that there are."""
    found = [score_table(evaluation), class_table(evaluation)]
    return [*found, group_table(evaluation)] if evaluation.groups else found


def _qualities(quality: Quality | None) -> tuple[str, ...]:
    return tuple(score(None if quality is None else getattr(quality, part)) for _, part in _PARTS)


def _title(evaluation: PanopticEvaluation) -> str:
    return f"{evaluation.model} on {evaluation.dataset}, {evaluation.split}"


def _page(
    evaluation: PanopticEvaluation, predictor: PanopticPredictor, samples: Sequence[Sample]
) -> Page:
    page = Page(_title(evaluation))
    page.put(score_table(evaluation))
    page.text(
        "Panoptic quality (PQ) is segmentation quality (SQ: mean IoU of the segments that were found)"
        " times recognition quality (RQ: F1 of finding them), class by class, then the mean."
    )
    show_measured(page, evaluation)
    page.heading("Classes")
    classes = evaluation.overall.classes
    page.figure(
        plots.groups(
            [item.name for item in classes],
            {name: [getattr(item, part) for item in classes] for name, part in _PARTS},
            label="quality",
        )
    )
    page.put(class_table(evaluation))
    if evaluation.groups:
        page.heading(f"By {evaluation.by}")
        qualities = [group.summary.all for group in evaluation.groups]
        page.figure(
            plots.groups(
                [group.value for group in evaluation.groups],
                {
                    name: [None if q is None else getattr(q, part) for q in qualities]
                    for name, part in _PARTS
                },
                label="quality",
            )
        )
        page.put(group_table(evaluation))
    if evaluation.worst:
        _show_worst(page, evaluation, predictor, {sample.id: sample for sample in samples})
    return page


def _show_worst(
    page: Page,
    evaluation: PanopticEvaluation,
    predictor: PanopticPredictor,
    samples: Mapping[str, Sample],
) -> None:
    page.heading("Worst pictures")
    page.text(
        "Picture, truth and prediction; white lines are borders of objects, black is void. PQ is over"
        " the classes in the picture's truth or prediction."
    )
    classes = evaluation.classes
    page.swatches({item.name: item.color for item in classes.space.classes})
    for worst in evaluation.worst:
        sample = samples[worst.id]
        rgb = sample.read_rgb()
        predicted = predictor(np.ascontiguousarray(rgb[..., ::-1])).segment_map()
        truth, prediction = (
            _colored(classes.segments(values, side), classes.space)
            for values, side in ((sample.read_instances(), "truth"), (predicted, "predicted"))
        )
        shown = (
            (rgb, f"{worst.id}, PQ {worst.pq:.3f}"),
            (truth, "truth"),
            (prediction, "prediction"),
        )
        page.images(shown, max_width=_MAP_WIDTH)


def _colored(segments: np.ndarray, space: LabelSpace) -> np.ndarray:
    """A small picture of a map of segments: (H, W) int32 to (h, w, 3) uint8 RGB."""
    height, width = segments.shape
    small_w = min(_MAP_WIDTH, width)
    small_h = max(1, round(height * small_w / width))
    rows, columns = (
        ((np.arange(small) + 0.5) * side / small).astype(int)
        for small, side in ((small_h, height), (small_w, width))
    )
    small = segments[np.ix_(rows, columns)]
    single = small >= PER_CLASS
    picture = space.palette[np.where(single, small // PER_CLASS, small)]
    border = np.zeros(small.shape, bool)
    border[1:] |= (small[1:] != small[:-1]) & (single[1:] | single[:-1])
    border[:, 1:] |= (small[:, 1:] != small[:, :-1]) & (single[:, 1:] | single[:, :-1])
    picture[border] = _BORDER_RGB
    return picture


def _markdown(evaluation: PanopticEvaluation) -> str:
    parts: list[str | Table] = [f"# {_title(evaluation)}", *panoptic_tables(evaluation)]
    return markdown([*parts, *measured_parts(evaluation)])
