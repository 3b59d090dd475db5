"""IDD-Lite: IDD at 320 x 227 with its seven level-1 classes.

::

    <root>/leftImg8bit/<split>/<drive>/<frame>_image.jpg   (or .png)
    <root>/gtFine/<split>/<drive>/<frame>_label.png        ids 0..6, 255 = void

The `_inst_label.png` files that circulate with it hold no instance ids and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ...errors import DataError
from ...labels import LabelSpace, load_space
from ...prepared import SPLITS
from ..id_masks import read_class_ids
from ..pairs import MaskItem, drives, find_pairs, first_picture
from ..roots import require_folder
from ..source import Item, Source, unique

__all__ = ["IddLite"]

_IMAGES, _TRUTH = "leftImg8bit", "gtFine"
_NO_INSTANCES = "_inst"
_LAYOUT = f"give the folder that holds {_IMAGES}/<split>/<drive> and {_TRUTH}/<split>/<drive>"


@dataclass(frozen=True, kw_only=True)
class IddLite(Source):
    """IDD-Lite's seven classes."""

    @property
    def space(self) -> LabelSpace:
        """IDD-Lite's seven classes."""
        return load_space("idd-lite7")

    def plan(self) -> list[Item]:
        """One item per frame that has a picture or a mask; a split without masks has no targets.

        Raises:
            DataError: The root is missing or does not have IDD-Lite's layout.
        """
        require_folder(self.root, _IMAGES, beside=_TRUTH, layout=_LAYOUT)
        items: list[Item] = [item for split in SPLITS for item in self._plan_split(split)]
        if not items:
            if other := first_picture(self.root / _IMAGES, ending="_leftImg8bit"):
                raise DataError(
                    f"{other} has a name of IDD or Cityscapes",
                    fix="convert the folder as idd or cityscapes",
                )
            raise DataError(f"{self.root / _IMAGES} has no `_image` files", fix=_LAYOUT)
        return items

    def _plan_split(self, split: str) -> list[MaskItem]:
        images, truths = self.root / _IMAGES / split, self.root / _TRUTH / split
        found = [
            (drive, pair)
            for drive in drives(images, truths)
            for pair in find_pairs(
                images / drive, truths / drive, image_ending="_image", truth_ending="_label"
            )
            if pair.pictures or not pair.name.endswith(_NO_INSTANCES)
        ]
        labelled = any(pair.truths for _, pair in found)
        read = partial(read_class_ids, space=self.space.name) if labelled else None
        taken: set[str] = set()
        return [
            MaskItem(
                id=unique(f"{drive}_{pair.name}", taken),
                split=split,
                pair=pair,
                drive=drive,
                read=read,
                tags={"drive": drive},
            )
            for drive, pair in found
        ]
