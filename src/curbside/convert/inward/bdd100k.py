"""BDD100K's 10K pictures with semantic masks of Cityscapes' train ids, 255 = unknown.

The newer release, and the older one::

    <root>/images/10k/<split>/<clip>.jpg       <root>/seg/images/<split>/<clip>.jpg
    <root>/labels/sem_seg/masks/<split>/       <root>/seg/labels/<split>/
           <clip>.png                                 <clip>_train_id.png

Of the older one, `seg` itself may be given as well. Where both are there, the newer is read.
Colour maps, polygons and run lengths beside the masks say the same and are not read. The test
split has no masks: its pictures become samples without targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...files import read_json
from ...labels import LabelSpace, load_space
from ...prepared import SPLITS
from ..id_masks import read_class_ids
from ..pairs import MaskItem, find_pairs
from ..roots import did_you_mean, require_root
from ..source import Item, Source

__all__ = ["Bdd100k"]

_ARRANGEMENTS = (
    ("images/10k", "labels/sem_seg/masks", ""),
    ("seg/images", "seg/labels", "_train_id"),
    ("images", "labels", "_train_id"),
)
"""Pictures, masks, and how the masks' names end."""
_LAYOUT = (
    "give the folder that holds images/10k and labels/sem_seg/masks, or seg/images and seg/labels"
)
_ATTRIBUTES = ("weather", "scene", "timeofday")
_MAX_BYTES = 512 * 2**20


@dataclass(frozen=True, kw_only=True)
class Bdd100k(Source):
    """BDD100K's 10K semantic masks, 19 classes."""

    attributes: tuple[Path, ...] = ()
    """Label files in BDD100K's JSON format, such as bdd100k_labels_images_val.json: the weather,
    scene and time of day that they say of a picture become its tags."""

    @property
    def space(self) -> LabelSpace:
        """Cityscapes' 19 train ids."""
        return load_space("cityscapes19")

    def options(self) -> dict[str, Any]:
        """The arrangement of the folders, and the files the tags come from."""
        return {
            "form": self._arrangement()[1],
            "attributes": [path.name for path in self.attributes],
        }

    def _arrangement(self) -> tuple[str, str, str]:
        """Pictures, masks and ending of the first arrangement that is there.

        Raises:
            DataError: None is.
        """
        require_root(self.root, layout=_LAYOUT)
        found = _arrangement_in(self.root)
        if found is None:
            hint = did_you_mean(self.root, lambda folder: _arrangement_in(folder) is not None)
            raise DataError(f"{self.root} does not have the layout of BDD100K{hint}", fix=_LAYOUT)
        return found

    def plan(self) -> list[Item]:
        """One item per clip that has a picture or a mask.

        Raises:
            DataError: The root is missing or has none of the arrangements, no mask is there, or a
                file of attributes cannot be used.
        """
        images, masks, ending = self._arrangement()
        found = {
            split: find_pairs(
                self.root / images / split, self.root / masks / split, truth_ending=ending
            )
            for split in SPLITS
        }
        if not any(pair.truths for pairs in found.values() for pair in pairs):
            raise DataError(f"{self.root / masks} has no masks <clip>{ending}.png", fix=_LAYOUT)
        tags: dict[str, dict[str, str]] = {}
        for path in self.attributes:
            tags |= _read_attributes(path)
        read = partial(read_class_ids, space=self.space.name)
        return [
            MaskItem(
                id=pair.name,
                split=split,
                pair=pair,
                drive=pair.name,
                read=read if any(p.truths for p in pairs) else None,
                tags=tags.get(pair.name, {}),
            )
            for split, pairs in found.items()
            for pair in pairs
        ]


def _arrangement_in(root: Path) -> tuple[str, str, str] | None:
    """The first arrangement that a folder has."""
    for images, masks, ending in _ARRANGEMENTS:
        if any((root / images / split).is_dir() for split in SPLITS):
            return images, masks, ending
    return None


def _read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """What a label file says of every picture, by the picture's name without suffix.

    The file is a list of frames `{"name": "<clip>.jpg", "attributes": {"weather": "rainy", ...}}`,
    or an object that holds this list as `frames`.
    """
    fix = "give a label file in BDD100K's format"
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=fix) from error
    if size > _MAX_BYTES:
        raise DataError(
            f"{path} has {size:,} bytes, more than the {_MAX_BYTES:,} allowed",
            fix="keep name and attributes alone: jq '[.[] | {name, attributes}]'",
        )
    data = read_json(path, fix=fix)
    frames = data.get("frames") if isinstance(data, dict) else data
    if not isinstance(frames, list):
        raise DataError(f"{path} holds no list of frames", fix=fix)
    found = {}
    for frame in frames:
        name = frame.get("name") if isinstance(frame, dict) else None
        attributes = frame.get("attributes") if isinstance(frame, dict) else None
        if isinstance(name, str) and isinstance(attributes, dict):
            found[Path(name).stem] = _said(attributes)
    return found


def _said(attributes: Mapping[str, Any]) -> dict[str, str]:
    values = {name: attributes.get(name) for name in _ATTRIBUTES}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str) and value not in ("", "undefined")
    }
