"""A picture and its truth file, found by their names; both there, or one clear line about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..prepared import SPLITS, SampleData
from .source import Item, files_by_stem, subfolders

__all__ = ["MaskItem", "Pair", "drives", "find_pairs", "first_picture", "has_truth"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What a dataset holds of one frame, as its folders list it."""

    name: str
    """The frame: the file names without what the layout adds to them."""
    pictures: tuple[Path, ...]
    """Its picture; none or several is an error of the data."""
    truths: tuple[Path, ...]
    """Its truth file; likewise, in a split that has any."""
    expected: Path
    """Where the truth file belongs."""

    def picture(self) -> Path:
        """The picture.

        Raises:
            DataError: There is none, or more than one.
        """
        if not self.pictures:
            raise DataError(
                f"{self.truths[0]} has no picture"
                if self.truths
                else f"{self.name} has neither a picture nor {self.expected}",
                fix="add the picture or remove the sample",
            )
        return _only(self.pictures)

    def truth(self) -> Path:
        """The truth file.

        Raises:
            DataError: There is none, or more than one.
        """
        if not self.truths:
            raise DataError(
                f"{self.picture()} has no annotation",
                fix=f"add {self.expected} or remove the picture",
            )
        return _only(self.truths)


def _only(files: Sequence[Path]) -> Path:
    if len(files) > 1:
        raise DataError(
            f"{files[0]} and {files[1].name} are the same frame", fix="keep one of them"
        )
    return files[0]


def find_pairs(
    images: Path,
    truths: Path,
    *,
    image_ending: str = "",
    truth_ending: str = "",
    truth_suffix: str = ".png",
) -> list[Pair]:
    """The frames of two folders, by name: every one that has a picture or a truth file.

    Args:
        images: Folder of the pictures; may be missing.
        truths: Folder of the truth files; may be missing.
        image_ending: What stands between a picture's frame and its suffix.
        truth_ending: What stands between a truth file's frame and its suffix.
        truth_suffix: Of truth files; case does not matter.
    """
    pictures = files_by_stem(images, ending=image_ending)
    files = files_by_stem(truths, ending=truth_ending, suffixes=(truth_suffix,))
    return [
        Pair(
            name=name,
            pictures=tuple(pictures.get(name, ())),
            truths=tuple(files.get(name, ())),
            expected=truths / f"{name}{truth_ending}{truth_suffix}",
        )
        for name in sorted(pictures.keys() | files.keys())
    ]


def drives(*folders: Path) -> list[str]:
    """The names of the folders in any of these folders, sorted."""
    return sorted({inner.name for folder in folders for inner in subfolders(folder)})


def first_picture(images: Path, *, ending: str) -> Path | None:
    """A picture that is named `<split>/<drive>/<frame><ending><suffix>`; None where there is none."""
    drives = (drive for split in SPLITS for drive in subfolders(images / split))
    found = (paths[0] for d in drives for paths in files_by_stem(d, ending=ending).values())
    return next(found, None)


def has_truth(folder: Path, *, ending: str, suffix: str = ".png") -> bool:
    """Whether any drive in a folder holds a file that is named `<frame><ending><suffix>`."""
    return any(
        files_by_stem(drive, ending=ending, suffixes=(suffix,)) for drive in subfolders(folder)
    )


@dataclass(frozen=True, kw_only=True)
class MaskItem(Item):
    """A picture and one mask file."""

    pair: Pair
    """The files."""
    drive: str
    """What it was filmed with: drive, sequence, clip."""
    read: Callable[[Path], np.ndarray] | None
    """A function of a module that reads the mask as (H, W) uint8 class ids; None in a split without
    truth."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Anything to group by."""

    @property
    def group(self) -> str:
        """The drive."""
        return self.drive

    def load(self) -> SampleData:
        """Read the mask.

        Raises:
            DataError: A file is missing or damaged.
            LabelError: The mask holds what its label space does not have.
        """
        picture = self.pair.picture()
        return SampleData(
            id=self.id,
            split=self.split,
            image=picture,
            semantic=self.read(self.pair.truth()) if self.read else None,
            tags=self.tags,
        )
