"""The classes of objects that a network and data have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import ConfigError, LabelError
from ...labels import IGNORE_ID, LabelSpace, common, object_classes, object_space
from ...manifest import Manifest

__all__ = ["SharedThings", "shared_things"]


@dataclass(frozen=True, kw_only=True)
class SharedThings:
    """Where the classes of a network and the things of data go to be compared."""

    space: LabelSpace
    """The classes at which they are compared, all of them with instances."""
    model: Mapping[str, str]
    """The class that each of the network's classes is here; those without a partner are missing."""
    data: Mapping[str, str]
    """The same of the data's classes with instances."""
    model_only: tuple[str, ...]
    """Classes of the network that the data does not count: what is found of them is dropped."""
    data_only: tuple[str, ...]
    """Classes of the data that the network does not know: they are no truth."""
    by: str
    """What tells which classes are the same, in words."""

    def table(self, side: str, space: LabelSpace) -> np.ndarray:
        """What every id of a label space is here: (256,) uint8, 255 where it is left out.

        Args:
            side: `model` or `data`.
            space: Its label space.
        """
        ids = dict(zip(self.space.names, self.space.ids, strict=True))
        becomes = self.model if side == "model" else self.data
        table = np.full(256, IGNORE_ID, np.uint8)
        for item in space.classes:
            if item.name in becomes:
                table[item.id] = ids[becomes[item.name]]
        return table

    def members(self, side: str, name: str) -> tuple[str, ...]:
        """The classes of a side that are this class here."""
        becomes = self.model if side == "model" else self.data
        return tuple(own for own, end in becomes.items() if end == name)

    def to_dict(self) -> dict[str, Any]:
        """The classes as JSON values."""
        return {
            "label_space": self.space.to_dict(),
            "model": dict(self.model),
            "data": dict(self.data),
            "model_only": list(self.model_only),
            "data_only": list(self.data_only),
            "by": self.by,
        }


def shared_things(manifest: Manifest, data: LabelSpace) -> SharedThings:
    """The classes of objects that a network and data have in common.

    They are the same where their names are, or where the network was trained on groups of the data's
    classes and its Manifest says which; else the taxonomy tells, and the names alone where it does
    not know one of the label spaces.

    Args:
        manifest: The network's; all its classes count as things.
        data: The data's label space.

    Raises:
        LabelError: The data has no class with instances, or none that the network knows.
    """
    things = {item.name: item for item in data.classes if item.has_instances}
    if not things:
        raise LabelError(
            f"{data.name} has no class with instances", fix="choose data whose objects are counted"
        )
    model = manifest.space
    if set(model.names) == set(things):
        same = {name: name for name in model.names}
        space = replace(data, classes=tuple(things.values()))
        return SharedThings(
            space=space, model=same, data=same, model_only=(), data_only=(), by="the same classes"
        )
    trained = _trained_groups(manifest, data)
    if trained is not None:
        members = dict(trained)
        return _shared(
            manifest,
            data,
            model,
            {name: name for name in model.names},
            members,
            "the groups trained on",
        )
    found = common(_counted(model), data)
    countable = {item.name for item in found.space.classes if item.has_instances}
    model_side, data_side = [
        {row.source: row.target for row in way.classes if row.target in countable}
        for way in (found.first, found.second)
    ]
    if not countable:
        raise LabelError(
            f"{model.name} and {data.name} have no class of objects in common",
            fix="see their classes with: curbside labels A B",
        )
    kept = replace(
        found.space, classes=tuple(c for c in found.space.classes if c.name in countable)
    )
    by = "the names of the classes alone" if found.first.by_name else "the taxonomy"
    return _shared(manifest, data, kept, model_side, data_side, by)


def _shared(
    manifest: Manifest,
    data: LabelSpace,
    space: LabelSpace,
    model_side: Mapping[str, str | None],
    data_side: Mapping[str, str | None],
    by: str,
) -> SharedThings:
    return SharedThings(
        space=_counted(space),
        model={own: str(end) for own, end in model_side.items()},
        data={own: str(end) for own, end in data_side.items()},
        model_only=tuple(name for name in manifest.space.names if name not in model_side),
        data_only=tuple(
            item.name for item in data.classes if item.has_instances and item.name not in data_side
        ),
        by=by,
    )


def _trained_groups(manifest: Manifest, data: LabelSpace) -> dict[str, str] | None:
    """The group of every class of the data, where the network learned groups of just such classes."""
    about = manifest.source.get("dataset")
    asked = about.get("classes") if isinstance(about, Mapping) else None
    if not isinstance(asked, (list, tuple)) or not all(isinstance(item, str) for item in asked):
        return None
    try:
        groups = object_classes(tuple(asked), data)
        made = object_space(tuple(asked), data)
    except (ConfigError, LabelError):
        return None
    if (made.names, made.ids) != (manifest.space.names, manifest.space.ids):
        return None
    return {member: group.name for group in groups for member in group.members}


def _counted(space: LabelSpace) -> LabelSpace:
    """The space with instances of every class."""
    return replace(
        space, classes=tuple(replace(item, has_instances=True) for item in space.classes)
    )
