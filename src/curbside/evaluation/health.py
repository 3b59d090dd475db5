"""The report of the doctor: tables, `report.json`, `report.html` and `class_weights.json`."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from ..files import write_text
from ..prepared import CHECKS, Diagnosis, Finding, Leak
from . import plots, thumbnails
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
_WIDTH, _SMALL = 340, 160  # pixels
_CLOSER = 4


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
        page.put(finding_table(diagnosis))
    page.heading("Splits")
    page.put(split_table(diagnosis))
    _show_examples(page, diagnosis, root)
    if (depths := depth_table(diagnosis)).rows:
        page.heading("Depth")
        page.put(depths)
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
        page.put(class_share_table(diagnosis))
    if (weights := weight_table(diagnosis)).rows:
        page.heading("Class weights")
        page.text("For the loss, from the pixels of train; class_weights.json holds them, too.")
        page.put(weights)
    if diagnosis.tags or diagnosis.many_valued:
        page.heading("Tags")
        for table in tag_tables(diagnosis):
            page.put(table)
        for tag, count in diagnosis.many_valued.items():
            page.text(f"{printable(tag)}: {count:,} values.")
    if diagnosis.leaks:
        _show_leaks(page, diagnosis, root)
    by_code: defaultdict[str, list[Finding]] = defaultdict(list)
    for found in diagnosis.findings:
        by_code[found.code].append(found)
    for code, findings in by_code.items():
        if code != "leak":
            _show_kind(page, code, findings, diagnosis, root)
    return page


def _show_examples(page: Page, diagnosis: Diagnosis, root: Path) -> None:
    page.heading("Samples")
    page.text(
        "Each picture, and its mask over it: ignored pixels are dark, ids without a class white."
    )
    if any(of.depth is not None for of in diagnosis.splits.values()):
        page.text("Without a mask, its depth from red (near) to blue (far); unknown is black.")
    page.swatches({item.name: item.color for item in diagnosis.space.classes})
    for split, names in diagnosis.examples.items():
        if names:
            page.text(f"{split}: {len(names)} of {diagnosis.splits[split].samples:,}")
            shown = (_example(diagnosis, root, split, name) for name in names)
            page.images(zip(shown, map(printable, names), strict=True), max_width=_SMALL)


def _example(diagnosis: Diagnosis, root: Path, split: str, name: str) -> np.ndarray:
    """A picture above its mask or depth."""
    rgb = thumbnails.picture(root, diagnosis.pictures.get((split, name)), _SMALL)
    ids = thumbnails.read_mask(root, split, name)
    if ids is not None:
        return np.vstack([rgb, thumbnails.overlay(rgb, ids, diagnosis.space)])
    depth = thumbnails.colored_depth(root, split, name, rgb.shape[:2])
    return rgb if depth is None else np.vstack([rgb, depth])


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
    how = ", the same file" if leak.same_file else f", similarity {leak.similarity:.3f}"
    how += ", mirrored" if leak.mirrored else ""
    more = f", and {leak.twins - 1:,} more are alike" if leak.twins > 1 else ""
    for split, name, said in (
        (leak.split, leak.id, how),
        (leak.twin_split, leak.twin_id, more),
    ):
        rgb = thumbnails.picture(root, diagnosis.pictures.get((split, name)), _WIDTH)
        yield rgb, printable(f"{split}/{name}{said}")


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
        rgb = thumbnails.picture(root, diagnosis.pictures.get((split, name)), _WIDTH)
        ids = thumbnails.read_mask(root, split, name)
        shown = [
            (rgb, printable(f"{split}/{name}")),
            (thumbnails.overlay(rgb, ids, diagnosis.space), "mask"),
        ]
        if code == "interpolated" and ids is not None:
            part = thumbnails.closer(ids, rgb.shape[:2], diagnosis.space, _CLOSER)
            shown.append((part, f"middle of the mask, x {_CLOSER}"))
        page.images(shown, max_width=_WIDTH)
