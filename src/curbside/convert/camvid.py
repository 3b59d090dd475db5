"""CamVid in the SegNet layout: eleven classes as 8-bit masks.

::

    <root>/{train,val,test}/<name>.png            (or .jpg)
    <root>/{train,val,test}annot/<name>.png       ids 0..10, 11 = void

The lists that come with it (`train.txt`, ...) are not read: they carry absolute paths of another
machine, and the folders say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..imaging import read_ids
from ..labels import IGNORE_ID, LabelSpace, load_space
from ..prepared import SPLITS, SampleData
from .source import Item, Source, files_by_stem

__all__ = ["Camvid", "CamvidItem"]

VOID_ID = 11
_LAYOUT = "give the folder that holds train, trainannot, val, valannot, test, testannot"


@dataclass(frozen=True, kw_only=True)
class Camvid(Source):
    """CamVid's eleven classes, SegNet's folder layout."""

    @property
    def space(self) -> LabelSpace:
        """CamVid's eleven classes; void is ignore."""
        return load_space("camvid11")

    def plan(self) -> list[Item]:
        """One item per name that has a picture or a mask.

        Raises:
            DataError: The root is missing or does not have the layout.
        """
        if not self.root.is_dir():
            raise DataError(f"the folder {self.root} does not exist", fix=_LAYOUT)
        items: list[Item] = []
        for split in SPLITS:
            pictures = files_by_stem(self.root / split)
            masks = files_by_stem(self.root / f"{split}annot", suffixes=(".png",))
            items += [
                CamvidItem(
                    id=name,
                    split=split,
                    pictures=tuple(pictures.get(name, ())),
                    mask=next(iter(masks.get(name, ())), None),
                )
                for name in sorted(pictures.keys() | masks.keys())
            ]
        if not items:
            raise DataError(f"{self.root} has no pictures in {', '.join(SPLITS)}", fix=_LAYOUT)
        return items


@dataclass(frozen=True, kw_only=True)
class CamvidItem(Item):
    """One frame of CamVid."""

    pictures: tuple[Path, ...]
    """The picture; none or several is an error of the data."""
    mask: Path | None
    """Its mask."""

    def load(self) -> SampleData:
        """Read the mask; void becomes ignore.

        Raises:
            DataError: A file is missing or damaged.
        """
        where = f"{self.split}/{self.id}"
        if len(self.pictures) != 1:
            raise DataError(
                f"{where} has {len(self.pictures)} pictures", fix=f"keep one {self.id}.png or .jpg"
            )
        if self.mask is None:
            raise DataError(
                f"{where} has a picture but no mask",
                fix=f"add {self.split}annot/{self.id}.png or remove the picture",
            )
        ids = read_ids(self.mask)
        semantic = np.where(ids == VOID_ID, ids.dtype.type(IGNORE_ID), ids)
        tags = {"sequence": self.id.partition("_")[0]}
        return SampleData(
            id=self.id, split=self.split, image=self.pictures[0], semantic=semantic, tags=tags
        )
