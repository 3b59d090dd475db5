"""IDD, the India Driving Dataset: polygon files in any of its encodings.

::

    <root>/leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png   (or .jpg)
    <root>/gtFine/<split>/<drive>/<frame>_gtFine_polygons.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import DataError
from ..imaging import image_size_hw
from ..labels import IGNORE_ID, IddLabel, LabelSpace, idd_labels, space_of_encoding
from ..prepared import SPLITS, SampleData
from .polygons import PolygonObject, draw_objects, read_polygons
from .source import Item, Source, files_by_stem, subfolders, unique

__all__ = ["Idd", "IddItem"]

WEATHER = ("clear", "fog", "night", "rain", "snow")
"""Drives that are called so (drawn scenes are) also become the tag `weather`."""

_IMAGES, _IMAGE_ENDING = "leftImg8bit", "_leftImg8bit"
_TRUTH, _TRUTH_ENDING = "gtFine", "_gtFine_polygons"
_MAX_INDEX = 999
_LAYOUT = f"give the folder that holds {_IMAGES}/<split>/<drive> and {_TRUTH}/<split>/<drive>"


@dataclass(frozen=True, kw_only=True)
class Idd(Source):
    """IDD's polygon files, as semantic and instance masks."""

    labels: str = "level2"
    """Encoding of the masks: level1, level2, level3, level4, id, csid, cstrainid, unified,
    source-level1."""
    background: Literal["ignore", "unlabeled"] = "ignore"
    """Value of pixels that no polygon covers: 255, or what the official tools write, the
    `unlabeled` id of the encoding (0 for csid, 35 for id, 255 for the others)."""

    @property
    def space(self) -> LabelSpace:
        """The label space of the encoding."""
        return space_of_encoding(self.labels)[1]

    def options(self) -> dict[str, Any]:
        """The encoding by its official name, and the background's meaning and value."""
        return {
            "labels": space_of_encoding(self.labels)[0],
            "background": self.background,
            "background_id": self._background_id,
        }

    @property
    def _background_id(self) -> int:
        if self.background == "ignore":
            return IGNORE_ID
        return idd_labels()["unlabeled"].ids[space_of_encoding(self.labels)[0]]

    def plan(self) -> list[Item]:
        """One item per frame that has a picture or an annotation.

        The official test split comes without annotations: where `gtFine/test` is absent, its
        pictures become samples without targets.

        Raises:
            DataError: The root is missing or does not have IDD's layout.
        """
        if not (self.root / _IMAGES).is_dir():
            raise DataError(self._no_layout(), fix=_LAYOUT)
        items: list[Item] = [item for split in SPLITS for item in self._plan_split(split)]
        if not items:
            raise DataError(
                f"{self.root / _IMAGES} has no pictures in {', '.join(SPLITS)}", fix=_LAYOUT
            )
        return items

    def _no_layout(self) -> str:
        if not self.root.is_dir():
            return f"the folder {self.root} does not exist"
        inner = [folder.name for folder in subfolders(self.root) if (folder / _IMAGES).is_dir()]
        hint = f", but {inner[0]} in it has" if inner else ""
        return f"{self.root} has no {_IMAGES} folder{hint}"

    def _plan_split(self, split: str) -> list[IddItem]:
        images, truths = self.root / _IMAGES / split, self.root / _TRUTH / split
        labelled = truths.is_dir()
        if images.is_dir() and not labelled and split != "test":
            raise DataError(f"{images} has no annotations: {truths} does not exist", fix=_LAYOUT)
        encoding = space_of_encoding(self.labels)[0]
        taken: set[str] = set()
        items = []
        drives = {folder.name for top in (images, truths) for folder in subfolders(top)}
        for drive in sorted(drives):
            pictures = files_by_stem(images / drive, ending=_IMAGE_ENDING)
            files = files_by_stem(truths / drive, ending=_TRUTH_ENDING, suffixes=(".json",))
            for frame in sorted(pictures.keys() | files.keys()):
                item = IddItem(
                    id=unique(f"{drive}_{frame}", taken),
                    split=split,
                    drive=drive,
                    frame=frame,
                    pictures=tuple(pictures.get(frame, ())),
                    annotation=next(iter(files.get(frame, ())), None),
                    labelled=labelled,
                    encoding=encoding,
                    background_id=self._background_id,
                )
                items.append(item)
        return items


@dataclass(frozen=True, kw_only=True)
class IddItem(Item):
    """One frame of IDD."""

    drive: str
    """Name of its drive folder."""
    frame: str
    """Its name within the drive."""
    pictures: tuple[Path, ...]
    """The picture; none or several is an error of the data."""
    annotation: Path | None
    """Its polygon file."""
    labelled: bool
    """Whether its split has annotations at all."""
    encoding: str
    """Official name of the encoding."""
    background_id: int
    """Value of pixels that no polygon covers."""

    def load(self) -> SampleData:
        """Read the polygons and paint both masks.

        Raises:
            DataError: A file is missing, damaged or says something impossible.
        """
        where = f"{self.split}/{self.drive}/{self.frame}"
        if len(self.pictures) != 1:
            raise DataError(
                f"{where} has {len(self.pictures)} pictures",
                fix=f"keep one {self.frame}{_IMAGE_ENDING}.png or .jpg",
            )
        tags = {"drive": self.drive} | ({"weather": self.drive} if self.drive in WEATHER else {})
        picture = self.pictures[0]
        if not self.labelled:
            return SampleData(id=self.id, split=self.split, image=picture, tags=tags)
        if self.annotation is None:
            raise DataError(
                f"{where} has a picture but no annotation",
                fix=f"add {self.frame}{_TRUTH_ENDING}.json or remove the picture",
            )
        file = read_polygons(self.annotation)
        height, width = image_size_hw(picture)
        if file.size_hw != (height, width):
            raise DataError(
                f"{self.annotation} is for {file.size_hw[1]} x {file.size_hw[0]} pixels, "
                f"its picture {picture.name} is {width} x {height}",
                fix="give a picture and its annotation of one size",
            )
        objects, unknown = _known(file.objects)
        numbers = draw_objects([known.polygon for known in objects], file.size_hw)
        semantic, instances = _tables(objects, self.encoding, self.background_id)
        return SampleData(
            id=self.id,
            split=self.split,
            image=picture,
            semantic=semantic[numbers],
            instances=instances[numbers],
            tags=tags,
            unknown_labels=unknown,
        )


class _Known(NamedTuple):
    """An object whose label the table knows."""

    label: IddLabel
    counted: bool  # has an instance number of its own
    polygon: Sequence[tuple[float, float]]


def _known(objects: Sequence[PolygonObject]) -> tuple[list[_Known], dict[str, int]]:
    """The objects with a known label, and how often unknown labels came."""
    labels = idd_labels()
    known: list[_Known] = []
    unknown: Counter[str] = Counter()
    for item in objects:
        # `polegroup` is a label of its own: a name is looked up whole before it loses the suffix.
        single = item.label in labels
        label = labels.get(item.label if single else item.label.removesuffix("group"))
        if label is None:
            unknown[item.label.encode("utf-8", "backslashreplace").decode()[:80]] += 1
        else:
            known.append(_Known(label, single and label.has_instances, item.polygon))
    return known, dict(sorted(unknown.items()))


def _tables(
    objects: Sequence[_Known], encoding: str, background_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Semantic (uint8) and instance (uint16) value of every object number; number 0 is background.

    Counters run per encoded class, as coarse encodings put several labels into one. Ignored objects
    stay plain 255, since 255 * 1000 does not fit 16 bits. After the thousandth object of a class,
    objects are painted with the plain class id: class * 1000 + 1000 would be the next class.
    """
    classes = space_of_encoding(encoding)[1].classes
    countable = {item.id for item in classes if item.has_instances}
    semantic, instances = [background_id], [background_id]
    counters: Counter[int] = Counter()
    for known in objects:
        value = known.label.ids[encoding]
        semantic.append(value)
        if known.counted and value in countable and counters[value] <= _MAX_INDEX:
            instances.append(value * 1000 + counters[value])
            counters[value] += 1
        else:
            instances.append(value)
    return np.array(semantic, np.uint8), np.array(instances, np.uint16)
