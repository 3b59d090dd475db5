"""The finest classes at which two label spaces can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LabelError
from .space import LabelClass, LabelSpace
from .taxonomy import ClassMap, LabelMap, counted, mapping, things_of

__all__ = ["CommonSpace", "common", "joined"]


@dataclass(frozen=True, kw_only=True)
class CommonSpace:
    """The finest classes that two spaces can both be brought to."""

    space: LabelSpace
    """The common classes, with ids 0, 1, 2, ..."""
    first: LabelMap
    """From the first space to them."""
    second: LabelMap
    """From the second space to them."""

    def to_dict(self) -> dict[str, Any]:
        """The common space and the ways to it as JSON values."""
        return {
            "label_space": self.space.to_dict(),
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
        }


@dataclass(frozen=True)
class _Group:
    """Classes of both spaces that hang together, each in its space's order."""

    sides: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def name(self) -> str:
        """That of the one class that it is on a side, else those of the side with fewer."""
        left, right = self.sides
        return "+".join(left if len(left) <= len(right) else right)


def common(first: LabelSpace, second: LabelSpace) -> CommonSpace:
    """The finest classes that both spaces can be brought to.

    Two classes belong together where they share a thing that decides both, or where a mask's map
    (`mapping`) would turn one into the other; what hangs together is one common class. Classes
    without a partner are ignored.

    Raises:
        LabelError: The two have nothing in common.
    """
    groups = _groups(first, second)
    if not groups:
        raise LabelError(
            f"{first.name} and {second.name} have no class in common",
            fix="see their classes with: curbside labels SPACE",
        )
    classes = tuple(_class(index, group, first, second) for index, group in enumerate(groups))
    space = LabelSpace(name=f"{first.name} & {second.name}", classes=classes)
    ways = []
    for side, (whole, other) in enumerate(((first, second), (second, first))):
        becomes = {member: (group.name,) for group in groups for member in group.sides[side]}
        rows = [
            ClassMap(source=member, kind="one to one", targets=becomes[member])
            if member in becomes
            else ClassMap(source=member, kind="lost", remark=f"{other.name} has nothing like it")
            for member in whole.names
        ]
        ways.append(
            LabelMap(
                source=whole,
                target=space,
                classes=counted(rows),
                by_name=things_of(first, second)[2],
            )
        )
    return CommonSpace(space=space, first=ways[0], second=ways[1])


def _groups(first: LabelSpace, second: LabelSpace) -> list[_Group]:
    """The connected components of the classes that belong together, in the first space's order."""
    ours, theirs, _ = things_of(first, second)
    becomes = {row.source: row.target for row in mapping(first, second).classes}
    back = {row.source: row.target for row in mapping(second, first).classes}
    found: list[tuple[set[str], set[str]]] = []
    for name, things in ours.items():
        partners = {
            other
            for other, held in theirs.items()
            if other == becomes[name]
            or back[other] == name
            or any(decides and held.get(thing) for thing, decides in things.items())
        }
        touched = [group for group in found if group[1] & partners]
        if partners:
            found = [group for group in found if group not in touched]
            found.append(
                (
                    {name}.union(*(group[0] for group in touched)),
                    partners.union(*(group[1] for group in touched)),
                )
            )
    groups = [
        _Group(
            (
                tuple(name for name in first.names if name in left),
                tuple(name for name in second.names if name in right),
            )
        )
        for left, right in found
    ]
    return sorted(groups, key=lambda group: first.names.index(group.sides[0][0]))


def _class(index: int, group: _Group, first: LabelSpace, second: LabelSpace) -> LabelClass:
    held = [
        item
        for space, names in zip((first, second), group.sides, strict=True)
        for item in space.classes
        if item.name in names
    ]
    return LabelClass(
        id=index,
        name=group.name,
        color=next((item.color for item in held if item.name == group.name), held[0].color),
        has_instances=all(item.has_instances for item in held),
    )


def joined(found: Sequence[CommonSpace]) -> list[CommonSpace]:
    """Common spaces that have their second space in common, brought to the finest classes of all.

    A class of the second space that has no partner in one of the first spaces is ignored for all. The
    classes stand in the order of the second space; with a binary one among the first, in its order and
    with its names, as id 1 is what it looks for.

    Args:
        found: At least one, as `common` made them.

    Raises:
        LabelError: Nothing is left.
    """
    second = found[0].second.source
    ways = [{row.source: row.target for row in item.second.classes} for item in found]
    parts: list[list[str]] = []  # classes of the second space that hang together
    for name in second.names:
        if all(way[name] for way in ways):
            touched = [p for p in parts if any(way[name] == way[m] for m in p for way in ways)]
            rest = [part for part in parts if part not in touched]
            parts = [*rest, [*(member for part in touched for member in part), name]]
    if not parts:
        firsts = ", ".join(dict.fromkeys(item.first.source.name for item in found))
        raise LabelError(
            f"{firsts} and {second.name} have no class in common",
            fix="see their classes with: curbside labels SPACE",
        )
    asks = next((n for n, item in enumerate(found) if item.first.source.binary), None)
    if asks is None:
        parts.sort(key=lambda part: second.names.index(part[0]))
    else:
        parts.sort(key=lambda part: found[asks].space.names.index(str(ways[asks][part[0]])))
    classes = tuple(_joint(index, part, second, found) for index, part in enumerate(parts))
    if asks is not None and len(parts) == len(found[asks].space.classes):
        classes = found[asks].space.classes  # else nobody would know it for yes or no
    names = dict.fromkeys([*(item.first.source.name for item in found), second.name])
    space = LabelSpace(name=" & ".join(names), classes=classes)
    ends = {m: item.name for part, item in zip(parts, classes, strict=True) for m in part}
    by_name = any(item.first.by_name for item in found)
    made = []
    for item, way in zip(found, ways, strict=True):
        groups = {way[member]: end for member, end in ends.items()}
        ends_of_first = {row.source: groups.get(row.target) for row in item.first.classes}
        made.append(
            CommonSpace(
                space=space,
                first=_led(item.first.source, space, ends_of_first, by_name),
                second=_led(second, space, ends, by_name),
            )
        )
    return made


def _joint(
    index: int, part: Sequence[str], second: LabelSpace, found: Sequence[CommonSpace]
) -> LabelClass:
    held = [item for item in second.classes if item.name in part]
    names = {str(row.target) for f in found for row in f.second.classes if row.source in part}
    return LabelClass(
        id=index,
        name=names.pop() if len(names) == 1 else "+".join(part),
        color=held[0].color,
        has_instances=all(item.has_instances for item in held),
    )


def _led(
    source: LabelSpace, target: LabelSpace, ends: Mapping[str, str | None], by_name: bool
) -> LabelMap:
    rows = [
        ClassMap(source=name, kind="one to one", targets=(end,))
        if (end := ends.get(name)) is not None
        else ClassMap(source=name, kind="lost", remark="not all spaces have it")
        for name in source.names
    ]
    return LabelMap(source=source, target=target, classes=counted(rows), by_name=by_name)
