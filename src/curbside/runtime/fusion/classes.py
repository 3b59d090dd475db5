"""What the classes of an instance network are in the class map of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from ...errors import LabelError
from ...labels import IGNORE_ID, LabelClass, LabelSpace, counterparts, load_space
from .config import FusionConfig

__all__ = ["FusedClasses", "fused_classes"]


@dataclass(frozen=True, kw_only=True)
class FusedClasses:
    """The label space of fused results, and where an object's class goes in it."""

    space: LabelSpace
    """The map's classes, and behind them those that objects keep for themselves."""
    supports: np.ndarray
    """Whether an object of a class can be what the map says: (256, 256) bool, instance id by map id;
    the map's 255 says nothing and speaks against none."""
    choices: dict[int, tuple[int, ...]]
    """By instance id, the ids of `space` that such an object can become, the likeliest first; a class
    that is missing here is dropped."""
    countable: np.ndarray
    """Whether pixels of the map should belong to an object, (256,) bool by map id."""


def fused_classes(
    semantic: LabelSpace, instances: LabelSpace, config: FusionConfig
) -> FusedClasses:
    """Bring the classes of two networks together, by the taxonomy.

    Args:
        semantic: The class map's.
        instances: The objects'.
        config: What becomes of objects that the map has no class for.

    Raises:
        LabelError: No object of the one could ever be shown with the other.
    """
    known = {item.name: item for item in semantic.classes}
    may_be = counterparts(instances, semantic)
    own = _free_ids(semantic)
    supports = np.zeros((256, 256), bool)
    supports[:, IGNORE_ID] = True
    countable = np.zeros(256, bool)
    choices: dict[int, tuple[int, ...]] = {}
    added: list[LabelClass] = []
    road_users = _road_users(instances)
    for item in instances.classes:
        partners = [known[name] for name in may_be[item.name]]
        things = tuple(partner.id for partner in partners if partner.has_instances)
        supports[item.id, [partner.id for partner in partners]] = True
        countable[list(things)] = True
        kept = config.outside == "keep" or (
            config.outside == "road-users" and item.name in road_users
        )
        if not things and kept:
            name = f"{item.name} (object)" if item.name in known else item.name
            added.append(replace(item, id=_next(own, semantic), name=name, has_instances=True))
            things = (added[-1].id,)
        if things:
            choices[item.id] = things
    if not choices:
        raise LabelError(
            f"{instances.name} and {semantic.name} have no object in common",
            fix="keep the objects as classes of their own: outside keep",
        )
    space = replace(semantic, classes=(*semantic.classes, *added)) if added else semantic
    return FusedClasses(space=space, supports=supports, choices=choices, countable=countable)


def _road_users(space: LabelSpace) -> set[str]:
    """The classes that are people, animals or vehicles among IDD's labels."""
    finest = load_space("idd-id")
    users = {item.name for item in finest.classes if item.has_instances}
    return {name for name, others in counterparts(space, finest).items() if users & set(others)}


def _free_ids(space: LabelSpace) -> Iterator[int]:
    return (number for number in count(1) if number not in space.ids)


def _next(own: Iterator[int], space: LabelSpace) -> int:
    number = next(own)
    if number >= IGNORE_ID:
        raise LabelError(
            f"{space.name} leaves no room for classes of objects", fix="drop them: outside drop"
        )
    return number
