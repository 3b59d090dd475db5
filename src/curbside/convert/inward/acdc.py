"""ACDC: fog, night, rain and snow, each with the same place in normal weather.

::

    <root>/rgb_anon/<condition>/<split>/<sequence>/<frame>_rgb_anon.png
    <root>/rgb_anon/<condition>/<split>_ref/<sequence>/<frame>_rgb_ref_anon.png
    <root>/gt/<condition>/<split>/<sequence>/<frame>_gt_labelTrainIds.png   (and _gt_labelIds.png)
    <root>/gt/<condition>/<split>_ref/<sequence>/<frame>_gt_ref_labelTrainIds.png

The test split has no truth, nor has a condition whose masks were not downloaded, and of the
reference pictures only some have, in the newer release: the others are samples without targets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import DataError
from ...labels import CITYSCAPES_ENCODINGS, LabelSpace, cityscapes_encoding
from ...prepared import SPLITS
from ..id_masks import read_cityscapes_ids, read_class_ids
from ..pairs import MaskItem, Pair, drives, find_pairs, has_truth
from ..roots import require_folder
from ..source import Item, Source

__all__ = ["Acdc"]

_CONDITIONS = ("fog", "night", "rain", "snow")
_IMAGES, _TRUTH = "rgb_anon", "gt"
_LAYOUT = (
    f"give the folder that holds {_IMAGES}/<condition>/<split> and {_TRUTH}/<condition>/<split>"
)


@dataclass(frozen=True, kw_only=True)
class Acdc(Source):
    """ACDC's four adverse conditions, and their reference pictures in normal weather."""

    labels: Literal["trainid", "id"] = "trainid"
    """Ids of the masks: Cityscapes' 19 train ids, or its 34 label ids."""
    reference: bool = True
    """Take the reference pictures as well, tagged with the weather `clear`."""

    @property
    def space(self) -> LabelSpace:
        """cityscapes19, or cityscapes-id."""
        return cityscapes_encoding(self.labels)[1]

    def options(self) -> dict[str, Any]:
        """The encoding by its official name, the files read, whether reference pictures are in."""
        return {
            "labels": cityscapes_encoding(self.labels)[0],
            "form": self._kind,
            "reference": self.reference,
        }

    @cached_property
    def _kind(self) -> str:
        """The kind of masks to read, for all of the dataset.

        Raises:
            DataError: None that will do is there.
        """
        kinds = ("labelTrainIds", "labelIds") if self.labels == "trainid" else ("labelIds",)
        for kind in kinds:
            if any(self._labelled(c, split, kind) for c in _CONDITIONS for split in SPLITS):
                return kind
        endings = " or ".join(f"_gt_{kind}.png" for kind in kinds)
        raise DataError(f"{self.root / _TRUTH} has no file that ends in {endings}", fix=_LAYOUT)

    def _labelled(self, condition: str, split: str, kind: str) -> bool:
        """Whether a split of a condition has any mask of a kind."""
        return has_truth(self.root / _TRUTH / condition / split, ending=f"_gt_{kind}")

    def plan(self) -> list[Item]:
        """One item per frame that has a picture or a mask, references behind their own split.

        Raises:
            DataError: The root is missing or does not have ACDC's layout.
        """
        require_folder(self.root, _IMAGES, beside=_TRUTH, layout=_LAYOUT)
        require_folder(self.root, _TRUTH, beside=_IMAGES, layout=_LAYOUT)
        items: list[Item] = []
        for split in SPLITS:
            for condition in _CONDITIONS:
                adverse = self._plan_part(condition, split)
                items += adverse
                if self.reference:
                    items += self._plan_references(condition, split, {i.id for i in adverse})
        if not items:
            raise DataError(
                f"{self.root / _IMAGES} has no pictures of {', '.join(_CONDITIONS)}", fix=_LAYOUT
            )
        return items

    def _plan_part(self, condition: str, split: str) -> list[MaskItem]:
        """The pictures in the condition."""
        labelled = self._labelled(condition, split, self._kind)
        return [
            MaskItem(
                id=f"{condition}_{pair.name}",
                split=split,
                pair=pair,
                drive=f"{condition}/{sequence}",
                read=self._read if labelled else None,
                tags={"weather": condition, "condition": condition, "sequence": sequence},
            )
            for sequence, pair in self._pairs(condition, split, "_rgb_anon", "_gt")
        ]

    def _plan_references(self, condition: str, split: str, adverse: set[str]) -> list[MaskItem]:
        """The pictures of the same places in normal weather."""
        items = []
        for sequence, pair in self._pairs(condition, f"{split}_ref", "_rgb_ref_anon", "_gt_ref"):
            tags = {"weather": "clear", "condition": condition, "sequence": sequence}
            partner = f"{condition}_{pair.name}"
            if partner in adverse:
                tags["reference_of"] = partner
            items.append(
                MaskItem(
                    id=f"{partner}_ref",
                    split=split,
                    pair=pair,
                    drive=f"{condition}/{sequence}",
                    read=self._read if pair.truths else None,
                    tags=tags,
                )
            )
        return items

    def _pairs(
        self, condition: str, folder: str, image_ending: str, truth_ending: str
    ) -> list[tuple[str, Pair]]:
        """Every frame of a folder, with its sequence."""
        images = self.root / _IMAGES / condition / folder
        truths = self.root / _TRUTH / condition / folder
        return [
            (sequence, pair)
            for sequence in drives(images, truths)
            for pair in find_pairs(
                images / sequence,
                truths / sequence,
                image_ending=image_ending,
                truth_ending=f"{truth_ending}_{self._kind}",
            )
        ]

    @property
    def _read(self) -> Callable[[Path], np.ndarray]:
        if self._kind == "labelTrainIds":
            return partial(read_class_ids, space=CITYSCAPES_ENCODINGS["trainId"])
        return partial(read_cityscapes_ids, encoding=cityscapes_encoding(self.labels)[0])
