"""`report.json`, `report.md` and `report.html` of an evaluation of single objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...imaging import draw_objects
from ...metrics import KindScores, MatchCurve, Shown
from ...metrics.object_matches import IGNORED, RIGHT, mask_overlaps, match_objects
from ...prepared import Sample, find_objects
from .. import plots
from ..measured import measured_parts, show_measured
from ..page import Page, write_files
from ..tables import Table, markdown, score
from .classes import SharedThings
from .result import InstanceEvaluation
from .scoring import InstancePredictor, found_objects, true_objects

__all__ = ["class_table", "group_table", "instance_tables", "score_table", "write_instance_report"]

_PICTURE_WIDTH = 500  # pixels
_GREEN, _RED, _AMBER, _GREY = (46, 160, 67), (218, 54, 51), (240, 170, 30), (120, 126, 135)
_LEVELS = np.linspace(0, 1, 101)
_ROWS = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "AP, small": "ap_small",
    "AP, medium": "ap_medium",
    "AP, large": "ap_large",
    "AR, 1 detection": "ar1",
    "AR, 10 detections": "ar10",
    "AR, 100 detections": "ar100",
}


def write_instance_report(
    evaluation: InstanceEvaluation,
    out_dir: Path,
    predictor: InstancePredictor,
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


def score_table(evaluation: InstanceEvaluation) -> Table:
    """The main scores of masks and boxes."""
    overall = evaluation.overall
    kinds = overall.mask, overall.box
    rows = [
        (name, *(score(getattr(kind.average, field)) for kind in kinds))
        for name, field in _ROWS.items()
    ]
    above = f"above {evaluation.threshold:g}"
    for name in ("precision", "recall", "f1"):
        title = "F1" if name == "f1" else name
        rows.append((f"{title} {above}", *(score(getattr(kind.shown, name)) for kind in kinds)))
    rows.append(("best F1", *(score(_best(kind)) for kind in kinds)))
    rows.append(
        ("its threshold", *(score(kind.best.threshold if kind.best else None) for kind in kinds))
    )
    return Table(headers=("score", "masks", "boxes"), rows=tuple(rows))


def _best(kind: KindScores) -> float | None:
    return kind.best.f1 if kind.best else None


def class_table(evaluation: InstanceEvaluation, *, brief: bool = False) -> Table:
    """The scores class by class; narrow enough for a terminal where `brief`."""
    rows = [
        (item.name, f"{item.objects:,}", *_scores(item.mask, item.box))
        for item in evaluation.overall.classes
    ]
    return _table(("class", "objects", *_COLUMNS), rows, brief=brief)


def group_table(evaluation: InstanceEvaluation, *, brief: bool = False) -> Table:
    """The scores group by group; narrow enough for a terminal where `brief`."""
    rows = [
        (
            group.value,
            str(group.summary.images),
            *_scores(group.summary.mask, group.summary.box),
        )
        for group in evaluation.groups
    ]
    return _table((evaluation.by or "group", "images", *_COLUMNS), rows, brief=brief)


def instance_tables(evaluation: InstanceEvaluation) -> list[Table]:
    """All tables of scores that there are, narrow enough for a terminal."""
    found = [score_table(evaluation), class_table(evaluation, brief=True)]
    return [*found, group_table(evaluation, brief=True)] if evaluation.groups else found


_COLUMNS = ("mask AP", "AP50", "AP75", "box AP", "AP50", "precision", "recall", "F1")
_BRIEF = (0, 1, 2, 3, 5, 7, 8, 9)


def _scores(mask: KindScores, box: KindScores) -> tuple[str, ...]:
    """The cells under `_COLUMNS`."""
    one, other, shown = mask.average, box.average, mask.shown
    values = (one.ap, one.ap50, one.ap75, other.ap, other.ap50)
    return tuple(map(score, (*values, shown.precision, shown.recall, shown.f1)))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, brief: bool) -> Table:
    kept = _BRIEF if brief else range(len(headers))
    return Table(
        headers=tuple(
            headers[place].replace("precision", "prec." if brief else "precision") for place in kept
        ),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
    )


def _title(evaluation: InstanceEvaluation) -> str:
    return f"{evaluation.model} on {evaluation.dataset}, {evaluation.split}"


def _class_note(evaluation: InstanceEvaluation) -> str:
    return (
        f"Precision, recall and F1 are those of the masks shown above {evaluation.threshold:g}; right"
        " from an IoU of 0.5 on."
    )


def _page(
    evaluation: InstanceEvaluation, predictor: InstancePredictor, samples: Sequence[Sample]
) -> Page:
    page = Page(_title(evaluation))
    page.put(score_table(evaluation))
    show_measured(page, evaluation)
    page.heading("Classes")
    classes = evaluation.overall.classes
    average = {
        "masks": [item.mask.average.ap for item in classes],
        "boxes": [item.box.average.ap for item in classes],
    }
    page.figure(
        plots.groups([item.name for item in classes], average, label="average precision (AP)")
    )
    page.text(_class_note(evaluation))
    page.put(class_table(evaluation))
    if evaluation.groups:
        page.heading(f"By {evaluation.by}")
        average = {
            "masks": [group.summary.mask.average.ap for group in evaluation.groups],
            "boxes": [group.summary.box.average.ap for group in evaluation.groups],
        }
        names = [group.value for group in evaluation.groups]
        page.figure(plots.groups(names, average, label="average precision (AP)"))
        page.put(group_table(evaluation))
    page.heading("Precision and recall")
    page.text("Of the masks, at an IoU of 0.5; left by class, right what each threshold shows.")
    page.figures(
        [
            (
                _recall_plot(evaluation.curves),
                "Precision that is reached at a recall or beyond it.",
            ),
            (_threshold_plot(evaluation.curve), "All classes together."),
        ]
    )
    if any(evaluation.classes.members("model", item.name) != (item.name,) for item in classes) or (
        evaluation.classes.data_only
    ):
        page.heading("What was compared")
        page.put(_comparison(evaluation.classes))
    if evaluation.worst:
        _show_worst(page, evaluation, predictor, {sample.id: sample for sample in samples})
    return page


def _recall_plot(curves: Mapping[str, MatchCurve]) -> str:
    series = {name: _precision_at(curve) for name, curve in curves.items()}
    return plots.curves(_LEVELS.tolist(), series, x_label="recall", y_label="precision")


def _precision_at(curve: MatchCurve) -> list[float]:
    """The best precision at each level of recall or beyond; nan where it is not reached."""
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    places = np.searchsorted(curve.recall, _LEVELS)
    return np.where(places < len(best), np.append(best, 0)[places], np.nan).tolist()


def _threshold_plot(curve: MatchCurve) -> str:
    shown = []
    for threshold in _LEVELS:
        right, wrong = curve.at(threshold)
        counts = {"right": right, "wrong": wrong, "missed": curve.objects - right}
        shown.append(Shown(threshold=float(threshold), **counts))
    series = {
        name: [np.nan if value is None else value for value in values]
        for name, values in (
            ("precision", [item.precision for item in shown]),
            ("recall", [item.recall for item in shown]),
            ("F1", [item.f1 for item in shown]),
        )
    }
    return plots.curves(_LEVELS.tolist(), series, x_label="threshold", y_label="share")


def _comparison(classes: SharedThings) -> Table:
    """Which classes of either side were taken for the same."""
    rows = [
        (
            item.name,
            ", ".join(classes.members("model", item.name)),
            ", ".join(classes.members("data", item.name)),
        )
        for item in classes.space.classes
    ]
    if classes.data_only:
        rows.append(("no truth", "", ", ".join(classes.data_only)))
    if classes.model_only:
        rows.append(("dropped", ", ".join(classes.model_only), ""))
    return Table(headers=("compared as", "the network's", "the data's"), rows=tuple(rows))


def _show_worst(
    page: Page,
    evaluation: InstanceEvaluation,
    predictor: InstancePredictor,
    samples: Mapping[str, Sample],
) -> None:
    page.heading("Worst pictures")
    page.text(
        f"The objects that are there, and those that are shown above {evaluation.threshold:g}. Crowds,"
        " and what is found in them, count for nothing."
    )
    page.swatches({"found": _GREEN, "missed": _AMBER, "wrong": _RED, "crowd": _GREY})
    for worst in evaluation.worst:
        truth, shown = _drawn(evaluation, predictor, samples[worst.id])
        counts = f"{worst.right} right, {worst.wrong} wrong, {worst.missed} missed"
        page.images(
            ((truth, f"{worst.id}: truth"), (shown, f"shown: F1 {worst.f1:.3f}, {counts}")),
            max_width=_PICTURE_WIDTH,
        )


def _drawn(
    evaluation: InstanceEvaluation, predictor: InstancePredictor, sample: Sample
) -> tuple[np.ndarray, np.ndarray]:
    """The truth and what is shown, each object in the colour of what became of it: (H, W, 3) uint8 RGB."""
    frame_bgr, instances = sample.read_bgr(), sample.read_instances()
    objects = find_objects(sample, instances)
    classes = evaluation.classes
    true = true_objects(instances, objects, classes.table("data", sample.space))
    result = predictor(frame_bgr)
    result = result.select(result.scores > evaluation.threshold)
    found = found_objects(result, classes.table("model", predictor.manifest.space))
    overlaps = mask_overlaps(found, true)
    outcomes = match_objects(overlaps, found, true)
    same = (found.class_ids[:, None] == true.class_ids) & (overlaps >= 0.5)
    hit = (same & (outcomes == RIGHT)[:, None]).any(axis=0)
    names = classes.space.name_of
    corners = true.boxes_xywh[:, :2]
    truth = draw_objects(
        frame_bgr,
        boxes_xyxy=np.hstack([corners, corners + true.boxes_xywh[:, 2:]]),
        masks=[
            (y, x, instances[y : y + height, x : x + width] == value)
            for value, (x, y, width, height) in zip(
                true.values.tolist(), true.boxes_xywh.tolist(), strict=True
            )
        ],
        captions=[
            names(class_id) + (" (crowd)" if crowd else "")
            for class_id, crowd in zip(true.class_ids.tolist(), true.crowd.tolist(), strict=True)
        ],
        colors_rgb=_colors(np.where(true.crowd, IGNORED, hit), wrong=_AMBER),
    )
    order = np.argsort(found.scores, kind="stable")
    shown = draw_objects(
        frame_bgr,
        boxes_xyxy=found.boxes_xyxy[order],
        masks=[found.masks[place] for place in order],
        captions=[f"{names(int(found.class_ids[i]))} {found.scores[i]:.2f}" for i in order],
        colors_rgb=_colors(outcomes[order], wrong=_RED),
    )
    return truth[..., ::-1], shown[..., ::-1]


def _colors(outcomes: np.ndarray, *, wrong: tuple[int, int, int]) -> np.ndarray:
    """The colour of what became of each object: (N,) to (N, 3) uint8 RGB."""
    table = np.array([wrong, _GREEN, _GREY], np.uint8)  # WRONG, RIGHT, IGNORED at the end
    return table[outcomes.astype(int)]


def _markdown(evaluation: InstanceEvaluation) -> str:
    parts: list[str | Table] = [f"# {_title(evaluation)}", score_table(evaluation)]
    parts += [_class_note(evaluation), class_table(evaluation)]
    if evaluation.groups:
        parts.append(group_table(evaluation))
    parts.append(_comparison(evaluation.classes))
    return markdown([*parts, *measured_parts(evaluation)])
