"""Cityscapes: masks of label ids or train ids with their instances, or the polygon files.

::

    <root>/leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    <root>/gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png
                                                          _gtFine_labelTrainIds.png
                                                          _gtFine_instanceIds.png
                                                          _gtFine_polygons.json

`gtCoarse` is laid out alike; its pictures stand in `train`, `train_extra` and `val`. Which of the
forms is read is decided once, for the whole dataset, from what lies there: never from the values of
a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import ConfigError, DataError
from ...labels import (
    CITYSCAPES_ENCODINGS,
    IGNORE_ID,
    LabelSpace,
    cityscapes_encoding,
    cityscapes_labels,
)
from ...prepared import SPLITS, SampleData
from ..id_masks import (
    read_cityscapes_ids,
    read_cityscapes_instances,
    read_class_ids,
)
from ..pairs import Pair, drives, find_pairs, has_truth
from ..polygon_frame import PolygonFrame, PolygonLabels
from ..roots import require_folder
from ..source import Item, Source, unique

__all__ = ["Cityscapes", "CityscapesItem"]

_IMAGES, _IMAGE_ENDING = "leftImg8bit", "_leftImg8bit"
_FORMS = {
    "labelids": ("labelIds", ".png"),
    "polygons": ("polygons", ".json"),
    "trainids": ("labelTrainIds", ".png"),
}
"""How the truth may be stored, in order of preference, and how its files end."""
_SAYS_NOTHING = {"id": (0, 1, 2, 3, IGNORE_ID), "trainId": (IGNORE_ID,)}
"""Ids of what is not the scene: unlabeled, ego vehicle, rectification border, out of roi."""


@dataclass(frozen=True, kw_only=True)
class Cityscapes(Source):
    """Cityscapes' masks or polygon files, as semantic and instance masks."""

    labels: Literal["trainid", "id"] = "trainid"
    """Ids of the masks: the 19 train ids, or the 34 label ids."""
    form: Literal["auto", "labelids", "trainids", "polygons"] = "auto"
    """Files to read; auto takes the first kind that is there: labelids, polygons, trainids."""
    truth: Literal["gtFine", "gtCoarse"] = "gtFine"
    """Annotations to read. With gtCoarse, train_extra becomes part of train."""

    @property
    def space(self) -> LabelSpace:
        """cityscapes19, or cityscapes-id."""
        return cityscapes_encoding(self.labels)[1]

    def options(self) -> dict[str, Any]:
        """The encoding by its official name, the annotations, and the files that were read."""
        return {"labels": self._encoding, "truth": self.truth, "form": self._form}

    @property
    def _encoding(self) -> str:
        return cityscapes_encoding(self.labels)[0]

    @property
    def _layout(self) -> str:
        return (
            f"give the folder that holds {_IMAGES}/<split>/<city> and {self.truth}/<split>/<city>"
        )

    @property
    def _folders(self) -> dict[str, str]:
        """The folder of each part of the dataset, and its split."""
        extra = {"train_extra": "train"} if self.truth == "gtCoarse" else {}
        return {split: split for split in SPLITS} | extra

    @cached_property
    def _form(self) -> str:
        """The kind of files to read, for all of the dataset.

        Raises:
            ConfigError: Label ids are asked of masks of train ids.
            DataError: No file of a kind that will do is there.
        """
        if self.form == "trainids" and self.labels == "id":
            raise ConfigError(
                "label ids cannot be had from masks of train ids, which lack many of them",
                fix="ask for --labels trainid, or read --form labelids or polygons",
            )
        forms = [name for name in _FORMS if self.form in ("auto", name)]
        if self.labels == "id" and self.form == "auto":
            forms.remove("trainids")
        for form in forms:
            if self._has_any(*_FORMS[form]):
                return form
        require_folder(self.root, self.truth, beside=_IMAGES, layout=self._layout)
        kinds = ", ".join(f"_{self.truth}_{''.join(_FORMS[form])}" for form in forms)
        raise DataError(
            f"{self.root / self.truth} has no file that ends in {kinds}", fix=self._layout
        )

    @cached_property
    def _counted(self) -> bool:
        """Whether masks of ids come with instance masks."""
        return self._form != "polygons" and self._has_any("instanceIds", ".png")

    def _has_any(self, kind: str, suffix: str) -> bool:
        return any(self._holds(folder, kind, suffix) for folder in self._folders)

    def _holds(self, folder: str, kind: str, suffix: str) -> bool:
        """Whether a part of the dataset has a truth file of a kind."""
        truths = self.root / self.truth / folder
        return has_truth(truths, ending=f"_{self.truth}_{kind}", suffix=suffix)

    def plan(self) -> list[Item]:
        """One item per frame that has a picture or a truth file.

        The pictures of a split without any truth become samples without targets, and so do those of
        the official test split, whose files label nothing but the frame of the picture.

        Raises:
            ConfigError: Label ids are asked of masks of train ids.
            DataError: The root is missing or does not have Cityscapes' layout.
        """
        require_folder(self.root, _IMAGES, beside=self.truth, layout=self._layout)
        taken: dict[str, set[str]] = {split: set() for split in SPLITS}
        items: list[Item] = []
        for folder, split in self._folders.items():
            items += self._plan_folder(folder, split, taken[split])
        if not items:
            raise DataError(f"{self.root / _IMAGES} has no pictures", fix=self._layout)
        return sorted(items, key=lambda item: SPLITS.index(item.split))

    def _plan_folder(self, folder: str, split: str, taken: set[str]) -> list[CityscapesItem]:
        images, truths = self.root / _IMAGES / folder, self.root / self.truth / folder
        kind, suffix = _FORMS[self._form]
        labelled = self._holds(folder, kind, suffix)
        items = []
        for city in drives(images, truths):
            pairs = partial(find_pairs, images / city, truths / city, image_ending=_IMAGE_ENDING)
            counted = {p.name: p for p in pairs(truth_ending=f"_{self.truth}_instanceIds")}
            found = pairs(truth_ending=f"_{self.truth}_{kind}", truth_suffix=suffix)
            items += [
                CityscapesItem(
                    id=unique(pair.name, taken),
                    split=split,
                    city=city,
                    pair=pair,
                    counted=counted.get(pair.name) if self._counted else None,
                    form=self._form if labelled else None,
                    encoding=self._encoding,
                )
                for pair in found
            ]
        return items


@dataclass(frozen=True, kw_only=True)
class CityscapesItem(Item):
    """One frame of Cityscapes."""

    city: str
    """Where it was filmed."""
    pair: Pair
    """The picture, and the file that says the classes."""
    counted: Pair | None
    """The picture, and the file that says the instances; None where the dataset has no such files."""
    form: str | None
    """How the truth is stored; None in a split without any."""
    encoding: str
    """Official name of the encoding."""

    @property
    def group(self) -> str:
        """The city."""
        return self.city

    def load(self) -> SampleData:
        """Read the masks, or the polygons and paint both masks.

        Raises:
            DataError: A file is missing, damaged or says something impossible.
            LabelError: A mask holds an id that Cityscapes does not have.
        """
        picture = self.pair.picture()
        bare = SampleData(id=self.id, split=self.split, image=picture, tags={"city": self.city})
        if self.form is None:
            return bare
        truth = self.pair.truth()
        if self.form == "polygons":
            frame = PolygonFrame.read(truth, _polygon_labels(), picture=picture)
            drawn = frame.lines  # the official tools draw polygons of two corners too
            labelled = replace(
                bare,
                semantic=drawn.classes(self.encoding)[drawn.numbers],
                instances=drawn.instances(self.encoding)[drawn.numbers],
                unknown_labels=frame.unknown_labels,
                known_objects=len(frame.lines.objects),
            )
        else:
            labelled = replace(bare, semantic=self._semantic(truth), instances=self._instances())
        assert labelled.semantic is not None
        if self.split == "test" and np.isin(labelled.semantic, _SAYS_NOTHING[self.encoding]).all():
            return bare
        return labelled

    def _semantic(self, truth: Path) -> np.ndarray:
        if self.form == "trainids":
            return read_class_ids(truth, space=CITYSCAPES_ENCODINGS[self.encoding])
        return read_cityscapes_ids(truth, encoding=self.encoding)

    def _instances(self) -> np.ndarray | None:
        if self.counted is None:
            return None
        return read_cityscapes_instances(self.counted.truth(), encoding=self.encoding)


@cache
def _polygon_labels() -> PolygonLabels:
    labels = cityscapes_labels()
    return PolygonLabels(labels=labels, spaces=CITYSCAPES_ENCODINGS, background="unlabeled")
