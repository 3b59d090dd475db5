"""How much of what networks said became labels, by class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluation import Page, Table, write_files

if TYPE_CHECKING:
    from .labeller import Labeller

__all__ = ["ACCEPTED", "Acceptance", "read_acceptance", "write_report"]

ACCEPTED = ("pixels", "sure_pixels", "objects", "sure_objects", "lost_objects", "depth_pixels")
"""The counts that are kept of every picture, by class all but the last; see `Labels`."""
_ALWAYS = ACCEPTED[:4]


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """How much of what networks said became labels."""

    teacher: str
    """The networks in words."""
    label_space: str
    """The label space of the labels."""
    confidence: float
    """What they had to be sure of."""
    doubt: float
    """Below it, an object was no object."""
    temperature: float | None
    """What the semantic network's scores were divided by first; None where it was never fitted."""
    images: int
    """Pictures that were labelled."""
    unreadable: tuple[str, ...]
    """What was wrong with those that were left out."""
    pixels: Mapping[str, int]
    """Pixels by the class that the semantic network said."""
    sure_pixels: Mapping[str, int]
    """Those of them that became labels."""
    objects: Mapping[str, int]
    """Objects that were found, by class."""
    sure_objects: Mapping[str, int]
    """Those of them that became labels."""
    lost_objects: Mapping[str, int]
    """Objects that the label space has no one countable class for, by what the network calls them."""
    depth_pixels: Mapping[str, int]
    """Pixels whose depth the network `said`, and those that it is `kept` for."""
    kept: Mapping[str, int]
    """Pictures by what they had been labelled with before, and kept."""

    @classmethod
    def of(
        cls,
        rows: Iterable[Mapping[str, Any]],
        labeller: Labeller,
        *,
        unreadable: tuple[str, ...] = (),
    ) -> Acceptance:
        """The sum over pictures.

        Args:
            rows: What `acceptance.jsonl` holds of each.
            labeller: Who labelled them.
            unreadable: What was wrong with those that were left out.
        """
        sums: dict[str, Counter[str]] = {name: Counter() for name in (*ACCEPTED, "kept")}
        images = 0
        for row in rows:
            images += 1
            for name, counter in sums.items():
                counter.update(row.get(name, {}))
        return cls(
            teacher=labeller.title,
            label_space=labeller.space.name,
            confidence=labeller.config.confidence,
            doubt=labeller.config.doubt,
            temperature=labeller.temperature,
            images=images,
            unreadable=unreadable,
            **{name: dict(counter.most_common()) for name, counter in sums.items()},
        )

    @property
    def table(self) -> Table:
        """The classes, most said first; no row where depth alone was told."""
        columns = [
            (title, said, sure)
            for title, said, sure in (
                ("pixels said", self.pixels, self.sure_pixels),
                ("objects found", self.objects, self.sure_objects),
            )
            if said
        ]
        names = dict.fromkeys([*self.pixels, *self.objects])
        rows = [
            (name, *_cells((said.get(name, 0), sure.get(name, 0)) for _, said, sure in columns))
            for name in names
        ]
        sums = ((sum(said.values()), sum(sure.values())) for _, said, sure in columns)
        return Table(
            headers=("class", *chain(*((title, "became labels") for title, _, _ in columns))),
            rows=(*rows, ("all", *_cells(sums))) if rows else (),
        )

    @property
    def about(self) -> str:
        """What was done, in a sentence or two."""
        said = f"{self.images:,} pictures labelled in {self.label_space} by {self.teacher}"
        if self.temperature is not None:
            said += f", whose scores were divided by the temperature {self.temperature:.3f} first"
        said += f".{self._classes}{self._lost}{self._depth}"
        if self.kept:
            kept = ", ".join(f"{name} of {count:,}" for name, count in self.kept.items())
            said += (
                f" Kept was what pictures were labelled with, and networks gave the rest: {kept}."
            )
        return said

    @property
    def warning(self) -> str:
        """What is to be said first of labels by scores that mean nothing yet; empty where they do."""
        if self.temperature is not None or not self.pixels:
            return ""
        return (
            f"the scores of {self.teacher} had never been calibrated, so that {self.confidence:g} says"
            " little: fit one first: curbside calibrate RUN DATA"
        )

    @property
    def _classes(self) -> str:
        if not self.pixels and not self.objects:
            return ""
        return (
            f" Pixels and objects count from a probability of {self.confidence:g} on; objects down to"
            f" {self.doubt:g} are groups, which nothing learns from."
        )

    @property
    def _depth(self) -> str:
        said = self.depth_pixels.get("said", 0)
        if not said:
            return ""
        share = self.depth_pixels.get("kept", 0) / said
        return f" Depth was told for {said:,} pixels, and {share:.1%} of them got it."

    @property
    def _lost(self) -> str:
        if not self.lost_objects:
            return ""
        said = ", ".join(f"{count} {name}" for name, count in self.lost_objects.items())
        return f" Left out, as {self.label_space} has no one countable class for them: {said}."


def read_acceptance(folder: Path) -> list[dict[str, Any]]:
    """The counts of every picture that was labelled; a line cut off by a kill counts as nothing."""
    path = folder / "acceptance.jsonl"
    if not path.is_file():
        return []
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            if all(isinstance(row[name], dict) for name in _ALWAYS):
                found[row["split"], row["id"]] = row
        except (ValueError, TypeError, KeyError):
            continue
    return list(found.values())


def write_report(acceptance: Acceptance, out: Path) -> Path:
    """Write `report.json`, `report.md` and `report.html` into a folder.

    Returns:
        The path of `report.html`.

    Raises:
        StorageError: The place cannot be written.
    """
    page = Page("Pseudo-labels")
    page.text(acceptance.about)
    if acceptance.warning:
        page.text(f"Warning: {acceptance.warning}")
    if acceptance.table.rows:
        page.put(acceptance.table)
    for message in acceptance.unreadable:
        page.text(f"Left out: {message}")
    table = acceptance.table.markdown() if acceptance.table.rows else ""
    said = (acceptance.about, acceptance.warning, table)
    text = "\n\n".join(part for part in said if part) + "\n"
    return write_files(out, data=asdict(acceptance), text=text, page=page)


def _cells(counts: Iterable[tuple[int, int]]) -> Iterator[str]:
    """How many were said, and the share of them that became labels, for each kind."""
    for said, sure in counts:
        yield f"{said:,}"
        yield f"{sure / said:.1%}" if said else ""
