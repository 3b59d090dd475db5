"""`examine`: everything that is wrong with a prepared folder, and what is in it, in one pass."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..labels import LabelSpace
from ..processes import in_processes
from .borders import interpolated
from .duplicates import Leak, leaks, repeated
from .figures import ClassWeights, SplitFigures, class_weights, figures
from .findings import CHECKS, Finding
from .inspection import Case, Inspection, inspect
from .layout import SPLITS, TARGET_FOLDERS, SampleRecord
from .listing import Listing, list_folder
from .quarantine import Quarantine, read_quarantine

__all__ = ["Diagnosis", "examine"]

_EXAMPLES = 6
MAX_TAG_VALUES = 32
"""A tag with more values names pictures or drives; its values are only counted."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is wrong with a folder, and what it holds."""

    dataset: str
    """The name of the folder."""
    source: str
    """Where its data come from, in a word."""
    space: LabelSpace
    """What the ids of its masks mean."""
    samples: Mapping[str, int]
    """Samples per split, all that are listed."""
    findings: tuple[Finding, ...]
    """What is wrong, in the order of `CHECKS`, then of the samples."""
    leaks: tuple[Leak, ...]
    """Pictures that an earlier split holds, too."""
    quarantine: Quarantine
    """The samples that are set aside, those of this examination included."""
    added: int
    """How many of them this examination adds to those that were."""
    released: int
    """How many were set aside before and are no more."""
    splits: Mapping[str, SplitFigures]
    """Figures of each split, over its usable samples: without errors, not set aside."""
    tags: Mapping[str, Mapping[str, Mapping[str, int]]]
    """Usable samples per tag, value and split."""
    many_valued: Mapping[str, int]
    """Tags with too many values to list, and how many."""
    examples: Mapping[str, tuple[str, ...]]
    """Some usable samples of each split, spread evenly."""
    pictures: Mapping[tuple[str, str], str]
    """The picture, relative to the root, of every example and every sample that a finding or a leak
    names."""
    weights: ClassWeights | None
    """Class weights from the train split; None where no pixel of it is labelled."""
    seconds: float
    """Wall time."""

    @property
    def open_errors(self) -> tuple[Finding, ...]:
        """The errors of samples that are not set aside."""
        return tuple(
            found
            for found in self.findings
            if found.check.severity == "error" and found.key not in self.quarantine
        )

    @property
    def recovered(self) -> tuple[tuple[str, str], ...]:
        """Samples that are set aside and have nothing wrong any more."""
        wrong = {
            found.key
            for found in self.findings
            if found.check.severity == "error" or found.code == "leak"
        }
        return tuple(sorted(key for key in self.quarantine if key not in wrong))

    def class_weights(self) -> dict[str, Any] | None:
        """The class weights as JSON values, the form of `class_weights.json`."""
        if self.weights is None:
            return None
        return {
            "space": self.space.name,
            "split": SPLITS[0],
            "classes": list(self.space.names),
            "schemes": {name: list(values) for name, values in vars(self.weights).items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON values, the same ones for the same folder."""
        counts = Counter(found.code for found in self.findings)
        aside = Counter(split for split, _ in self.quarantine)
        return {
            "dataset": self.dataset,
            "source": self.source,
            "label_space": self.space.name,
            "healthy": not self.open_errors,
            "counts": {code: counts[code] for code in CHECKS if counts[code]},
            "splits": {
                split: {
                    "listed": self.samples[split],
                    "set_aside": aside[split],
                    **found.to_dict(),
                }
                for split, found in self.splits.items()
            },
            "tags": {
                tag: {value: dict(of) for value, of in values.items()}
                for tag, values in self.tags.items()
            },
            "tags_of_many_values": dict(self.many_valued),
            "class_weights": self.class_weights(),
            "leaks": [leak.to_dict() for leak in self.leaks],
            "quarantine": [
                {"split": split, "id": name, "reasons": list(reasons)}
                for (split, name), reasons in sorted(self.quarantine.items())
            ],
            "recovered": [list(key) for key in self.recovered],
            "findings": [
                {**found.to_dict(), "set_aside": found.key in self.quarantine}
                for found in self.findings
            ],
        }


def examine(
    root: Path,
    *,
    space: LabelSpace | None = None,
    workers: int | None = None,
    quarantine: bool = False,
    quarantine_leaks: bool = False,
    release: bool = False,
) -> Diagnosis:
    """Look at every file of a folder; nothing is written.

    The answer depends on the folder alone. `write_quarantine` makes its `quarantine` true.

    Args:
        root: A prepared folder, or a bare tree of `<split>/images` and `<split>/masks`.
        space: The label space of a bare tree.
        workers: Processes; as many as there are cores where not given.
        quarantine: Set samples with errors aside.
        quarantine_leaks: Set samples aside whose picture an earlier split holds, too.
        release: Take no notice of what was set aside before.

    Raises:
        DataError: There is no such folder, it is unfinished, or what lists its samples is not
            readable.
        ConfigError: The number of workers is impossible.
    """
    started = time.perf_counter()
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers cannot work", fix="give 1 or more")
    root = Path(root)
    listing = list_folder(root, space)
    before = read_quarantine(root)
    aside = {} if release else dict(before)
    cases = [Case.of(sample) for sample in listing.samples]
    work = partial(inspect, root=root, space=listing.space)
    with closing(in_processes(work, cases, workers, "examining", unit="samples")) as results:
        seen = list(results)
    for item, suspect in zip(seen, interpolated([item.borders for item in seen]), strict=True):
        if suspect:
            message = (
                f"at least {item.borders:.0%} of the borders between two classes "
                "go through an id that lies between theirs"
            )
            item.add("interpolated", dict(item.case.targets)["semantic"], message)

    findings = list(chain.from_iterable(item.findings for item in seen))
    broken = {found.key for found in findings if found.check.severity == "error"}
    if quarantine:
        _set_aside(aside, [found for found in findings if found.key in broken])
    leaking = []
    for number, split in enumerate(SPLITS[1:], start=1):
        of_split = [item for item in seen if item.case.split == split]
        earlier = [
            item
            for item in seen
            if item.case.split in SPLITS[:number] and (item.case.split, item.case.id) not in aside
        ]
        found_here = leaks(of_split, earlier)
        leaking += found_here
        if quarantine_leaks:
            _set_aside(aside, [leak.finding() for leak in found_here])
    findings += [leak.finding() for leak in leaking] + repeated(seen) + _orphans(root, seen)

    usable: dict[str, list[Inspection]] = {split: [] for split in SPLITS}
    for item in seen:
        key = item.case.split, item.case.id
        if key not in aside and key not in broken:
            usable[item.case.split].append(item)
    samples = Counter(case.split for case in cases)
    splits = {split: figures(usable[split], listing.space) for split in SPLITS if samples[split]}
    findings += _absent_classes(splits)
    examples = {split: _spread(usable[split]) for split in splits}
    named = {found.key for found in findings}
    named |= {(leak.twin_split, leak.twin_id) for leak in leaking}
    named |= {(split, name) for split, names in examples.items() for name in names}
    pictures = {
        (case.split, case.id): case.image
        for case in cases
        if case.image is not None and (case.split, case.id) in named
    }
    tags, many_valued = _tags(listing, {k for items in usable.values() for k in _keys(items)})
    return Diagnosis(
        dataset=root.resolve().name,
        source=str(listing.info.get("source", "unknown")),
        space=listing.space,
        samples={split: samples[split] for split in splits},
        findings=tuple(sorted(findings, key=lambda found: found.order)),
        leaks=tuple(leaking),
        quarantine=aside,
        added=len(aside.keys() - before.keys()),
        released=len(before.keys() - aside.keys()),
        splits=splits,
        tags=tags,
        many_valued=many_valued,
        examples=examples,
        pictures=pictures,
        weights=class_weights([item.pixels or {} for item in usable[SPLITS[0]]], listing.space),
        seconds=time.perf_counter() - started,
    )


def _spread(items: Sequence[Inspection]) -> tuple[str, ...]:
    """The names of some samples, evenly spaced."""
    count = min(_EXAMPLES, len(items))
    return tuple(items[(2 * n + 1) * len(items) // (2 * count)].case.id for n in range(count))


def _keys(items: Sequence[Inspection]) -> list[tuple[str, str]]:
    return [(item.case.split, item.case.id) for item in items]


def _set_aside(aside: dict[tuple[str, str], tuple[str, ...]], findings: Sequence[Finding]) -> None:
    """Add samples with the reasons; what stands there already stays as it is."""
    reasons: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for found in sorted(findings, key=lambda found: found.order):
        if found.key is not None and (found.check.severity == "error" or found.code == "leak"):
            reasons[found.key].append(f"{found.code}: {found}")
    for key, why in reasons.items():
        aside.setdefault(key, tuple(why))


def _orphans(root: Path, seen: Sequence[Inspection]) -> list[Finding]:
    """Files in the folders of the splits that belong to no sample."""
    listed = {file for item in seen for _, file in item.case.targets}
    listed |= {item.case.image for item in seen if item.case.image is not None}
    found = []
    for split in SPLITS:
        for name in ("images", *TARGET_FOLDERS.values()):
            try:
                there = sorted(os.listdir(root / split / name))
            except OSError:  # most are not there
                continue
            for file_name in there:
                file = f"{split}/{name}/{file_name}"
                if file not in listed and not file_name.startswith("."):
                    message = "is listed by no sample"
                    found.append(Finding(code="orphan", message=message, split=split, file=file))
    return found


def _absent_classes(splits: Mapping[str, SplitFigures]) -> list[Finding]:
    masked = {split: of for split, of in splits.items() if of.masks}
    found = []
    for index in range(min((len(of.classes) for of in masked.values()), default=0)):
        classes = {split: of.classes[index] for split, of in masked.items()}
        name = next(iter(classes.values())).name
        lacking = [split for split, of in classes.items() if not of.pixels]
        if len(lacking) == len(classes):
            found.append(Finding(code="absent", message=f"no split has a pixel of {name}"))
            continue
        for split in lacking:
            if split == SPLITS[0]:
                found += [
                    Finding(
                        code="untrained",
                        message=f"has {of.pixels:,} pixels of {name}, train has none",
                        split=later,
                    )
                    for later, of in classes.items()
                    if of.pixels
                ]
            else:
                found.append(Finding(code="absent", message=f"has no pixel of {name}", split=split))
    return found


def _tags(
    listing: Listing, usable: set[tuple[str, str]]
) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, int]]:
    counts: dict[str, dict[str, Counter[str]]] = {}
    for record in listing.samples:
        if isinstance(record, SampleRecord) and (record.split, record.id) in usable:
            for tag, value in record.tags.items():
                counts.setdefault(tag, {}).setdefault(value, Counter())[record.split] += 1
    many = {
        tag: len(values) for tag, values in sorted(counts.items()) if len(values) > MAX_TAG_VALUES
    }
    few = {
        tag: {
            value: {split: of[split] for split in SPLITS if of[split]}
            for value, of in sorted(values.items())
        }
        for tag, values in sorted(counts.items())
        if tag not in many
    }
    return few, many
