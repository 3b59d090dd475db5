"""The report of the doctor: tables, `report.json`, `report.html` and `class_weights.json`."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ..errors import CurbsideError
from ..files import inside, write_text
from ..imaging import blend_classes, read_ids, read_rgb, resize_ids
from ..labels import IGNORE_ID, LabelSpace
from ..prepared import CHECKS, Diagnosis, Finding, Leak
from . import plots
from .page import Page
from .tables import Table

__all__ = [
    "class_share_table",
    "depth_table",
    "finding_table",
    "printable",
    "split_table",
    "tag_tables",
    "weight_table",
    "write_health_report",
]

_SHOWN = 6  # samples of a kind, with pictures
_LISTED = 40  # findings of a kind, as text
_LEAKS = 12
_WIDTH = 340  # pixels
_GREY = 200
_CLOSER = 4
_STRANGE_RGB = (255, 255, 255)  # ids without a class


def write_health_report(diagnosis: Diagnosis, root: Path, out_dir: Path) -> Path:
    """Write `report.json`, `report.html` and `class_weights.json`; the same bytes for the same folder.

    Args:
        diagnosis: What was found.
        root: The folder that was examined, to show its pictures.
        out_dir: Where to write; made if missing.

    Returns:
        The path of `report.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed; `plots.require_matplotlib` tells early.
        StorageError: The place cannot be written.
    """
    page = _page(diagnosis, root)
    for leftover in out_dir.glob(".partial-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    _write(out_dir / "report.json", diagnosis.to_dict())
    weights = out_dir / "class_weights.json"
    if diagnosis.weights is None:
        weights.unlink(missing_ok=True)
    else:
        _write(weights, diagnosis.class_weights())
    page.write(out_dir / "report.html")
    return out_dir / "report.html"


def _write(path: Path, data: object) -> None:
    write_text(path, json.dumps(data, indent=2) + "\n")  # ASCII: file names need not be UTF-8


def printable(text: str) -> str:
    """A text in which what no terminal and no page can show is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def finding_table(diagnosis: Diagnosis) -> Table:
    """How often each kind was found, what it means and what to do."""
    counts = Counter(found.code for found in diagnosis.findings)
    aside = Counter(f.code for f in diagnosis.findings if f.key in diagnosis.quarantine)
    return Table(
        headers=("", "found", "set aside", "severity", "what it is", "what to do"),
        rows=tuple(
            (
                code.replace("_", " "),
                f"{counts[code]:,}",
                f"{aside[code]:,}" if aside[code] else "–",
                check.severity,
                check.meaning,
                check.fix,
            )
            for code, check in CHECKS.items()
            if counts[code]
        ),
    )


def split_table(diagnosis: Diagnosis) -> Table:
    """Samples, split by split."""
    aside = Counter(split for split, _ in diagnosis.quarantine)
    return Table(
        headers=("split", "samples", "set aside", "usable", "with mask", "ignored pixels"),
        rows=tuple(
            (
                split,
                *(f"{n:,}" for n in (diagnosis.samples[split], aside[split], of.samples, of.masks)),
                _percent(of.ignored),
            )
            for split, of in diagnosis.splits.items()
        ),
    )


def depth_table(diagnosis: Diagnosis) -> Table:
    """Depths, split by split; without rows where no sample has any."""
    return Table(
        headers=("depth", "samples", "known pixels", "least", "median", "most"),
        rows=tuple(
            (
                split,
                f"{depth.samples:,}",
                _percent(depth.known),
                *(f"{m:.1f} m" for m in (depth.low_m, depth.median_m, depth.high_m)),
            )
            for split, of in diagnosis.splits.items()
            if (depth := of.depth) is not None
        ),
    )


def class_share_table(diagnosis: Diagnosis) -> Table:
    """Share of the labelled pixels per class and split, and objects."""
    splits = {name: found for name, found in diagnosis.splits.items() if found.masks}
    counted = {
        name: found
        for name, found in splits.items()
        if any(item.instances is not None for item in found.classes)
    }
    headers = ("class", *(f"{name}, %" for name in splits), *(f"{n} objects" for n in counted))
    rows = []
    for index, name in enumerate(diagnosis.space.names):
        objects = [found.classes[index].instances for found in counted.values()]
        rows.append(
            (
                name,
                *(_percent(found.classes[index].share, sign="") for found in splits.values()),
                *("–" if count is None else f"{count:,}" for count in objects),
            )
        )
    return Table(headers=headers, rows=tuple(rows) if splits else ())


def weight_table(diagnosis: Diagnosis) -> Table:
    """Class weights by each scheme; without rows where train has no labelled pixel."""
    schemes = vars(diagnosis.weights) if diagnosis.weights else {}
    columns = zip(diagnosis.space.names, *schemes.values(), strict=True) if schemes else ()
    return Table(
        headers=("weight of the class in train", *schemes),
        rows=tuple((name, *(f"{value:.3g}" for value in values)) for name, *values in columns),
    )


def tag_tables(diagnosis: Diagnosis) -> list[Table]:
    """Usable samples per value of each tag, split by split."""
    splits = tuple(diagnosis.splits)
    return [
        Table(
            headers=(printable(tag), *splits),
            rows=tuple(
                (printable(value), *(f"{of.get(split, 0):,}" for split in splits))
                for value, of in values.items()
            ),
        )
        for tag, values in diagnosis.tags.items()
    ]


def _percent(share: float | None, sign: str = " %") -> str:
    return "–" if share is None else f"{100 * share:.3g}{sign}"


def _page(diagnosis: Diagnosis, root: Path) -> Page:
    page = Page(f"The doctor on {printable(diagnosis.dataset)}")
    errors = diagnosis.open_errors
    samples = len({found.key for found in errors})
    page.text(
        f"{len(errors):,} errors in {samples:,} samples that are not set aside."
        if errors
        else "Healthy: no sample in use has an error."
    )
    if diagnosis.findings:
        _put(page, finding_table(diagnosis))
    page.heading("Splits")
    _put(page, split_table(diagnosis))
    if (depths := depth_table(diagnosis)).rows:
        _put(page, depths)
    splits = {name: found for name, found in diagnosis.splits.items() if found.masks}
    if splits:
        page.heading("Classes")
        page.figure(
            plots.shares(
                diagnosis.space.names,
                {name: [item.share for item in of.classes] for name, of in splits.items()},
                label="percent of the labelled pixels",
            ),
            "Over the usable samples on which the class was annotated.",
        )
        _put(page, class_share_table(diagnosis))
        _put(page, weight_table(diagnosis))
    if diagnosis.tags or diagnosis.many_valued:
        page.heading("Tags")
        for table in tag_tables(diagnosis):
            _put(page, table)
        for tag, count in diagnosis.many_valued.items():
            page.text(f"{printable(tag)}: {count:,} values.")
    if diagnosis.leaks:
        _show_leaks(page, diagnosis, root)
    by_code: defaultdict[str, list[Finding]] = defaultdict(list)
    for found in diagnosis.findings:
        by_code[found.code].append(found)
    if any(found.key for found in diagnosis.findings):
        page.heading("The samples")
        page.text("Picture and mask over it; ignored pixels are dark, ids without a class white.")
        page.swatches({item.name: item.color for item in diagnosis.space.classes})
    for code, findings in by_code.items():
        if code != "leak":
            _show_kind(page, code, findings, diagnosis, root)
    return page


def _put(page: Page, table: Table) -> None:
    page.table(table.headers, table.rows)


def _show_leaks(page: Page, diagnosis: Diagnosis, root: Path) -> None:
    leaks = sorted(diagnosis.leaks, key=lambda leak: -leak.similarity)
    page.heading(f"In two splits: {len(leaks):,}")
    page.text(
        f"Pictures of a later split, each beside the one in an earlier split that it is most like, "
        f"the most alike first; {min(_LEAKS, len(leaks))} of {len(leaks):,} are shown."
    )
    for leak in leaks[:_LEAKS]:
        page.images(_side_by_side(leak, diagnosis, root), max_width=_WIDTH)


def _side_by_side(leak: Leak, diagnosis: Diagnosis, root: Path) -> Iterable[tuple[np.ndarray, str]]:
    how = "the same file" if leak.same_file else f"similarity {leak.similarity:.3f}"
    for split, name, more in (
        (leak.split, leak.id, how),
        (leak.twin_split, leak.twin_id, f"and {leak.twins - 1:,} more are alike"),
    ):
        yield (
            _picture(root, diagnosis.pictures.get((split, name))),
            printable(f"{split}/{name}, {more}"),
        )


def _show_kind(
    page: Page, code: str, findings: list[Finding], diagnosis: Diagnosis, root: Path
) -> None:
    check = CHECKS[code]
    page.heading(f"{code.replace('_', ' ')}: {len(findings):,}")
    page.text(f"{check.severity}: {check.meaning}. What to do: {check.fix}.")
    page.table(("where and what",), [(printable(str(found)),) for found in findings[:_LISTED]])
    if len(findings) > _LISTED:
        page.text(f"{len(findings) - _LISTED:,} more are in report.json.")
    keys = dict.fromkeys(found.key for found in findings if found.key is not None)
    for split, name in islice(keys, _SHOWN):
        rgb = _picture(root, diagnosis.pictures.get((split, name)))
        ids = _mask(root, split, name)
        shown = [
            (rgb, printable(f"{split}/{name}")),
            (_overlay(rgb, ids, diagnosis.space), "mask"),
        ]
        if code == "interpolated" and ids is not None:
            part = _closer(ids, rgb.shape[:2], diagnosis.space)
            shown.append((part, f"middle of the mask, x {_CLOSER}"))
        page.images(shown, max_width=_WIDTH)


def _picture(root: Path, file: str | None) -> np.ndarray:
    """A picture at the size it is shown; a grey one where there is none that can be read."""
    try:
        if file is not None:
            rgb = read_rgb(inside(root, file))
            height = max(1, round(rgb.shape[0] * _WIDTH / rgb.shape[1]))
            return cv2.resize(rgb, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    except CurbsideError:
        pass
    return np.full((_WIDTH * 9 // 16, _WIDTH, 3), _GREY, np.uint8)


def _mask(root: Path, split: str, name: str) -> np.ndarray | None:
    try:
        ids = read_ids(inside(root, f"{split}/masks/{name}.png"))
    except CurbsideError:
        return None
    return np.minimum(ids, IGNORE_ID).astype(np.uint8)


def _overlay(rgb: np.ndarray, ids: np.ndarray | None, space: LabelSpace) -> np.ndarray:
    if ids is None:
        return np.full_like(rgb, _GREY)
    small = resize_ids(ids, rgb.shape[:2])
    frame = np.ascontiguousarray(rgb[..., ::-1])
    return blend_classes(frame, small, _palette(space), alpha=0.6)[..., ::-1]


def _closer(ids: np.ndarray, size_hw: tuple[int, ...], space: LabelSpace) -> np.ndarray:
    """The middle of a mask so large that its pixels are seen, at most of the size given."""
    height, width = (
        min(*sides)
        for sides in zip(ids.shape, (max(1, side // _CLOSER) for side in size_hw), strict=True)
    )
    top, left = (ids.shape[0] - height) // 2, (ids.shape[1] - width) // 2
    part = ids[top : top + height, left : left + width]
    return np.kron(_palette(space)[part], np.ones((_CLOSER, _CLOSER, 1), np.uint8))


def _palette(space: LabelSpace) -> np.ndarray:
    palette = space.palette.copy()
    palette[~space.known] = _STRANGE_RGB
    return palette
