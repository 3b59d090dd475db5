"""`comparison.json`, `comparison.md` and `comparison.html` of models compared on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import write_json, write_text
from ..imaging import colorize, resize_ids
from ..labels import IGNORE_ID, LabelSpace
from ..prepared import Sample
from . import comparison_tables as tables
from . import plots
from .comparison import Contender
from .comparison_result import Comparison, Difference, PictureChange
from .page import Page
from .tables import Table

__all__ = ["write_comparison"]

_WIDTH = 340  # pixels; class maps are made small as ids, so that no colour is mixed
_SAME, _FIXED, _BROKEN, _STILL_WRONG = range(4)
_COLORS = {
    "the same": (205, 210, 216),
    "fixed": (34, 160, 84),
    "broken": (214, 48, 62),
    "wrong before and after, in different ways": (240, 178, 50),
}


def write_comparison(
    comparison: Comparison,
    out_dir: Path,
    contenders: Sequence[Contender],
    samples: Sequence[Sample],
) -> Path:
    """Write `comparison.json`, `.md` and `.html` into a folder, which is made if missing.

    Args:
        comparison: What was found.
        out_dir: Where to write.
        contenders: The models, to show the pictures that changed most again.
        samples: The samples that were compared.

    Returns:
        The path of `comparison.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed; `plots.require_matplotlib` tells early.
        StorageError: The place cannot be written.
    """
    page = _page(comparison, contenders, {sample.id: sample for sample in samples})
    write_json(out_dir / "comparison.json", comparison.to_dict())
    write_text(out_dir / "comparison.md", _markdown(comparison))
    page.write(out_dir / "comparison.html")
    return out_dir / "comparison.html"


def _title(comparison: Comparison) -> str:
    first, *others = (model.name for model in comparison.models)
    return f"{', '.join(others)} against {first} on {comparison.dataset}, {comparison.split}"


def _page(
    comparison: Comparison, contenders: Sequence[Contender], samples: dict[str, Sample]
) -> Page:
    page = Page(_title(comparison))
    for difference in comparison.differences:
        page.text(tables.verdict(comparison, difference))
    for sentence in tables.budget_sentences(comparison) + tables.missing_sentences(comparison):
        page.text(sentence)
    if len(comparison.differences) > 1:
        page.put(tables.overview_table(comparison))
    page.text(tables.INTERVALS)
    for contender, difference in zip(contenders[1:], comparison.differences, strict=True):
        over = tables.over(comparison, difference)
        page.heading(f"{over}Scores")
        page.put(tables.score_change_table(comparison, difference))
        _classes(page, comparison, difference, over)
        if difference.groups:
            page.heading(f"{over}By {comparison.by}")
            page.put(tables.group_change_table(comparison, difference))
        _pixels(page, comparison, difference, over)
        _pictures(page, difference, (contenders[0], contender), samples, comparison.space, over)
    page.heading("Models")
    page.put(tables.about_table(comparison))
    if comparison.differing():
        page.heading("What differs in how they were made")
        page.put(tables.setting_table(comparison))
    page.heading("Measured on")
    page.table(("what", "which"), comparison.measured_on().items())
    if comparison.unreadable:
        page.text(f"{len(comparison.unreadable)} pictures could not be read and were left out:")
        page.table(["left out"], [[message] for message in comparison.unreadable])
    return page


def _classes(page: Page, comparison: Comparison, difference: Difference, over: str) -> None:
    page.heading(f"{over}Classes")
    known = [item for item in difference.classes if item.iou.difference is not None]
    page.figure(
        plots.changes(
            [item.name for item in known],
            [item.iou.difference or 0.0 for item in known],
            [item.iou.interval for item in known],
            label="change of the IoU",
        ),
        "With 95 % intervals; green and red where they leave out zero.",
    )
    page.put(tables.class_change_table(comparison, difference))


def _pixels(page: Page, comparison: Comparison, difference: Difference, over: str) -> None:
    page.heading(f"{over}Where pixels moved")
    page.text(f"Both models give the same class to {difference.agreement:.2%} of all pixels.")
    page.put(tables.moved_table(difference))
    page.put(tables.flow_table(comparison, difference))
    page.put(tables.place_table(comparison, difference))


def _pictures(
    page: Page,
    difference: Difference,
    pair: tuple[Contender, Contender],
    samples: dict[str, Sample],
    space: LabelSpace,
    over: str,
) -> None:
    if not difference.gains and not difference.losses:
        return
    page.heading(f"{over}Pictures that changed most")
    page.text("Picture, truth and what changed, then both predictions; ignored pixels are black.")
    page.swatches(_COLORS)
    page.swatches({item.name: item.color for item in space.classes})
    for what, changes in (("rose", difference.gains), ("fell", difference.losses)):
        if changes:
            page.text(f"Pixel accuracy {what} most in:")
        for change in changes:
            _show(page, samples[change.id], change, pair)


def _show(
    page: Page, sample: Sample, change: PictureChange, pair: tuple[Contender, Contender]
) -> None:
    rgb, truth, palette = sample.read_rgb(), sample.read_semantic(), sample.space.palette
    frame_bgr = np.ascontiguousarray(rgb[..., ::-1])
    before, after = (contender.predictor(frame_bgr).ids for contender in pair)
    height, width = truth.shape
    small = (max(1, round(height * _WIDTH / width)), _WIDTH)
    maps = ((truth, palette), _changed(truth, before, after), (before, palette), (after, palette))
    shown = [colorize(resize_ids(ids, small), colors)[..., ::-1] for ids, colors in maps]
    moved = f"fixed {change.fixed:.1%}, broken {change.broken:.1%} of the pixels"
    scores = (change.miou.before, change.miou.after)
    named = [f"{c.name}, mIoU {score:.3f}" for c, score in zip(pair, scores, strict=True)]
    said = (change.id, "truth", moved, *named)
    pictures = list(zip((rgb, *shown), said, strict=True))
    page.images(pictures[:3], max_width=_WIDTH)
    page.images(pictures[3:], max_width=_WIDTH)


def _changed(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What changed, (H, W) uint8, and its colours, (256, 3) uint8 RGB."""
    codes = np.full(truth.shape, _STILL_WRONG, np.uint8)
    codes[before == truth] = _BROKEN
    codes[after == truth] = _FIXED
    codes[before == after] = _SAME
    codes[truth == IGNORE_ID] = IGNORE_ID
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(_COLORS)] = list(_COLORS.values())
    return codes, palette


def _markdown(comparison: Comparison) -> str:
    parts: list[str | Table] = [f"# {_title(comparison)}"]
    parts += [tables.verdict(comparison, item) for item in comparison.differences]
    parts += tables.budget_sentences(comparison) + tables.missing_sentences(comparison)
    parts.append(tables.overview_table(comparison))
    for item in comparison.differences:
        for title, table in tables.difference_tables(comparison, item).items():
            parts += [f"## {title}", table]
    parts.append(tables.INTERVALS)
    parts += ["## Models", tables.about_table(comparison)]
    if comparison.differing():
        parts += ["## What differs in how they were made", tables.setting_table(comparison)]
    rows = tuple(comparison.measured_on().items())
    parts += ["## Measured on", Table(headers=("what", "which"), rows=rows)]
    parts += [f"Left out: {message}" for message in comparison.unreadable]
    texts = (part.markdown() if isinstance(part, Table) else _plain(part) for part in parts)
    return "\n\n".join(texts) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())
