"""Names, places and records of a prepared folder."""

from __future__ import annotations

import math
import os
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..labels import PER_CLASS

__all__ = [
    "DEPTH_SCALE",
    "FORMAT",
    "MAX_INDEX",
    "PSEUDO_LABELS",
    "SPLITS",
    "TARGETS",
    "TARGET_FOLDERS",
    "SampleData",
    "SampleRecord",
    "check_focal_lengths",
]

FORMAT = {"format": "curbside-prepared", "version": 1}
SPLITS = ("train", "val", "test")
PSEUDO_LABELS = "pseudo-labels"
"""The source of a folder whose labels are of networks."""
TARGETS = ("semantic", "instances", "depth", "confidence")
TARGET_FOLDERS = {
    "semantic": "masks",
    "instances": "instances",
    "depth": "depth",
    "confidence": "confidence",
}
MAX_INDEX = PER_CLASS - 1
"""The last index of an instance of a class: class * 1000 + 1000 would be the next class."""
_MAX_NAME, _MAX_PATH = 255, 4096
DEPTH_SCALE = 256.0
"""Depth files hold metres times this, KITTI's convention."""


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One line of `samples.jsonl`."""

    id: str
    """Unique within its split; the stem of all its files."""
    split: str
    """`train`, `val` or `test`."""
    image: str
    """Path of the picture, relative to the root."""
    size_hw: tuple[int, int]
    """Height and width of the picture and of every target."""
    targets: tuple[str, ...]
    """Which of `semantic`, `instances`, `depth`, `confidence` it has."""
    annotated: tuple[str, ...] | None = None
    """Names of the classes that were annotated on it; None where it was all of the label space. A
    class that is missing here may stand in the picture: its pixels are then ignored in the mask."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Anything to group by, such as `weather`: `fog`."""
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels of the source that no table knows, and how many of its objects were skipped for them."""
    dropped_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels of the source that are left out on purpose, and how many of its objects had them."""
    known_objects: int = 0
    """Where it has unknown labels: the objects of the source whose labels are known."""
    focal_xy_px: tuple[float, float] | None = None
    """Focal length of the camera along x and y, in pixels of the picture; None where it is unknown."""
    pseudo: tuple[str, ...] = ()
    """The targets that networks made, in whole or in part. Where the mask is one of them, 255 is also what
    they were not sure of, and does not say that none of the annotated classes is there."""
    by_people: tuple[str, ...] = ()
    """Where the mask is one of them: the classes that people annotated, whose pixels are theirs; networks
    told the others."""

    @property
    def key(self) -> tuple[int, str]:
        """The order of the samples in `samples.jsonl`."""
        return SPLITS.index(self.split), self.id

    def target_path(self, target: str) -> str:
        """Path of a target's file, relative to the root."""
        return f"{self.split}/{TARGET_FOLDERS[target]}/{self.id}.png"

    def files(self) -> list[str]:
        """Every file of the sample, relative to the root."""
        return [self.image, *(self.target_path(target) for target in self.targets)]

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "id": self.id,
            "split": self.split,
            "image": self.image,
            "size_hw": list(self.size_hw),
            "targets": list(self.targets),
            **({} if self.annotated is None else {"annotated": list(self.annotated)}),
            "tags": dict(self.tags),
            **({"unknown_labels": dict(self.unknown_labels)} if self.unknown_labels else {}),
            **({"dropped_labels": dict(self.dropped_labels)} if self.dropped_labels else {}),
            **({"known_objects": self.known_objects} if self.known_objects else {}),
            **({"focal_xy_px": list(self.focal_xy_px)} if self.focal_xy_px else {}),
            **({"pseudo": list(self.pseudo)} if self.pseudo else {}),
            **({"by_people": list(self.by_people)} if self.by_people else {}),
        }

    @classmethod
    def from_dict(cls, data: Any) -> SampleRecord:
        """The record that `to_dict` wrote.

        Raises:
            DataError: A part is missing or impossible.
        """
        try:
            record = cls(
                id=str(data["id"]),
                split=str(data["split"]),
                image=str(data["image"]),
                size_hw=(int(data["size_hw"][0]), int(data["size_hw"][1])),
                targets=tuple(str(target) for target in data["targets"]),
                annotated=None
                if data.get("annotated") is None
                else tuple(str(name) for name in data["annotated"]),
                tags={str(k): str(v) for k, v in data.get("tags", {}).items()},
                unknown_labels={str(k): int(v) for k, v in data.get("unknown_labels", {}).items()},
                dropped_labels={str(k): int(v) for k, v in data.get("dropped_labels", {}).items()},
                known_objects=int(data.get("known_objects", 0)),
                focal_xy_px=_focal_lengths(data.get("focal_xy_px")),
                pseudo=tuple(str(target) for target in data.get("pseudo", ())),
                by_people=tuple(str(name) for name in data.get("by_people", ())),
            )
            name, path = os.fsencode(record.id), os.fsencode(record.image)
        except (
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise DataError(
                f"a line is not a sample ({type(error).__name__}: {error})",
                fix="convert the dataset again",
            ) from error
        if not (
            record.split in SPLITS
            and Counter(record.targets) <= Counter(TARGETS)  # each once
            and Counter(record.pseudo) <= Counter(record.targets)
            and 0 < len(name) <= _MAX_NAME
            and b"/" not in name
            and len(path) <= _MAX_PATH
            and b"\0" not in name + path
            and min(record.size_hw) >= 1
        ):
            said = record.split, record.targets, record.image, record.size_hw
            raise DataError(
                f"the sample {reprlib.repr(record.id)} has split, targets, picture and "
                f"size {', '.join(map(reprlib.repr, said))}",
                fix=f"splits are {', '.join(SPLITS)}; targets are {', '.join(TARGETS)}, each once; "
                "sizes are 1 or more; ids and pictures are names of files",
            )
        check_focal_lengths(record.focal_xy_px, reprlib.repr(record.id))
        return record


@dataclass(frozen=True, kw_only=True)
class SampleData:
    """A sample on its way into a prepared folder."""

    id: str
    """Unique within its split, without a slash."""
    split: str
    """`train`, `val` or `test`."""
    image: Path | np.ndarray
    """The picture: a file to link or copy as it is, or (H, W, 3) uint8 RGB pixels to write as JPEG."""
    semantic: np.ndarray | None = None
    """(H, W) uint8 class ids, 255 = ignore."""
    instances: np.ndarray | None = None
    """(H, W) uint16, class * 1000 + index; the plain class id where nothing is counted."""
    depth_m: np.ndarray | None = None
    """(H, W) float32 metres, 0 = unknown; 256 m and more do not fit the file and become unknown."""
    confidence: np.ndarray | None = None
    """(H, W) uint8, how far the depth is to be trusted: 255 = most, 0 = not at all."""
    annotated: tuple[str, ...] | None = None
    """Names of the classes that were annotated; None where it was all of the label space."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Anything to group by."""
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels of the source that no table knows, and how many of its objects were skipped for them."""
    dropped_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels of the source that are left out on purpose, and how many of its objects had them."""
    known_objects: int = 0
    """Objects of the source whose labels are known; 0 where it gives masks and not objects."""
    focal_xy_px: tuple[float, float] | None = None
    """Focal length of the camera along x and y, in pixels of the picture, where it is known."""
    pseudo: tuple[str, ...] = ()
    """Those of its targets that networks made, in whole or in part."""
    by_people: tuple[str, ...] = ()
    """Where networks filled in a mask of people: the classes that people annotated."""

    def targets(self) -> dict[str, np.ndarray]:
        """The targets it has, by name, as the arrays that their files hold."""
        found: dict[str, np.ndarray] = {}
        if self.semantic is not None:
            found["semantic"] = self.semantic
        if self.instances is not None:
            found["instances"] = self.instances.astype(np.uint16, copy=False)
        if self.depth_m is not None:
            depth = np.rint(np.nan_to_num(self.depth_m, posinf=0, neginf=0) * DEPTH_SCALE)
            fits = (depth > 0) & (depth <= np.iinfo(np.uint16).max)
            found["depth"] = np.where(fits, depth, 0).astype(np.uint16)
        if self.confidence is not None:
            found["confidence"] = self.confidence
        return found


def check_focal_lengths(focal_xy_px: Sequence[float] | None, name: str) -> None:
    """Refuse focal lengths that no camera has.

    Args:
        focal_xy_px: Along x and y, in pixels; None where they are unknown.
        name: The sample, for the message.

    Raises:
        DataError: They are not two numbers above 0.
    """
    if focal_xy_px is None:
        return
    if len(focal_xy_px) != 2 or not all(0 < focal < math.inf for focal in focal_xy_px):
        raise DataError(
            f"{name}: the focal lengths are {reprlib.repr(tuple(focal_xy_px))}",
            fix="give two numbers above 0, in pixels of the picture, or leave them out",
        )


def _focal_lengths(value: Any) -> tuple[float, float] | None:
    """Focal lengths as `samples.jsonl` has them."""
    if value is None:
        return None
    along_x, along_y = value
    return float(along_x), float(along_y)
