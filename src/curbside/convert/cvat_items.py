"""The images of CVAT files as samples: what every source that reads such files shares."""

from __future__ import annotations

import reprlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..imaging import image_size_hw
from ..labels import IGNORE_ID, LabelSpace
from ..prepared import MAX_INDEX, SampleData
from ..progress import track
from .cvat_shapes import AREA_KINDS, IGNORE_LABEL, CvatShape, draw_shapes
from .cvat_xml import CvatFile, CvatPlace, read_cvat_image, scan_cvat
from .source import Item, unique
from .tree import FileTree

__all__ = ["BrokenItem", "CvatItem", "cvat_items"]


@dataclass(frozen=True, kw_only=True)
class BrokenItem(Item):
    """An annotation file that cannot be read: its images are unknown, its problem is not."""

    error: DataError
    """What is wrong with it."""

    def load(self) -> SampleData:
        """Say what is wrong.

        Raises:
            DataError: Always.
        """
        raise self.error


@dataclass(frozen=True, kw_only=True)
class CvatItem(Item):
    """One image of a CVAT file. A source says what its labels become."""

    annotation: Path
    """Its annotation file."""
    batch: str
    """The annotation file and the folder of the picture, relative to the root."""
    place: CvatPlace
    """Where it stands there."""
    pictures: tuple[Path, ...]
    """The nearest files with its name; none or several is an error of the data."""
    annotated: tuple[str, ...] | None
    """The classes that the file's annotators could choose; None where it was all of the space."""

    @property
    @abstractmethod
    def space(self) -> LabelSpace:
        """The label space, whose class names are the labels."""

    @property
    def dropped(self) -> Collection[str]:
        """Labels that are left out on purpose."""
        return ()

    @property
    def tags(self) -> Mapping[str, str]:
        """Anything to group by."""
        return {"sequence": self.annotation.stem}

    @property
    def group(self) -> str:
        """The annotation file and the folder of the picture."""
        return self.batch

    def load(self) -> SampleData:
        """Draw the shapes; labels without a class cover what is under them with 255.

        Where no class that was annotated has instances, or where not one thing is told apart from
        the others of its kind, there is no instance mask.

        Raises:
            DataError: The picture or the annotation is missing, damaged or of another size.
        """
        picture = self._picture()
        image = read_cvat_image(self.annotation, self.place)
        size_hw = image_size_hw(picture)
        if image.size_hw != size_hw:
            raise DataError(
                f"{self._where} is annotated at {image.size_hw[1]} x {image.size_hw[0]} pixels, "
                f"its picture {picture} is {size_hw[1]} x {size_hw[0]}",
                fix="give a picture and its annotation of one size",
            )
        names = set(self.space.names)
        shapes = [shape for shape in image.shapes if shape.kind in AREA_KINDS]
        order = sorted(range(len(shapes)), key=lambda index: shapes[index].z_order)  # stable
        numbers = draw_shapes([shapes[index] for index in order], size_hw)
        semantic, instances = _tables(shapes, self.space)
        by_number = [0, *(index + 1 for index in order)]
        dropped = Counter(
            s.label for s in shapes if s.label not in names and s.label in self.dropped
        )
        return SampleData(
            id=self.id,
            split=self.split,
            image=picture,
            semantic=semantic[by_number][numbers],
            instances=instances[by_number][numbers] if self._tells_apart(shapes) else None,
            annotated=self.annotated,
            tags=self.tags,
            unknown_labels=dict(sorted(Counter(self._skipped(image.shapes)).items())),
            dropped_labels=dict(sorted(dropped.items())),
            known_objects=sum(shape.label in names for shape in shapes),
        )

    @property
    def _where(self) -> str:
        return f"{self.annotation}: the image {reprlib.repr(self.place.name)}"

    def _picture(self) -> Path:
        if not self.pictures:
            raise DataError(
                f"{self._where} is nowhere in the dataset", fix="add it, or remove it from the file"
            )
        if len(self.pictures) > 1:
            raise DataError(
                f"{self._where} may be {self.pictures[0]} or {self.pictures[1]}",
                fix="keep one of them, or put the annotation file beside its images",
            )
        return self.pictures[0]

    def _tells_apart(self, shapes: Sequence[CvatShape]) -> bool:
        things = {item.name for item in self.space.classes if item.has_instances}
        if self.annotated is not None:
            things &= set(self.annotated)
        crowds = [shape.is_crowd for shape in shapes if shape.label in things]
        return bool(things) and not (crowds and all(crowds))

    def _skipped(self, shapes: Sequence[CvatShape]) -> Iterator[str]:
        """The labels of shapes that become nothing: unknown ones, and kinds without an area."""
        meant = {*self.space.names, *self.dropped, IGNORE_LABEL}
        for shape in shapes:
            label = shape.label.encode("utf-8", "backslashreplace").decode()[:80]
            if shape.kind not in AREA_KINDS:
                yield f"{label} ({shape.kind[:20]})"
            elif shape.label not in meant:
                yield label


def cvat_items(
    tree: FileTree,
    make: Callable[..., CvatItem],
    *,
    taken: Mapping[str, set[str]],
    annotated: Callable[[Path, CvatFile], tuple[str, ...] | None],
    split: Callable[[Path, CvatPlace], str] = lambda path, place: "train",
) -> Iterator[Item]:
    """One item per image of every CVAT file, file by file.

    The files are walked for the names of their images; one that cannot be is one item, which will
    fail with the reason. XML that is not CVAT's is left alone.

    Args:
        tree: The files of the dataset. Pictures are found by their names, the nearest folder first,
            one that is called as the split before others.
        make: The item class of the source, or what makes one of its fields by name.
        taken: Per split, the ids that are given; those of the items are added.
        annotated: The classes that the annotators of a file could choose; it may refuse the file.
        split: The split of an image.
    """
    files = tree.with_suffix(".xml")
    for path in track(files, total=len(files), description="reading XML", unit="files"):
        try:
            file = scan_cvat(path)
            if file is None:
                continue
            if "box" in file.kinds and not {"polygon", "mask"} & set(file.kinds):
                raise DataError(
                    f"{path} holds bounding boxes alone, which say where objects are but not their "
                    "pixels",
                    fix="keep the bounding box part of the dataset out of the folder",
                )
            names = annotated(path, file)
        except DataError as error:
            yield BrokenItem(id=unique(path.name, taken["train"]), split="train", error=error)
            continue
        for place in file.images:
            where = split(path, place)
            found = tree.nearest(path.parent, place.name)
            pictures = [picture for picture in found if picture.parent.name == where] or found
            # Not of other annotations: one that is repaired later must not change the ids of the rest.
            shown = pictures[0] if pictures else path
            folder = shown.parent.relative_to(tree.root).as_posix()
            yield make(
                id=unique(tree.short_name(shown, understood=where), taken[where]),
                split=where,
                annotation=path,
                batch=f"{path.relative_to(tree.root).as_posix()} {folder}",
                place=place,
                pictures=tuple(pictures),
                annotated=names,
            )


def _tables(shapes: Sequence[CvatShape], space: LabelSpace) -> tuple[np.ndarray, np.ndarray]:
    """Semantic (uint8) and instance (uint16) value of every shape, behind that of the background.

    Objects are counted in the order of the file.
    """
    classes = {item.name: item for item in space.classes}
    semantic, instances = [IGNORE_ID], [IGNORE_ID]
    counters: Counter[int] = Counter()
    groups: dict[tuple[int, int], int] = {}
    for shape in shapes:
        item = classes.get(shape.label)
        value = IGNORE_ID if item is None else item.id
        instance = groups.get((value, shape.group_id), value)
        counted = item is not None and item.has_instances and not shape.is_crowd
        if not counted:
            instance = value
        elif instance == value:
            if counters[value] <= MAX_INDEX:
                instance = value * 1000 + counters[value]
                counters[value] += 1
            if shape.group_id:
                groups[value, shape.group_id] = instance
        semantic.append(value)
        instances.append(instance)
    return np.array(semantic, np.uint8), np.array(instances, np.uint16)
