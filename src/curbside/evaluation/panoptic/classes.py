"""The classes at which a fused picture and data are compared, and maps of segments brought to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import LabelError
from ...labels import IGNORE_ID, PER_CLASS, CommonSpace, LabelClass, LabelSpace, common
from ...manifest import Manifest
from ..instances.classes import shared_things

__all__ = ["SharedSegments", "shared_segments"]

_OBJECT = " (object)"  # what fusion adds to a name that the class map has, too


@dataclass(frozen=True, kw_only=True)
class SharedSegments:
    """Where the classes of a fused picture and of data go to be compared."""

    space: LabelSpace
    """The classes at which they are compared; things are those that the data counts."""
    predicted: np.ndarray
    """What every id of the fused picture is here, (256,) uint8, 255 where it has no partner."""
    truth: np.ndarray
    """The same of the data's ids."""
    common: CommonSpace | None
    """How the class map's classes and the data's came to these, where they are not the same."""
    left_out: tuple[str, ...]
    """Classes that only objects have in the picture, without a partner: their pixels are void."""

    @property
    def first(self) -> int:
        """The lowest id: 1 where 0 would be a thing, as an instance map could not hold its objects."""
        return self.space.ids[0]

    def segments(self, values: np.ndarray, side: str) -> np.ndarray:
        """A map of segments in the common classes; objects are numbered anew, from 1 within a class.

        Args:
            values: (H, W) integers as in a prepared instance map.
            side: `predicted` or `truth`.

        Returns:
            (H, W) int32.
        """
        table = self.predicted if side == "predicted" else self.truth
        things = np.zeros(256, bool)
        things[[item.id for item in self.space.classes if item.has_instances]] = True
        seen = np.zeros(int(values.max()) + 1, bool)
        seen[values] = True
        present = np.flatnonzero(seen)
        single = present >= PER_CLASS
        classes = table[np.where(single, present // PER_CLASS, present)]
        becomes = classes.astype(np.int32)
        for class_id in np.unique(classes[single & things[classes]]).tolist():
            places = np.flatnonzero(single & (classes == class_id))[: PER_CLASS - 1]
            becomes[places] = class_id * PER_CLASS + np.arange(1, len(places) + 1)
        anew = np.full(len(seen), IGNORE_ID, np.int32)
        anew[present] = becomes
        return anew[values]

    def to_dict(self) -> dict[str, Any]:
        """The classes as JSON values."""
        return {
            "label_space": self.space.to_dict(),
            "common": None if self.common is None else self.common.to_dict(),
            "left_out": list(self.left_out),
        }


def shared_segments(
    fused: LabelSpace, semantic: Manifest, instances: Manifest, data: LabelSpace
) -> SharedSegments:
    """The classes that a fused picture and data have in common.

    The class map's classes and the data's are brought together by the taxonomy. What only objects have
    in the picture follows its network's classes.

    Args:
        fused: What the ids of the picture mean: the class map's classes, then those of objects alone.
        semantic: The Manifest of the network that gives the class map.
        instances: That of the network that finds objects.
        data: The data's label space.

    Raises:
        LabelError: The class map and the data have nothing in common, or the data counts nothing.
    """
    if not any(item.has_instances for item in data.classes):
        raise LabelError(
            f"{data.name} has no class with instances", fix="choose data whose objects are counted"
        )
    shown = semantic.space
    if {c.id: c.name for c in shown.classes} == {c.id: c.name for c in data.classes}:
        found = None
        ends = {name: name for name in data.names}
        ours, theirs, classes = ends, ends, data.classes
    else:
        found = common(shown, data)
        ours, theirs = (
            {row.source: row.target for row in way.classes if row.target is not None}
            for way in (found.first, found.second)
        )
        classes = found.space.classes
    space = _counted(classes, theirs, data, found.space.name if found else data.name)
    ids = dict(zip(space.names, space.ids, strict=True))
    extra = _extra(fused, shown, instances, data, theirs)
    things = {item.name for item in space.classes if item.has_instances}
    extra = {name: end for name, end in extra.items() if end in things}
    alone = [item.name for item in fused.classes if item.name not in shown.names]
    return SharedSegments(
        space=space,
        predicted=_table(fused, {**ours, **extra}, ids),
        truth=_table(data, theirs, ids),
        common=found,
        left_out=tuple(name for name in alone if name not in extra),
    )


def _counted(
    classes: Iterable[LabelClass], theirs: Mapping[str, str], data: LabelSpace, name: str
) -> LabelSpace:
    """The classes one after another, those with instances that the data counts whole."""
    counts = {item.name: item.has_instances for item in data.classes}
    made = [
        replace(
            item, has_instances=all(counts[own] for own, end in theirs.items() if end == item.name)
        )
        for item in classes
    ]
    first = int(made[0].has_instances)
    return LabelSpace(
        name=name,
        classes=tuple(replace(item, id=place) for place, item in enumerate(made, first)),
    )


def _extra(
    fused: LabelSpace,
    shown: LabelSpace,
    instances: Manifest,
    data: LabelSpace,
    theirs: Mapping[str, str],
) -> dict[str, str]:
    """The common class of what only objects have in the picture, where the data has one for it."""
    alone = [item.name for item in fused.classes if item.name not in shown.names]
    if not alone:
        return {}
    try:
        things = shared_things(instances, data)
    except LabelError:
        return {}
    found = {}
    for name in alone:
        own = name.removesuffix(_OBJECT)
        shared = things.model.get(own)
        members = () if shared is None else things.members("data", shared)
        alike = [member for member in members if member == own] or members
        ends = {theirs[member] for member in alike if member in theirs}
        if len(ends) == 1:
            found[name] = ends.pop()
    return found


def _table(space: LabelSpace, becomes: Mapping[str, str], ids: Mapping[str, int]) -> np.ndarray:
    table = np.full(256, IGNORE_ID, np.uint8)
    for item in space.classes:
        if item.name in becomes:
            table[item.id] = ids[becomes[item.name]]
    return table
