"""The objects that a prepared instance map holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..imaging import Regions
from ..labels import IGNORE_ID, PER_CLASS, LabelClass, LabelSpace
from .reader import Sample

__all__ = ["FoundObject", "check_values", "find_objects", "lacks_objects"]


@dataclass(frozen=True, kw_only=True)
class FoundObject:
    """An object, or a group: all pixels of a class that nobody told apart."""

    value: int
    """What its pixels hold in the instance map."""
    label: LabelClass
    """Its class, one that has instances."""
    group: bool
    """Whether it is a group."""
    area: int
    """Its pixels."""
    box_xywh: tuple[int, int, int, int]
    """Left, top, width and height of the smallest box around it, in pixels."""

    def mask_in(self, instances: np.ndarray) -> np.ndarray:
        """Its pixels within its box, (height, width) bool."""
        x, y, width, height = self.box_xywh
        return instances[y : y + height, x : x + width] == self.value


def find_objects(sample: Sample, instances: np.ndarray) -> list[FoundObject]:
    """The objects and groups of things, by value; stuff is left out.

    Args:
        sample: Where the map comes from.
        instances: (H, W) uint16, class * 1000 + index; plain class ids where nothing is counted.

    Raises:
        DataError: A value belongs to no class of the label space, or to one without instances.
    """
    regions = Regions(instances)
    values = np.flatnonzero(regions.areas)
    check_values(sample, values, sample.space)
    labels = {item.id: item for item in sample.space.classes if item.has_instances}
    found = []
    for value, box in zip(values.tolist(), regions.boxes_xywh[values].tolist(), strict=True):
        group = value < PER_CLASS
        label = labels.get(value if group else value // PER_CLASS)
        if label is not None:
            area = int(regions.areas[value])
            found.append(
                FoundObject(value=value, label=label, group=group, area=area, box_xywh=tuple(box))
            )
    return found


def check_values(sample: Sample, values: np.ndarray, space: LabelSpace) -> None:
    """Refuse an instance map with values that mean nothing.

    Raises:
        DataError: A value belongs to no class of the label space, or to one without instances.
    """
    things = [item.id for item in space.classes if item.has_instances]
    known = np.where(
        values < PER_CLASS,
        np.isin(values, [*space.ids, IGNORE_ID]),
        np.isin(values // PER_CLASS, things),
    )
    if not known.all():
        raise DataError(
            f"{sample.target_path('instances')} holds the value {values[~known][0]}, which is "
            f"neither a class of {space.name} nor an object of one with instances",
            fix="correct the map (class * 1000 + index, or a plain class id) or remove the sample",
        )


def lacks_objects(sample: Sample, names: Iterable[str]) -> str | None:
    """Why the objects of a sample are not known, in a few words; None where they are.

    Args:
        sample: The sample.
        names: The classes that matter: one that was not annotated may stand in the picture.
    """
    if "instances" not in sample.record.targets:
        return "without instances"
    annotated = sample.record.annotated
    if annotated is not None and not set(names) <= set(annotated):
        return "not annotated with all of the classes"
    return None
