"""`comparison.json`, `comparison.md` and `comparison.html` of two models on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import write_json, write_text
from ..labels import IGNORE_ID
from ..prepared import Sample
from . import comparison_tables as tables
from . import plots
from .comparison import Contender
from .comparison_result import Comparison, PictureChange
from .page import Page
from .tables import Table, markdown
from .thumbnails import class_map

__all__ = ["write_comparison"]

_WIDTH = 340  # pixels
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
        contenders: The two models, to show the pictures that changed most again.
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
    first, second = comparison.models
    found = first.evaluation
    return f"{second.name} against {first.name} on {found.dataset}, {found.split}"


def _page(
    comparison: Comparison, contenders: Sequence[Contender], samples: dict[str, Sample]
) -> Page:
    page = Page(_title(comparison))
    for sentence in (tables.verdict(comparison), *tables.remarks(comparison)):
        page.text(sentence)
    for title, table in tables.sections(comparison).items():
        if title == "Models":
            _pictures(page, comparison, contenders, samples)
        page.heading(title)
        if title == "Classes":
            page.figure(_class_plot(comparison), _PLOT)
        if title == "Pixels that changed":
            page.text(
                f"Both models give the same class to {comparison.agreement:.2%} of all pixels."
            )
        page.put(table)
    if comparison.unreadable:
        page.heading("Left out")
        page.table(["could not be read"], [[message] for message in comparison.unreadable])
    return page


_PLOT = "Green and red where the 95 % interval leaves out zero."


def _class_plot(comparison: Comparison) -> str:
    known = [item for item in comparison.classes if item.iou.difference is not None]
    return plots.changes(
        [item.name for item in known],
        [item.iou.difference or 0.0 for item in known],
        [item.iou.interval for item in known],
        label="change of the IoU",
    )


def _pictures(
    page: Page,
    comparison: Comparison,
    contenders: Sequence[Contender],
    samples: dict[str, Sample],
) -> None:
    if not comparison.gains and not comparison.losses:
        return
    page.heading("Pictures that changed most")
    page.text(
        "Picture and truth, then both predictions and what changed; ignored pixels are black."
    )
    page.swatches(_COLORS)
    space = comparison.models[0].evaluation.space
    page.swatches({item.name: item.color for item in space.classes})
    for what, changes in (("rose", comparison.gains), ("fell", comparison.losses)):
        if changes:
            page.text(f"Pixel accuracy {what} most in:")
        for change in changes:
            _show(page, samples[change.id], change, contenders)


def _show(
    page: Page, sample: Sample, change: PictureChange, contenders: Sequence[Contender]
) -> None:
    rgb, truth, palette = sample.read_rgb(), sample.read_semantic(), sample.space.palette
    frame_bgr = np.ascontiguousarray(rgb[..., ::-1])
    before, after = (contender.predictor(frame_bgr).ids for contender in contenders)
    maps = ((truth, palette), (before, palette), (after, palette), _changed(truth, before, after))
    shown = [class_map(ids, colors, _WIDTH) for ids, colors in maps]
    moved = f"fixed {change.fixed:.1%}, broken {change.broken:.1%} of the pixels"
    said = (change.id, "truth", *(contender.name for contender in contenders), moved)
    pictures = list(zip((rgb, *shown), said, strict=True))
    page.images(pictures[:2], max_width=_WIDTH)
    page.images(pictures[2:], max_width=_WIDTH)


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
    parts: list[str | Table] = [f"# {_title(comparison)}", tables.verdict(comparison)]
    parts += tables.remarks(comparison)
    for title, table in tables.sections(comparison).items():
        parts += [f"## {title}", table]
    parts += [f"Left out: {message}" for message in comparison.unreadable]
    return markdown(parts)
