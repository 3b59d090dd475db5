"""CVAT XML 1.1 for images, so that people can look at annotations and correct them.

::

    OUT/<split>.xml
    OUT/labels.json                         the labels, to be pasted into CVAT's label constructor (raw)
    OUT/images/<split>/<id>.jpg             the pictures, hard links

Every connected piece of a class or an object is a polygon; the pieces of one object share a
`group_id`, and where objects are not told apart the attribute "crowd" is true. CVAT's polygons have
no holes: what stands in a hole is drawn above, with a higher `z_order`, and pixels without a class
in a hole are a polygon of the label "ignore". Corners are the centres of the outermost pixels:
drawn in z-order, truncated and with their edges (Pillow's rule), the polygons give the mask again,
as `curbside convert cvat` does. It counts objects anew, in the order of the polygons, which is that
of the values in the instance mask. A file offers all labels: which classes were annotated on a
picture, where it was not all of them, is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np

from ...errors import DataError, LabelError
from ...files import atomic_path, write_json
from ...imaging import Regions
from ...labels import IGNORE_ID, PER_CLASS, LabelSpace
from ...prepared import Sample, check_values
from ..cvat_shapes import CROWD, IGNORE_LABEL
from .base import Format, Piece, link_image
from .contours import check_outlines, corners_of, parts_of

__all__ = ["Cvat"]

_CROWD_MARK = f'<attribute name="{CROWD}">true</attribute>'
_CROWD_CHOICE = {
    "name": CROWD,
    "mutable": False,
    "input_type": "checkbox",
    "default_value": "false",
    "values": ["false"],
}
"""A box to tick, as CVAT's label constructor writes it."""


@dataclass(frozen=True, kw_only=True)
class Cvat(Format):
    """CVAT XML 1.1 for images: <split>.xml with polygons, and the pictures."""

    layout: ClassVar[str] = "cvat"

    min_area: int = 10
    """Pieces of fewer pixels get no polygon."""
    simplify: float = 0.75
    """Pixels by which an outline may be missed to save corners: fewer are easier to correct."""

    def __post_init__(self) -> None:
        check_outlines(self.min_area, self.simplify)

    def resolved(self, space: LabelSpace) -> Cvat:
        """Itself.

        Raises:
            LabelError: A class has the name that means "no class" here.
        """
        if IGNORE_LABEL in space.names:
            raise LabelError(
                f"{space.name} has a class {IGNORE_LABEL!r}, which cannot be a label of its own",
                fix="give the class another name",
            )
        return self

    def lacks(self, sample: Sample) -> str | None:
        """Without mask and instances."""
        has = {"semantic", "instances"} & set(sample.record.targets)
        return None if has else "without masks"

    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Link the picture; its XML element is the content."""
        if not _fits_xml(sample.id):
            raise DataError(
                f"the sample name {sample.id!r} does not fit into XML", fix="rename its files"
            )
        if "instances" in sample.record.targets:
            numbers = sample.read_instances()
            check_values(sample, np.flatnonzero(Regions(numbers).areas), sample.space)
        else:
            numbers = sample.read_semantic()
        split = sample.record.split
        path = link_image(sample, out / "images" / split)
        height, width = numbers.shape
        shapes = list(_shapes(numbers, self.min_area))
        pieces = Counter(shape.value for shape in shapes if shape.value >= PER_CLASS)
        several = (value for value, count in sorted(pieces.items()) if count > 1)
        group_ids = {value: number for number, value in enumerate(several, start=1)}
        things = {item.id for item in sample.space.classes if item.has_instances}
        objects: Counter[str] = Counter()
        lines = []
        for shape in sorted(shapes, key=lambda shape: shape.value):  # as they will be counted again
            counted = shape.value >= PER_CLASS
            label = sample.space.name_of(shape.value // PER_CLASS if counted else shape.value)
            objects[label] += 1
            group = f' group_id="{group_ids[shape.value]}"' if shape.value in group_ids else ""
            corners = corners_of(shape.ring, simplify=self.simplify).tolist()
            points = ";".join(f"{x}.50,{y}.50" for x, y in corners)
            lines.append(
                f'    <polygon label={quoteattr(label)} source="file" occluded="0" '
                f'points="{points}" z_order="{shape.depth}"{group}>'
                f"{_CROWD_MARK if shape.value in things else ''}</polygon>\n"
            )
        image = f'id="{number - 1}" name={quoteattr(path.name)} width="{width}" height="{height}"'
        return Piece(
            id=sample.id,
            split=split,
            content=f"  <image {image}>\n{''.join(lines)}  </image>\n",
            objects=objects,
        )

    def write_split(
        self, out: Path, split: str, space: LabelSpace, pieces: Iterable[Piece]
    ) -> None:
        """Write <split>.xml, piece by piece, and labels.json."""
        labels = _labels(space)
        write_json(out / "labels.json", labels)
        path = out / f"{split}.xml"
        with (
            atomic_path(path, durable=True) as temporary,
            open(temporary, "w", encoding="utf-8") as file,
        ):
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write("  <version>1.1</version>\n  <meta>\n    <task>\n")
            file.write(f"      <name>{split}</name>\n      <mode>annotation</mode>\n")
            file.write("      <labels>\n")
            for label in labels:
                choices = "".join(map(_attribute, label["attributes"]))
                file.write(
                    f"        <label><name>{escape(label['name'])}</name>"
                    f"<color>{label['color']}</color><type>any</type>"
                    f"<attributes>{choices}</attributes></label>\n"
                )
            file.write("      </labels>\n    </task>\n  </meta>\n")
            for piece in pieces:
                file.write(piece.content)
            file.write("</annotations>\n")


def _labels(space: LabelSpace) -> list[dict[str, Any]]:
    """The labels as CVAT's label constructor writes them."""
    named = [(item.name, item.color, item.has_instances) for item in space.classes]
    return [
        {
            "name": name,
            "color": f"#{bytes(color).hex()}",
            "attributes": [_CROWD_CHOICE] if has_instances else [],
        }
        for name, color, has_instances in [*named, (IGNORE_LABEL, (0, 0, 0), False)]
    ]


def _attribute(choice: Mapping[str, Any]) -> str:
    """An attribute of a label as it stands in the XML."""
    values = {**choice, "values": "\n".join(choice["values"])}
    return f"<attribute>{''.join(f'<{key}>{value}</{key}>' for key, value in values.items())}</attribute>"


class _Shape(NamedTuple):
    """A polygon to draw."""

    value: int  # in the map it comes from
    depth: int  # in how many holes it stands
    ring: np.ndarray  # (N, 2) int32


def _shapes(numbers: np.ndarray, min_area: int) -> Iterator[_Shape]:
    """The polygons that give a map of values again when drawn by depth, each without its holes.

    Pixels that a polygon covers without owning them are drawn again one level deeper, from a part of
    the map that holds only them. So whatever is drawn last at a pixel is right.
    """
    values = np.flatnonzero(Regions(numbers).areas)
    table = np.zeros(values[-1] + 1, np.uint16)
    table[values] = np.arange(1, len(values) + 1)  # 0 will be what is none of our business
    todo = [(table[numbers], (0, 0), 0)]
    while todo:
        here, (left, top), depth = todo.pop()
        covered = np.zeros(here.shape, bool)
        for index, (x, y), own in _pieces(here):
            height, width = own.shape
            window = np.s_[y : y + height, x : x + width]
            if covered[window][own].all():
                continue  # it stands in a hole, and is drawn with what is in it
            value = int(values[index - 1])
            if depth == 0 and value == IGNORE_ID:
                continue
            ((ring, holes),) = parts_of(own)
            if np.count_nonzero(own) >= min_area:
                yield _Shape(value, depth, ring + np.array([left + x, top + y], np.int32))
            if holes:
                filled = np.zeros(own.shape, np.uint8)
                cv2.fillPoly(filled, [ring], 1)
                hole = filled.view(bool) & ~own
                covered[window] |= hole
                inside = np.where(hole, table[numbers[top + y :, left + x :][:height, :width]], 0)
                todo.append((inside, (left + x, top + y), depth + 1))


def _pieces(numbers: np.ndarray) -> Iterator[tuple[int, tuple[int, int], np.ndarray]]:
    """The connected pieces of every number but 0: number, left and top, (h, w) bool; large boxes first.

    A piece that stands in a hole of another has the smaller box and comes after it.
    """
    found = []
    regions = Regions(numbers)
    for number in np.flatnonzero(regions.areas[1:]) + 1:
        x, y, width, height = regions.boxes_xywh[number].tolist()
        mask = numbers[y : y + height, x : x + width] == number
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
        for index, (px, py, pw, ph, _) in enumerate(stats[1:].tolist(), start=1):
            own = pieces[py : py + ph, px : px + pw] == index
            found.append((int(number), (x + px, y + py), own))
    yield from sorted(found, key=lambda piece: -piece[2].size)


def _fits_xml(text: str) -> bool:
    """Whether XML 1.0 can hold every character of a text."""
    return all(
        c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
        for c in text
    )
