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
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from ...errors import ConfigError, LabelError
from ...files import write_text
from ...labels import IDD_ENCODINGS, IGNORE_ID, LabelSpace, idd_labels, load_space
from ...prepared import SPLITS, FoundObject, Sample, find_objects
from .base import Format, Piece, lacks_objects, link_image
from .contours import check_outlines, corners_of, joined, parts_of

__all__ = ["Yolo"]

IDD5 = {
    "person_animal": ("person", "animal"),
    "rider": ("rider",),
    "motorcycle_bicycle": ("motorcycle", "bicycle"),
    "autorickshaw_car": ("autorickshaw", "car"),
    "large_vehicle": ("truck", "bus", "caravan", "trailer", "train", "vehicle fallback"),
}
"""The five classes of the IDD edge project, by IDD's own labels."""


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
        default = "space" if _encoding_of(space) is None else "idd5"
        form = replace(self, classes=self.classes or (default,))
        _groups(form.classes, space)
        return form

    def lacks(self, sample: Sample) -> str | None:
        """Without instances, or not annotated with all of the classes: not a background."""
        groups = _groups(self.classes, sample.space)
        return lacks_objects(sample, {name for group in groups for name in group.members})

    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Link the picture, write its label file."""
        del number
        instances = sample.read_instances()
        groups = _groups(self.classes, sample.space)
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
        groups = _groups(self.classes, space)
        lines += [f"  {index}: {_quoted(group.name)}" for index, group in enumerate(groups)]
        write_text(out / "data.yaml", "".join(f"{line}\n" for line in lines))


class _Group(NamedTuple):
    """A class of the YOLO network."""

    name: str
    members: tuple[str, ...]  # classes of the label space


@cache
def _groups(classes: tuple[str, ...], space: LabelSpace) -> list[_Group]:
    if classes == ("idd5",):
        return _idd5(space)
    things = [item.name for item in space.classes if item.has_instances]
    if classes == ("space",):
        if not things:
            raise LabelError(
                f"{space.name} has no class with instances", fix="choose data with instances"
            )
        return [_Group(name, (name,)) for name in things]
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
    return groups


def _parsed(text: str) -> _Group:
    name, equals, members = (part.strip() for part in text.partition("="))
    if not name or not equals or not members:
        raise ConfigError(
            f"--classes has {text!r}, which is no class",
            fix="give idd5, space, or NAME=CLASS,CLASS ...",
        )
    return _Group(name, tuple(member.strip() for member in members.split(",")))


def _encoding_of(space: LabelSpace) -> str | None:
    """The IDD encoding whose label space it is."""
    found = (code for code, name in IDD_ENCODINGS.items() if load_space(name) == space)
    return next(found, None)


def _idd5(space: LabelSpace) -> list[_Group]:
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
        groups.append(_Group(name, tuple(space.name_of(class_id) for class_id in ids)))
    return groups


def _quoted(text: str) -> str:
    """A text in YAML's double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
