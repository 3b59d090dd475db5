"""`LabelSpace`: names, ids and colours of the classes that a mask can hold."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import LabelError

__all__ = ["IGNORE_ID", "NO_CLASSES", "PER_CLASS", "LabelClass", "LabelSpace"]

IGNORE_ID = 255
"""The pixel value that no loss and no score looks at, in every mask of a prepared folder."""
PER_CLASS = 1000
"""Values of an instance map from here on are class * 1000 + index, lower ones plain class ids."""

_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """One class of a label space."""

    id: int
    """The pixel value, 0..254."""
    name: str
    """The name people read."""
    color: tuple[int, int, int]
    """Red, green, blue, each 0..255."""
    has_instances: bool = False
    """Whether single objects of the class can be counted (a thing, not stuff)."""


@dataclass(frozen=True, kw_only=True)
class LabelSpace:
    """Names, ids and colours of the classes that a mask can hold; 255 is ignore.

    Raises:
        LabelError: An id outside 0..254 or twice, a name that is empty, unprintable, endless or
            repeated, a colour that is none; no classes, in another space than `NO_CLASSES`.
    """

    name: str
    classes: tuple[LabelClass, ...]

    def __post_init__(self) -> None:
        fix = "correct the label table"
        if not self.name.isprintable() or len(self.name) > 255:
            raise LabelError(
                f"a label space has the name {reprlib.repr(self.name)}, which is none",
                fix=fix,
            )
        fewest = 0 if self.name == _NONE else 1
        if not fewest <= len(self.classes) <= IGNORE_ID:
            count = len(self.classes) or "no"
            what = f"{count} classes, not 1..{IGNORE_ID}"
            raise LabelError(f"label space {self.name!r} has {what}", fix=fix)
        for seen, what in ((self.ids, "id"), (self.names, "name")):
            twice = sorted({value for value in seen if seen.count(value) > 1})
            if twice:
                raise LabelError(
                    f"label space {self.name!r} has the {what} {reprlib.repr(twice[0])} twice",
                    fix=fix,
                )
        for item in self.classes:
            if not 0 <= item.id < IGNORE_ID:
                what = f"id {item.id} of {reprlib.repr(item.name)} is not in 0..254"
                raise LabelError(f"label space {self.name!r}: {what}", fix=fix)
            if not item.name.strip() or not item.name.isprintable() or len(item.name) > 255:
                what = f"the name {reprlib.repr(item.name)}, which is none"
                raise LabelError(f"label space {self.name!r}: id {item.id} has {what}", fix=fix)
            if len(item.color) != 3 or not all(
                isinstance(c, int) and 0 <= c <= 255 for c in item.color
            ):
                what = f"{reprlib.repr(item.color)} is no colour for {reprlib.repr(item.name)}"
                raise LabelError(f"label space {self.name!r}: {what}", fix=fix)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids, in table order."""
        return tuple(item.id for item in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in table order."""
        return tuple(item.name for item in self.classes)

    @property
    def contiguous(self) -> bool:
        """Whether the ids are 0, 1, 2, ...: what a network's output channels need."""
        return self.ids == tuple(range(len(self.classes)))

    @property
    def num_classes(self) -> int:
        """The number of classes, of a space that a network can be trained for.

        Raises:
            LabelError: The ids have gaps, so channels and ids would not agree, or there are no classes.
        """
        if not self.classes:
            raise LabelError(
                f"label space {self.name!r} has no classes and cannot be trained on",
                fix="choose another of: curbside labels",
            )
        if not self.contiguous:
            raise LabelError(
                f"label space {self.name!r} has ids with gaps and cannot be trained on",
                fix="convert the data to a space with ids 0, 1, 2, ... (level1..level4, cstrainid, unified)",
            )
        return len(self.classes)

    @property
    def binary(self) -> bool:
        """Whether it asks yes or no: two classes, id 0 called `not X` and id 1 `X`, which is what is
        looked for."""
        return self.ids == (0, 1) and self.names[0] == f"not {self.names[1]}"

    @property
    def painted(self) -> tuple[LabelClass, ...]:
        """The classes whose colour lies over a frame: all but a `not X` beside an `X`."""
        rest = {f"not {name}" for name in self.names}
        return tuple(item for item in self.classes if item.name not in rest)

    @property
    def score_counts(self) -> tuple[int, ...]:
        """How many scores per place a graph for it may give: one per class; of a binary one also a single
        score."""
        return (1, 2) if self.binary else (len(self.classes),)

    @property
    def num_channels(self) -> int:
        """The number of output channels of a network for this space: one per class; of a binary one a
        single score, whose sigmoid is the probability of id 1.

        Raises:
            LabelError: As `num_classes`.
        """
        return 1 if self.binary else self.num_classes

    @cached_property
    def palette(self) -> np.ndarray:
        """Colour of every pixel value: (256, 3) uint8, RGB; black where there is no class."""
        table = np.zeros((256, 3), np.uint8)
        for item in self.classes:
            table[item.id] = item.color
        return table

    @cached_property
    def known(self) -> np.ndarray:
        """Whether a pixel value may stand in a mask: (256,) bool, true for the ids and for 255."""
        table = np.zeros(256, bool)
        table[list(self.ids)] = True
        table[IGNORE_ID] = True
        return table

    def name_of(self, class_id: int) -> str:
        """The name of an id; "ignore" for 255, "id N" for one without a class."""
        names = dict(zip(self.ids, self.names, strict=True))
        return "ignore" if class_id == IGNORE_ID else names.get(class_id, f"id {class_id}")

    def to_dict(self) -> dict[str, Any]:
        """The space as JSON values, the form it has in `dataset.json` and in a Manifest."""
        return {
            "name": self.name,
            "ignore_id": IGNORE_ID,
            "classes": [
                {
                    "id": c.id,
                    "name": c.name,
                    "color": list(c.color),
                    "has_instances": c.has_instances,
                }
                for c in self.classes
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LabelSpace:
        """The space that `to_dict` wrote.

        Raises:
            LabelError: A part is missing or of the wrong type, or there are no classes.
        """
        try:
            classes = tuple(
                LabelClass(
                    id=int(c["id"]),
                    name=str(c["name"]),
                    color=tuple(int(v) for v in c["color"]),  # type: ignore[arg-type]
                    has_instances=bool(c.get("has_instances", False)),
                )
                for c in data["classes"]
            )
            if not classes:
                raise ValueError("no classes")
            return cls(name=str(data["name"]), classes=classes)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise LabelError(
                f"a label space is not readable ({type(error).__name__}: {error})",
                fix="it needs a name and classes with id, name and color",
            ) from error


NO_CLASSES = LabelSpace(name=_NONE, classes=())
"""The space of a network that tells no classes, such as one for depth alone."""
