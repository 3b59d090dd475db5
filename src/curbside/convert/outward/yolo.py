"""YOLO segmentation, the layout that Ultralytics trains on.

::

    OUT/data.yaml                        where the splits are, names of the classes
    OUT/images/{train,val,test}/<id>.jpg the pictures, hard links
    OUT/labels/{train,val,test}/<id>.txt one line per object: class x1 y1 x2 y2 ...

Coordinates are shares of width and height, of the centres of the outermost pixels: drawn as
Ultralytics does (truncated to whole pixels, `fillPoly`), an object of one piece covers its own
pixels again, holes included. Parts and holes of an object are joined into its one line by bridges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...files import write_text
from ...labels import LabelSpace, default_object_classes, object_classes, object_space
from ...prepared import SPLITS, FoundObject, Sample, find_objects, lacks_objects
from .base import Format, Piece, link_image
from .contours import check_outlines, corners_of, joined, parts_of

__all__ = ["Yolo"]


@dataclass(frozen=True, kw_only=True)
class Yolo(Format):
    """YOLO segmentation: images, labels and data.yaml, as Ultralytics expects them."""

    layout: ClassVar[str] = "yolo"

    classes: tuple[str, ...] = ()
    """idd5, the five classes of the IDD edge project (person_animal, rider, motorcycle_bicycle,
    autorickshaw_car, large_vehicle); or space, every class with instances; or classes of your own, as
    NAME=CLASS,CLASS NAME=CLASS in their order. Where not given: idd5 for IDD, space for others."""
    backgrounds: bool = True
    """Keep pictures without objects, with an empty label file."""
    min_area: int = 10
    """Objects of fewer pixels are left out."""
    simplify: float = 0.0
    """Pixels by which an outline may be missed to save corners."""

    def __post_init__(self) -> None:
        check_outlines(self.min_area, self.simplify)

    def resolved(self, space: LabelSpace) -> Yolo:
        """With the classes chosen.

        Raises:
            ConfigError: The classes are not written as they must be.
            LabelError: The label space does not have them, or is too coarse to tell them apart.
        """
        form = replace(self, classes=self.classes or default_object_classes(space))
        object_classes(form.classes, space)
        return form

    def label_space(self, space: LabelSpace) -> LabelSpace:
        """What a network that learns these classes gives: a class per channel, in their order.

        Args:
            space: The label space of the data.

        Raises:
            ConfigError, LabelError: As `resolved`.
        """
        return object_space(self.resolved(space).classes, space)

    def lacks(self, sample: Sample) -> str | None:
        """Without instances, or not annotated with all of the classes: not a background."""
        groups = object_classes(self.classes, sample.space)
        return lacks_objects(sample, {name for group in groups for name in group.members})

    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Link the picture, write its label file."""
        del number
        instances = sample.read_instances()
        groups = object_classes(self.classes, sample.space)
        numbers = {name: index for index, group in enumerate(groups) for name in group.members}
        lines: list[str] = []
        objects: Counter[str] = Counter()
        left_out: Counter[str] = Counter()
        for item in find_objects(sample, instances):
            if item.label.name not in numbers:
                continue
            if item.group:
                left_out["groups"] += 1
            elif item.area < self.min_area:
                left_out[f"objects of fewer than {self.min_area} pixels"] += 1
            else:
                index = numbers[item.label.name]
                lines.append(f"{index} {self._coordinates(item, instances)}\n")
                objects[groups[index].name] += 1
        split = sample.record.split
        if not lines and not self.backgrounds:
            return Piece(id=sample.id, split=split, left_out=left_out, skipped="without objects")
        write_text(out / "labels" / split / f"{sample.id}.txt", "".join(lines))
        link_image(sample, out / "images" / split)
        return Piece(id=sample.id, split=split, objects=objects, left_out=left_out)

    def _coordinates(self, item: FoundObject, instances: np.ndarray) -> str:
        parts = parts_of(item.mask_in(instances), every_pixel=True)
        line = joined([ring for part in parts for ring in part.rings])
        corners = corners_of(line, simplify=self.simplify) + item.box_xywh[:2]
        shares = (corners + 0.5) / instances.shape[::-1]
        return " ".join(map("{:.6f}".format, shares.ravel().tolist()))

    def write_split(
        self, out: Path, split: str, space: LabelSpace, pieces: Iterable[Piece]
    ) -> None:
        """Write data.yaml with the splits that are there now."""
        for _ in pieces:
            pass
        lines = [f"path: {_quoted(str(out.resolve()))}"]
        lines += [f"{name}: images/{name}" for name in SPLITS if (out / "images" / name).is_dir()]
        lines += ["names:"]
        groups = object_classes(self.classes, space)
        lines += [f"  {index}: {_quoted(group.name)}" for index, group in enumerate(groups)]
        write_text(out / "data.yaml", "".join(f"{line}\n" for line in lines))


def _quoted(text: str) -> str:
    """A text in YAML's double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
