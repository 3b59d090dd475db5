"""IDD, the India Driving Dataset: polygon files in any of its encodings.

::

    <root>/leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png   (or .jpg)
    <root>/gtFine/<split>/<drive>/<frame>_gtFine_polygons.json

Each file is read and drawn once, whatever is made of it: the two masks of the prepared folder and,
where asked, the files of the official tools beside it (see `official.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import ConfigError, DataError
from ...labels import LabelSpace, space_of_encoding
from ...prepared import SPLITS, SampleData
from ..official import (
    OUTPUTS,
    TRUTH,
    AnnotatedFrame,
    OfficialTree,
    Output,
    annotated_frames,
    encodings_of,
    polygon_labels,
)
from ..pairs import Pair, first_picture
from ..polygon_frame import Background, PolygonFrame
from ..roots import require_folder
from ..source import Item, Source, files_by_stem, subfolders, unique

__all__ = ["Idd", "IddItem"]

WEATHER = ("clear", "fog", "night", "rain", "snow")
"""Drives that are called so (drawn scenes are) also become the tag `weather`."""

_IMAGES, _IMAGE_ENDING = "leftImg8bit", "_leftImg8bit"
_LAYOUT = f"give the folder that holds {_IMAGES}/<split>/<drive> and {TRUTH}/<split>/<drive>"


@dataclass(frozen=True, kw_only=True)
class Idd(Source):
    """IDD's polygon files, as semantic and instance masks, and under the official tools' names."""

    labels: str = "level2"
    """Encoding of the masks: level1, level2, level3, level4, id, csid, cstrainid, unified,
    source-level1."""
    background: Background = "ignore"
    """Value of pixels that no polygon covers: 255, or what the official tools write, the
    `unlabeled` id of the encoding (0 for csid, 35 for id, 255 for the others)."""
    official_names: Path | None = None
    """Folder to make beside the prepared one, with the files that the official tools would make."""
    encodings: tuple[str, ...] = ()
    """Encodings of the files under official names, "all" for every one; that of `labels` where not
    given."""
    outputs: tuple[Output, ...] = OUTPUTS
    """Which files to make under official names."""

    def __post_init__(self) -> None:
        asked = self.encodings or self.outputs != OUTPUTS
        if self.official_names is None and asked:
            raise ConfigError(
                "encodings and outputs are for files under official names, which were not asked",
                fix="add --official-names FOLDER, or leave the two out",
            )
        if not self.outputs:
            raise ConfigError("no outputs were given", fix=f"give some of {', '.join(OUTPUTS)}")

    @property
    def space(self) -> LabelSpace:
        """The label space of the encoding."""
        return space_of_encoding(self.labels)[1]

    def options(self) -> dict[str, Any]:
        """The encoding by its official name, and the background's meaning and value."""
        return {
            "labels": self._encoding,
            "background": self.background,
            "background_id": polygon_labels(self.background).background_id(self._encoding),
        }

    @property
    def _encoding(self) -> str:
        return space_of_encoding(self.labels)[0]

    @cached_property
    def _official(self) -> OfficialTree | None:
        if self.official_names is None:
            return None
        return OfficialTree(
            root=self.official_names,
            encodings=encodings_of(self.encodings or [self.labels]),
            outputs=self.outputs,
            background=self.background,
        )

    def plan(self) -> list[Item]:
        """One item per frame that has a picture or an annotation.

        The official test split comes without annotations: where `gtFine/test` is absent, its
        pictures become samples without targets.

        Raises:
            DataError: The root is missing or does not have IDD's layout.
            ConfigError: The folder for official names holds such files of other making.
        """
        require_folder(self.root, _IMAGES, beside=TRUTH, layout=_LAYOUT)
        frames = annotated_frames(self.root)
        items: list[Item] = [item for split in SPLITS for item in self._plan_split(split, frames)]
        if not items:
            if other := first_picture(self.root / _IMAGES, ending="_image"):
                raise DataError(
                    f"{other} has a name of IDD-Lite", fix="convert the folder as idd-lite"
                )
            raise DataError(
                f"{self.root / _IMAGES} has no pictures in {', '.join(SPLITS)}", fix=_LAYOUT
            )
        if self._official is not None:
            self._official.check(frames)
        return items

    def finish(self, items: Sequence[Item]) -> None:
        """Gather the panoptic JSON files.

        Raises:
            DataError: A panoptic PNG is damaged.
            StorageError: The place cannot be written.
        """
        if self._official is not None:
            frames = [item.annotated for item in items if isinstance(item, IddItem)]
            self._official.finish(frame for frame in frames if frame is not None)

    def _plan_split(self, split: str, frames: Sequence[AnnotatedFrame]) -> list[IddItem]:
        images, truths = self.root / _IMAGES / split, self.root / TRUTH / split
        labelled = truths.is_dir()
        if images.is_dir() and not labelled and split != "test":
            require_folder(self.root, TRUTH, beside=_IMAGES, layout=_LAYOUT)
            raise DataError(f"{images} has no annotations: {truths} does not exist", fix=_LAYOUT)
        annotated: dict[str, dict[str, AnnotatedFrame]] = {}
        for found in frames:
            if found.split == split:
                annotated.setdefault(found.drive, {})[found.frame] = found
        taken: set[str] = set()
        items = []
        drives = {folder.name for top in (images, truths) for folder in subfolders(top)}
        for drive in sorted(drives):
            pictures = files_by_stem(images / drive, ending=_IMAGE_ENDING)
            polygons = annotated.get(drive, {})
            for frame in sorted(pictures.keys() | polygons.keys()):
                known = polygons.get(frame)
                pair = Pair(
                    name=f"{split}/{drive}/{frame}",
                    pictures=tuple(pictures.get(frame, ())),
                    truths=(known.polygons,) if known else (),
                    expected=truths / drive / f"{frame}_gtFine_polygons.json",
                )
                item = IddItem(
                    id=unique(f"{drive}_{frame}", taken),
                    split=split,
                    drive=drive,
                    pair=pair,
                    annotated=known,
                    labelled=labelled,
                    encoding=self._encoding,
                    background=self.background,
                    official=self._official,
                )
                items.append(item)
        return items


@dataclass(frozen=True, kw_only=True)
class IddItem(Item):
    """One frame of IDD."""

    drive: str
    """Name of its drive folder."""
    pair: Pair
    """Its picture and its polygon file."""
    annotated: AnnotatedFrame | None
    """What its files under official names are called."""
    labelled: bool
    """Whether its split has annotations at all."""
    encoding: str
    """Official name of the encoding."""
    background: Background
    """What pixels are that no polygon covers."""
    official: OfficialTree | None
    """Where files under official names go, if they were asked."""

    @property
    def group(self) -> str:
        """Its drive."""
        return self.drive

    def load(self) -> SampleData:
        """Read the polygons and paint both masks; write the files under official names, if asked.

        Raises:
            DataError: A file is missing, damaged or says something impossible.
            StorageError: The place for official names cannot be written.
        """
        picture = self.pair.picture()
        tags = {"drive": self.drive} | ({"weather": self.drive} if self.drive in WEATHER else {})
        if not self.labelled:
            return SampleData(id=self.id, split=self.split, image=picture, tags=tags)
        by = polygon_labels(self.background)
        frame = PolygonFrame.read(self.pair.truth(), by, picture=picture)
        if self.official is not None and self.annotated is not None:
            self.official.write(self.annotated, frame)
        return SampleData(
            id=self.id,
            split=self.split,
            image=picture,
            semantic=frame.areas.classes(self.encoding)[frame.areas.numbers],
            instances=frame.areas.instances(self.encoding)[frame.areas.numbers],
            tags=tags,
            unknown_labels=frame.unknown_labels,
            known_objects=len(frame.lines.objects),
        )

    def complete(self) -> bool:
        """Whether its files under official names are there, if they were asked."""
        if self.official is None or self.annotated is None:
            return True
        return self.official.complete(self.annotated)
