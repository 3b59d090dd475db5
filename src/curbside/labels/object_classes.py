"""The classes that a network of single objects learns: those of a label space, or groups of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache

from ..errors import ConfigError, LabelError
from .idd import IDD_ENCODINGS, idd_labels
from .space import IGNORE_ID, LabelSpace
from .tables import load_space

__all__ = ["IDD5", "ObjectClass", "default_object_classes", "object_classes", "object_space"]

IDD5 = {
    "person_animal": ("person", "animal"),
    "rider": ("rider",),
    "motorcycle_bicycle": ("motorcycle", "bicycle"),
    "autorickshaw_car": ("autorickshaw", "car"),
    "large_vehicle": ("truck", "bus", "caravan", "trailer", "train", "vehicle fallback"),
}
"""The five classes of the IDD edge project, by IDD's own labels."""


@dataclass(frozen=True, kw_only=True)
class ObjectClass:
    """A class of a network of single objects."""

    name: str
    """What it is called."""
    members: tuple[str, ...]
    """Names of the classes of a label space that it is made of, each one with instances."""


def default_object_classes(space: LabelSpace) -> tuple[str, ...]:
    """What `object_classes` is asked for where nobody says otherwise: `idd5` of IDD's spaces, else
    `space`."""
    return ("space",) if _encoding_of(space) is None else ("idd5",)


@cache
def object_classes(classes: tuple[str, ...], space: LabelSpace) -> tuple[ObjectClass, ...]:
    """The classes of a network, in the order of its channels.

    Args:
        classes: `idd5`, the five classes of the IDD edge project; or `space`, every class with
            instances; or `NAME=CLASS,CLASS` for each.
        space: The label space of the data.

    Raises:
        ConfigError: The classes are not written as they must be.
        LabelError: The label space does not have them, or is too coarse to tell them apart.
    """
    if classes == ("idd5",):
        return tuple(_idd5(space))
    things = [item.name for item in space.classes if item.has_instances]
    if classes == ("space",):
        if not things:
            raise LabelError(
                f"{space.name} has no class with instances", fix="choose data with instances"
            )
        return tuple(ObjectClass(name=name, members=(name,)) for name in things)
    groups = [_parsed(text) for text in classes]
    members = [name for group in groups for name in group.members]
    for name in members:
        if name not in things:
            close = get_close_matches(name, things, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(things)}"
            raise LabelError(f"{space.name} has no class {name!r} with instances", fix=hint)
    for names, what in ((members, "class"), ([group.name for group in groups], "name")):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"--classes has the {what} {twice[0]!r} twice", fix="give it once")
    return tuple(groups)


def object_space(classes: tuple[str, ...], space: LabelSpace) -> LabelSpace:
    """The label space of what such a network finds: a class per channel, in their order.

    The classes of `space` keep their ids; others count from 0 and have the colour of their first
    member.

    Args:
        classes: As of `object_classes`.
        space: The label space of the data.

    Raises:
        ConfigError, LabelError: As `object_classes`.
    """
    groups = object_classes(classes, space)
    if classes == ("idd5",):
        return load_space("idd5")
    items = {item.name: item for item in space.classes}
    if all(group.members == (group.name,) for group in groups):
        kept = tuple(items[group.name] for group in groups)
        same = kept == space.classes
        return space if same else LabelSpace(name=f"{space.name} things", classes=kept)
    made = tuple(
        replace(items[group.members[0]], id=number, name=group.name)
        for number, group in enumerate(groups)
    )
    return LabelSpace(name=f"groups of {space.name}"[:255], classes=made)


def _parsed(text: str) -> ObjectClass:
    name, equals, members = (part.strip() for part in text.partition("="))
    if not name or not equals or not members:
        raise ConfigError(
            f"--classes has {text!r}, which is no class",
            fix="give idd5, space, or NAME=CLASS,CLASS ...",
        )
    return ObjectClass(name=name, members=tuple(member.strip() for member in members.split(",")))


def _encoding_of(space: LabelSpace) -> str | None:
    """The IDD encoding whose label space it is."""
    found = (code for code, name in IDD_ENCODINGS.items() if load_space(name) == space)
    return next(found, None)


def _idd5(space: LabelSpace) -> list[ObjectClass]:
    encoding = _encoding_of(space)
    fix = (
        "convert again with --labels level2, level3, level4, id or unified, or give --classes space"
    )
    if encoding is None:
        raise LabelError(
            f"idd5 are classes of IDD, and {space.name} is no encoding of it",
            fix="give --classes space, or NAME=CLASS,CLASS ...",
        )
    meaning: dict[int, list[str]] = {}
    for label in idd_labels().values():
        meaning.setdefault(label.ids[encoding], []).append(label.name)
    groups = []
    for name, members in IDD5.items():
        ids = dict.fromkeys(idd_labels()[member].ids[encoding] for member in members)
        for class_id in ids:
            if class_id == IGNORE_ID:
                lost = [m for m in members if idd_labels()[m].ids[encoding] == IGNORE_ID]
                raise LabelError(f"{space.name} ignores {', '.join(lost)} of {name}", fix=fix)
            others = [label for label in meaning[class_id] if label not in members]
            if others:
                raise LabelError(
                    f"{space.name} is too coarse for {name}: its class "
                    f"{space.name_of(class_id)!r} is also {', '.join(others)}",
                    fix=fix,
                )
        chosen = tuple(space.name_of(class_id) for class_id in ids)
        groups.append(ObjectClass(name=name, members=chosen))
    return groups
