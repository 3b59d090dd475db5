"""What the classes of one label space are in another.

`tables/taxonomy.csv` is the one audited table behind it. Its rows are the finest distinctions that
any shipped space makes, its columns the spaces: a cell names the class that such a thing belongs to
there, and is empty where it is ignored. A cell in parentheses follows and does not decide: a small
part of that class (animals among persons), or a thing which that dataset has not and would paint so.
Several classes in a cell, with `|` between them, share the thing: COCO's ten animals are one thing here.
The column `note` says why, where it is no matter of course.

`coco80` and `idd5` are spaces of single objects. Most of COCO's classes stand in no row: no road scene
holds them.

A space that does not ship is known by its classes: those of a shipped space under whatever name, or
else it is compared by the names of its classes alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np

from ..errors import LabelError
from .space import IGNORE_ID, LabelSpace
from .tables import load_space, read_table, space_names

__all__ = ["ClassMap", "LabelMap", "counted", "counterparts", "covered", "mapping", "things_of"]

Kind = Literal["one to one", "many to one", "one to several", "lost"]


@dataclass(frozen=True, kw_only=True)
class ClassMap:
    """Where one class goes."""

    source: str
    """The class."""
    kind: Kind
    """The pixels of `one to several` and `lost` are ignored."""
    targets: tuple[str, ...] = ()
    """What it is in the other space: one class; several where the other space is finer; none."""
    remark: str = ""
    """What of it goes elsewhere, and what is not quite so."""

    @property
    def target(self) -> str | None:
        """The class that its pixels become; None where they are ignored."""
        return self.targets[0] if self.kind in ("one to one", "many to one") else None


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """How the masks of one space become masks of another."""

    source: LabelSpace
    """The space of the masks that go in."""
    target: LabelSpace
    """The space of the masks that come out."""
    classes: tuple[ClassMap, ...]
    """Where each class of the source goes, in the source's order."""
    by_name: bool = False
    """Whether nothing but the names of the classes was known."""

    @cached_property
    def table(self) -> np.ndarray:
        """What every pixel value becomes: (256,) uint8, 255 where it is ignored."""
        ids = dict(zip(self.target.names, self.target.ids, strict=True))
        table = np.full(256, IGNORE_ID, np.uint8)
        for item, row in zip(self.source.classes, self.classes, strict=True):
            if row.target is not None:
                table[item.id] = ids[row.target]
        return table

    @property
    def lost(self) -> tuple[ClassMap, ...]:
        """The classes whose pixels are ignored in the target."""
        return tuple(row for row in self.classes if row.target is None)

    @property
    def unfed(self) -> tuple[str, ...]:
        """The classes of the target that no class of the source becomes."""
        fed = {row.target for row in self.classes}
        return tuple(name for name in self.target.names if name not in fed)

    def apply(self, ids: np.ndarray) -> np.ndarray:
        """A mask of the source, (H, W) uint8, as a mask of the target, (H, W) uint8."""
        return np.take(self.table, ids)

    def compose(self, other: LabelMap) -> LabelMap:
        """This map and then `other`: its table is `other.table[self.table]`.

        What both ends tell apart and the middle does not is ignored, and what the middle only takes
        in (its cell is in parentheses) leaves it as all of that class does: the direct map is the
        better one wherever there is one.

        Raises:
            LabelError: The other map does not start where this one ends.
        """
        if _meaning(self.target) != _meaning(other.source):
            raise LabelError(
                f"a map to {self.target.name} cannot be followed by one from {other.source.name}",
                fix=f"give a map from {self.target.name}",
            )
        after = {row.source: row for row in other.classes}
        rows = [
            ClassMap(source=row.source, kind="lost", remark=row.remark)
            if row.target is None
            else replace(after[row.target], source=row.source)
            for row in self.classes
        ]
        by_name = self.by_name or other.by_name
        return LabelMap(
            source=self.source, target=other.target, classes=counted(rows), by_name=by_name
        )

    def to_dict(self) -> dict[str, Any]:
        """The map as JSON values."""
        return {
            "source": self.source.name,
            "target": self.target.name,
            "by_name": self.by_name,
            "classes": [
                {
                    "source": row.source,
                    "kind": row.kind,
                    "target": row.target,
                    "targets": list(row.targets),
                    "remark": row.remark,
                }
                for row in self.classes
            ],
            "unfed": list(self.unfed),
        }


def mapping(source: LabelSpace, target: LabelSpace) -> LabelMap:
    """How masks of `source` become masks of `target`.

    A class goes where all the things that decide it are in the target. Where they are in several
    classes, or some in none, its pixels cannot be told apart and are ignored.
    """
    ours, theirs, by_name = things_of(source, target)
    where: dict[str, list[str]] = {}
    for name, things in theirs.items():
        for thing in things:
            where.setdefault(thing, []).append(name)
    rows = [_row(item, ours[item], where, theirs) for item in source.names]
    return LabelMap(source=source, target=target, classes=counted(rows), by_name=by_name)


def counterparts(source: LabelSpace, target: LabelSpace) -> dict[str, tuple[str, ...]]:
    """What a class of one space may be in another: the classes that share a thing with it.

    Looser than `mapping`: a person of COCO may be a person or a rider of Cityscapes, and an animal a
    pedestrian of CamVid.

    Returns:
        For every class of `source`, classes of `target` in their order; none where it has no such thing.
    """
    ours, theirs, _ = things_of(source, target)
    return {
        name: tuple(other for other, held in theirs.items() if held.keys() & things.keys())
        for name, things in ours.items()
    }


def covered(source: LabelSpace, target: LabelSpace) -> tuple[str, ...]:
    """The classes of `target` of which `source` tells all: each thing that decides one is in a class that
    becomes it. COCO tells all cars of IDD; its persons may be riders, so that it does not tell all of
    either, though its animals become persons.
    """
    ours, theirs, _ = things_of(source, target)
    told: dict[str, set[str]] = {}
    for row in mapping(source, target).classes:
        if row.target is not None:
            told.setdefault(row.target, set()).update(ours[row.source])
    return tuple(
        name
        for name, things in theirs.items()
        if name in told and {t for t in things if things[t]} <= told[name]
    )


def _row(
    name: str,
    things: Mapping[str, bool],
    where: Mapping[str, Sequence[str]],
    theirs: Mapping[str, Mapping[str, bool]],
) -> ClassMap:
    deciding = [thing for thing, decides in things.items() if decides] or list(things)
    targets = tuple(dict.fromkeys(other for thing in deciding for other in where.get(thing, ())))
    nowhere = ", ".join(thing for thing in deciding if thing not in where)
    if not targets:
        return ClassMap(source=name, kind="lost", remark="there is no such class")
    if len(targets) > 1 or nowhere:
        remark = f"{nowhere} would be ignored" if nowhere else ""
        return ClassMap(source=name, kind="one to several", targets=targets, remark=remark)
    (target,) = targets
    remarks = []
    if not any(theirs[target][thing] for thing in deciding):
        remarks.append(f"{target} is mostly other things")
    for thing in things:
        if thing not in where:
            remarks.append(f"{thing} is ignored there")
        elif target not in where[thing] and theirs[where[thing][0]][thing]:
            remarks.append(f"{thing} is {' or '.join(where[thing])} there")
    return ClassMap(source=name, kind="one to one", targets=targets, remark="; ".join(remarks))


def counted(rows: Iterable[ClassMap]) -> tuple[ClassMap, ...]:
    """The rows, those whose target other rows share as `many to one`, the others `one to one`."""
    rows = list(rows)
    count = Counter(row.target for row in rows)
    return tuple(
        row
        if row.target is None
        else replace(row, kind="one to one" if count[row.target] == 1 else "many to one")
        for row in rows
    )


def things_of(
    first: LabelSpace, second: LabelSpace
) -> tuple[Mapping[str, Mapping[str, bool]], Mapping[str, Mapping[str, bool]], bool]:
    """What the classes of two spaces hold, in terms that compare.

    Returns:
        For each space, by class, the things it holds, true for those that decide it; and whether
        nothing but the names of the classes was known.
    """
    known = _shipped(first), _shipped(second)
    if known[0] is not None and known[1] is not None:
        return _column(known[0]), _column(known[1]), False
    return _named(first), _named(second), True


@cache
def _columns() -> tuple[str, ...]:
    """The shipped spaces that the table knows."""
    columns = read_table("taxonomy.csv")[0]
    return tuple(name for name in space_names() if name in columns)


@cache
def _column(name: str) -> Mapping[str, Mapping[str, bool]]:
    found: dict[str, dict[str, bool]] = {item: {} for item in load_space(name).names}
    for row in read_table("taxonomy.csv"):
        cell = row[name]
        for item in cell.strip("()").split("|") if cell else ():
            found[item][row["thing"]] = not cell.startswith("(")
    return found


def _shipped(space: LabelSpace) -> str | None:
    """The space of the table with these classes, that of the same name first."""
    names = sorted(_columns(), key=lambda name: name != space.name)
    return next((name for name in names if _meaning(load_space(name)) == _meaning(space)), None)


def _named(space: LabelSpace) -> Mapping[str, Mapping[str, bool]]:
    """Every class as one thing of its name, without case and hyphens where that stays unique."""
    plain = {name: " ".join(name.lower().translate(_DRESS).split()) for name in space.names}
    count = Counter(plain.values())
    return {name: {bare if count[bare] == 1 else name: True} for name, bare in plain.items()}


_DRESS = str.maketrans("_-", "  ")


def _meaning(space: LabelSpace) -> dict[int, str]:
    return {item.id: item.name for item in space.classes}
