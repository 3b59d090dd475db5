"""AI-Hub's sidewalk data, as SafeTrip-Q uses it: surfaces, obstacles and depth, never all at once.

::

    Surface_001/  <name>.jpg ...  Surface_001.xml (CVAT 1.1)  MASK/<name>.png (not read)
    Polygon_0001/ <name>.jpg ...  Polygon_0001.xml
    Depth_001/    <name>_left.png  <name>_disp16.png  <name>_confidence.png ...  Depth_001.conf

These may lie anywhere under the root, and as in the public sample (`rawdata/`, `output/`, names such
as `Sidewalk_19009_depth_disp16_000001_0.png`). An annotation file's images are found by their base
names alone, the nearest folder first.

Of the depth pictures, `left` and `right` are the rectified pair, with black bars above and below;
`L` and `R` are what the camera saw, do not lie on the disparity and are not read. `confidence` is
black or white. Its bars are white and have no disparity, so that confidence is kept only where depth
is known. White is taken for trusted: on the public pair, 79 % of the pixels that the right camera
cannot see are black, of the others 41 %. It is a weak witness all the same: where both cameras see
a near surface, black and white agree with a matching of the pair equally well.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import DataError
from ..imaging import image_size_hw, read_ids
from ..labels import IGNORE_ID, LabelSpace, load_space
from ..labels.safetrip import DROPPED_LABELS, SURFACE_CLASSES
from ..prepared import MAX_INDEX, SampleData
from ..progress import track
from .cvat import CvatFile, CvatPlace, read_cvat_image, scan_cvat
from .cvat_shapes import AREA_KINDS, CvatShape, draw_shapes
from .source import Item, Source, unique
from .stereo import (
    StereoFrame,
    check_scale,
    depth_from_disparity,
    read_calibration,
    read_disparity,
    stereo_frames,
)
from .tree import FileTree

__all__ = ["BrokenItem", "CvatItem", "DepthItem", "Sidewalk"]

_LAYOUT = "give the folder that holds Surface_*, Polygon_* or Depth_* folders, unpacked"


@dataclass(frozen=True, kw_only=True)
class Sidewalk(Source):
    """AI-Hub's sidewalk images (SafeTrip-Q): surfaces, obstacles and ZED depth."""

    disparity_scale: float = 100.0
    """What the disparity in disp16 files was multiplied with: 100, measured on the public sample
    (`curbside disparity-check ROOT` measures yours)."""
    trusted: Literal["white", "black"] = "white"
    """Which pixels of a confidence picture are the trusted ones."""

    @property
    def space(self) -> LabelSpace:
        """SafeTrip-Q's 24 classes."""
        return load_space("safetrip24")

    def options(self) -> dict[str, Any]:
        """How depth and confidence were read, and the labels that became ignore, with the reasons."""
        return {
            "disparity_scale": self.disparity_scale,
            "trusted": self.trusted,
            "dropped": dict(DROPPED_LABELS),
        }

    def plan(self) -> list[Item]:
        """One item per annotated image and per disparity file, all in `train`.

        Annotation files are walked for the names of their images; one that cannot be is one item,
        which will fail with the reason. XML that is not CVAT's is left alone.

        Raises:
            DataError: The root is missing or holds neither annotations nor disparity.
            ConfigError: The disparity scale is impossible.
        """
        check_scale(self.disparity_scale)
        if not self.root.is_dir():
            raise DataError(f"the folder {self.root} does not exist", fix=_LAYOUT)
        tree = FileTree(self.root)
        taken: set[str] = set()
        items: list[Item] = []
        files = tree.with_suffix(".xml")
        for path in track(files, total=len(files), description="reading XML", unit="files"):
            items += self._annotated(path, tree, taken)
        for frame in stereo_frames(tree):
            item = DepthItem(
                id=unique(tree.short_name(frame.left), taken),
                split="train",
                frame=frame,
                recording=self._within(frame.calibrations[0])
                if frame.calibrations
                else self._within(frame.disparity.parent),
                scale=self.disparity_scale,
                white_is_trusted=self.trusted == "white",
            )
            items.append(item)
        if not items:
            raise DataError(f"{self.root} holds no CVAT annotations and no disparity", fix=_LAYOUT)
        return items

    def _within(self, path: Path) -> str:
        """A path relative to the root, the same on every machine."""
        return path.relative_to(self.root).as_posix()

    def _annotated(self, path: Path, tree: FileTree, taken: set[str]) -> Iterator[Item]:
        try:
            file = scan_cvat(path)
            if file is None:
                return
            annotated = self._annotated_classes(path, file)
        except DataError as error:
            yield BrokenItem(id=unique(path.name, taken), split="train", error=error)
            return
        for place in file.images:
            pictures = tree.nearest(path.parent, place.name)
            # Not of other annotations: one that is repaired later must not change the ids of the rest.
            name = tree.short_name(pictures[0] if pictures else path)
            yield CvatItem(
                id=unique(name, taken),
                split="train",
                annotation=path,
                batch=self._within(path),
                place=place,
                pictures=tuple(pictures),
                annotated=annotated,
            )

    def _annotated_classes(self, path: Path, file: CvatFile) -> tuple[str, ...]:
        """What the annotators could choose; where the file does not say, the whole group of what
        they did choose."""
        if "box" in file.kinds and not {"polygon", "mask"} & set(file.kinds):
            raise DataError(
                f"{path} holds bounding boxes alone, which say where objects are but not their pixels",
                fix="keep the bounding box part of the dataset out of the folder",
            )
        names = self.space.names
        chosen = {*file.labels, *file.used}
        if not file.labels:
            surface, obstacles = set(SURFACE_CLASSES), set(names) - set(SURFACE_CLASSES)
            for group in (surface, obstacles):
                chosen |= group if group & chosen else set()
        annotated = tuple(name for name in names if name in chosen)
        if not annotated:
            raise DataError(
                f"{path} knows no label of {self.space.name}",
                fix="keep CVAT files of other data out of the folder",
            )
        return annotated


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
    """One image annotated with surfaces or obstacles."""

    annotation: Path
    """Its annotation file."""
    batch: str
    """The annotation file again, relative to the root."""
    place: CvatPlace
    """Where it stands there."""
    pictures: tuple[Path, ...]
    """The nearest files with its name; none or several is an error of the data."""
    annotated: tuple[str, ...]
    """The classes that the file's annotators could choose."""

    @property
    def group(self) -> str:
        """The annotation file."""
        return self.batch

    @property
    def kind(self) -> str:
        """`surface`, `polygon` or, for files of one's own, `both`."""
        surfaces = sum(name in SURFACE_CLASSES for name in self.annotated)
        return {0: "polygon", len(self.annotated): "surface"}.get(surfaces, "both")

    def load(self) -> SampleData:
        """Draw the shapes; dropped and unknown labels cover what is under them with 255.

        Raises:
            DataError: The picture or the annotation is missing, damaged or of another size.
        """
        where = f"{self.annotation}: the image {reprlib.repr(self.place.name)}"
        if not self.pictures:
            raise DataError(
                f"{where} is nowhere in the dataset", fix="add it, or remove it from the file"
            )
        if len(self.pictures) > 1:
            raise DataError(
                f"{where} may be {self.pictures[0]} or {self.pictures[1]}",
                fix="keep one of them, or put the annotation file beside its images",
            )
        image = read_cvat_image(self.annotation, self.place)
        size_hw = image_size_hw(self.pictures[0])
        if image.size_hw != size_hw:
            raise DataError(
                f"{where} is annotated at {image.size_hw[1]} x {image.size_hw[0]} pixels, "
                f"its picture {self.pictures[0]} is {size_hw[1]} x {size_hw[0]}",
                fix="give a picture and its annotation of one size",
            )
        skipped = Counter(_skipped(image.shapes))
        shapes = [shape for shape in image.shapes if shape.kind in AREA_KINDS]
        shapes.sort(key=lambda shape: shape.z_order)  # stable: of equals, the later one lies above
        numbers = draw_shapes(shapes, size_hw)
        semantic, instances = _tables(shapes)
        dropped = Counter(shape.label for shape in shapes if shape.label in DROPPED_LABELS)
        tags = {"kind": self.kind, "sequence": self.annotation.stem}
        if dropped:
            tags["dropped"] = ", ".join(f"{name} {dropped[name]}" for name in sorted(dropped))
        return SampleData(
            id=self.id,
            split=self.split,
            image=self.pictures[0],
            semantic=semantic[numbers],
            instances=None if self.kind == "surface" else instances[numbers],
            annotated=self.annotated,
            tags=tags,
            unknown_labels=dict(sorted(skipped.items())),
        )


@dataclass(frozen=True, kw_only=True)
class DepthItem(Item):
    """One picture of the ZED camera with its disparity."""

    frame: StereoFrame
    """Its files."""
    recording: str
    """The calibration, which is one recording's, relative to the root."""
    scale: float
    """What the disparity was multiplied with."""
    white_is_trusted: bool
    """Which pixels of the confidence picture are the trusted ones."""

    @property
    def group(self) -> str:
        """The recording."""
        return self.recording

    def load(self) -> SampleData:
        """Turn disparity into metres.

        Raises:
            DataError: A file is missing, damaged, ambiguous, or of another size.
        """
        frame = self.frame
        if not frame.left.is_file():
            raise DataError(
                f"{frame.disparity} has no rectified left picture {frame.left.name}",
                fix="add it (the one called L is not rectified), or remove the disparity",
            )
        if len(frame.calibrations) != 1:
            found = " and ".join(map(str, frame.calibrations[:2])) or "none"
            raise DataError(
                f"{frame.disparity} needs one .conf file, found {found}",
                fix="put the camera's .conf file into the folder of the disparity",
            )
        raw = read_disparity(frame.disparity)
        calibration = read_calibration(frame.calibrations[0], (raw.shape[0], raw.shape[1]))
        depth_m = depth_from_disparity(raw, calibration, self.scale)
        return SampleData(
            id=self.id,
            split=self.split,
            image=frame.left,
            depth_m=depth_m,
            confidence=self._confidence(depth_m),
            annotated=(),
            tags={"kind": "depth", "sequence": frame.calibrations[0].stem},
        )

    def _confidence(self, depth_m: np.ndarray) -> np.ndarray | None:
        path = self.frame.confidence
        if not path.is_file():
            return None
        seen = read_ids(path)
        if seen.dtype != np.uint8 or seen.shape != depth_m.shape:
            raise DataError(
                f"{path} is {seen.shape[1]} x {seen.shape[0]} pixels of {8 * seen.itemsize} bits, "
                f"its disparity {depth_m.shape[1]} x {depth_m.shape[0]}",
                fix="give an 8-bit confidence picture of the disparity's size, or remove it",
            )
        trusted = seen if self.white_is_trusted else 255 - seen
        return np.where(depth_m > 0, trusted, np.uint8(0))


def _skipped(shapes: Sequence[CvatShape]) -> Iterator[str]:
    """The labels of shapes that become nothing: unknown ones, and kinds without an area."""
    names = load_space("safetrip24").names
    for shape in shapes:
        label = shape.label.encode("utf-8", "backslashreplace").decode()[:80]
        if shape.kind not in AREA_KINDS:
            yield f"{label} ({shape.kind[:20]})"
        elif shape.label not in names and shape.label not in DROPPED_LABELS:
            yield label


def _tables(shapes: Sequence[CvatShape]) -> tuple[np.ndarray, np.ndarray]:
    """Semantic (uint8) and instance (uint16) value of every shape number; number 0 is background."""
    classes = {item.name: item for item in load_space("safetrip24").classes}
    semantic, instances = [IGNORE_ID], [IGNORE_ID]
    counters: Counter[int] = Counter()
    groups: dict[tuple[int, int], int] = {}
    for shape in shapes:
        item = classes.get(shape.label)
        value = IGNORE_ID if item is None else item.id
        instance = groups.get((value, shape.group_id), value)
        if item is not None and item.has_instances and instance == value:
            if counters[value] <= MAX_INDEX:
                instance = value * 1000 + counters[value]
                counters[value] += 1
            if shape.group_id:
                groups[value, shape.group_id] = instance
        semantic.append(value)
        instances.append(instance)
    return np.array(semantic, np.uint8), np.array(instances, np.uint16)
