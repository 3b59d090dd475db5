"""CamVid: SegNet's masks of ids, or the original masks of colours folded to the same eleven classes;
void is ignored, or a twelfth class where it is asked for.

Ids, in SegNet's layout::

    <root>/{train,val,test}/<name>.png            (or .jpg)
    <root>/{train,val,test}annot/<name>.png       ids 0..10, 11 = void

The lists that come with it (`train.txt`, ...) are not read: they carry absolute paths of another
machine, and the folders say the same.

Colours, split into folders or as first published::

    <root>/{train,val,test}/<name>.png            <root>/701_StillsRaw_full/<name>.png
    <root>/{train,val,test}_labels/<name>_L.png   <root>/LabeledApproved_full/<name>_L.png

The latter has no split. Lists (`train.txt`, `val.txt`, `test.txt`, a picture a line) decide where
they are there, of each line the file name alone; else SegNet's split of 367, 101 and 233 frames
does, which the names of the frames tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ...errors import ConfigError, DataError, LabelError
from ...imaging import read_rgb
from ...labels import IGNORE_ID, LabelSpace, camvid_labels, load_space
from ...prepared import SPLITS
from ..id_masks import read_mapped
from ..pairs import MaskItem, Pair, find_pairs
from ..roots import did_you_mean, require_root
from ..source import Item, Source

__all__ = ["Camvid", "published_split", "read_colors"]

VOID_ID = 11
_UNKNOWN = 254  # stands for a colour that no label has
_SPACE = "camvid11"
_FLAT_IMAGES = ("701_StillsRaw_full", "images/701_StillsRaw_full", "images")
_FLAT_MASKS = ("LabeledApproved_full", "labels")
_MAX_LIST_BYTES = 2**20
_MAX_NAME = 255  # no file has a longer one; messages repeat it
_LAYOUT = (
    "give the folder that holds train and trainannot (ids), train and train_labels (colours), or "
    "701_StillsRaw_full and LabeledApproved_full (colours)"
)


@dataclass(frozen=True, kw_only=True)
class Camvid(Source):
    """CamVid's eleven classes, from SegNet's masks of ids or the original colours."""

    labels: Literal["camvid11", "camvid12"] = "camvid11"
    """The eleven classes of published scores, void ignored; or twelve, void learnt and scored as one."""
    form: Literal["auto", "ids", "colors"] = "auto"
    """Masks to read; auto takes those that are there."""

    @property
    def space(self) -> LabelSpace:
        """CamVid's eleven classes, or twelve with void."""
        return load_space(self.labels)

    def options(self) -> dict[str, Any]:
        """The masks that were read, and what became of void where it is no ignore."""
        void = {} if self.labels == "camvid11" else {"labels": self.labels}
        return {"form": self._form, **void}

    @cached_property
    def _form(self) -> str:
        """The kind of masks to read, for all of the dataset, by the folders that are there.

        Raises:
            ConfigError: Both are there and none was chosen.
            DataError: There are none.
        """
        require_root(self.root, layout=_LAYOUT)
        found = _forms_in(self.root)
        if self.form == "auto" and all(found.values()):
            raise ConfigError(
                f"{self.root} has masks of ids and of colours",
                fix="add --form ids or --form colors",
            )
        for form, there in found.items():
            if there and self.form in ("auto", form):
                return form
        for form, there in found.items():
            if there:
                raise DataError(
                    f"{self.root} has no masks of the form {self.form}, but of the form {form}",
                    fix=f"give --form {form}, or leave it out",
                )
        hint = did_you_mean(self.root, lambda folder: any(_forms_in(folder).values()))
        raise DataError(f"{self.root} has no masks that can be read{hint}", fix=_LAYOUT)

    @property
    def _void(self) -> int:
        """The id that void gets."""
        return VOID_ID if VOID_ID in self.space.ids else IGNORE_ID

    def plan(self) -> list[Item]:
        """One item per name that has a picture or a mask; a split without masks has no targets.

        Raises:
            ConfigError: There are masks of both kinds and none was chosen.
            DataError: The root is missing or does not have a layout of CamVid's, or a list of a
                split cannot be used.
        """
        if self._form == "ids":
            items = self._plan_divided("annot", "", partial(_read_ids, void=self._void))
        elif _divided(self.root, "_labels"):
            items = self._plan_divided("_labels", "_L", partial(read_colors, void=self._void))
        else:
            flat = _flat(self.root)
            assert flat is not None
            items = self._plan_flat(*flat)
        if not items:
            raise DataError(f"{self.root} has no pictures", fix=_LAYOUT)
        return items

    def _plan_divided(
        self, folder_ending: str, mask_ending: str, read: Callable[[Path], np.ndarray]
    ) -> list[Item]:
        items: list[Item] = []
        for split in SPLITS:
            masks = self.root / f"{split}{folder_ending}"
            pairs = find_pairs(self.root / split, masks, truth_ending=mask_ending)
            labelled = any(pair.truths for pair in pairs)
            items += [_item(pair, split, read if labelled else None) for pair in pairs]
        return items

    def _plan_flat(self, images: Path, masks: Path) -> list[Item]:
        pairs = {pair.name: pair for pair in find_pairs(images, masks, truth_ending="_L")}
        listed = _read_lists(self.root)
        for name in listed.keys() - pairs.keys():
            pairs[name] = Pair(name=name, pictures=(), truths=(), expected=masks / f"{name}_L.png")
        items = []
        for name, pair in sorted(pairs.items()):
            if listed and name not in listed:
                reader = partial(_refuse_unlisted, root=self.root)
                items.append(_item(pair, "train", reader))
            else:
                read = partial(read_colors, void=self._void)
                items.append(_item(pair, listed.get(name) or published_split(name), read))
        return sorted(items, key=lambda item: SPLITS.index(item.split))


def _forms_in(root: Path) -> dict[str, bool]:
    """Whether a folder has masks of each form."""
    return {
        "ids": _divided(root, "annot"),
        "colors": _divided(root, "_labels") or _flat(root) is not None,
    }


def _divided(root: Path, ending: str) -> bool:
    return any((root / f"{split}{ending}").is_dir() for split in SPLITS)


def _flat(root: Path) -> tuple[Path, Path] | None:
    """The pictures and masks of the layout without splits, where a folder has it."""
    images = next((root / n for n in _FLAT_IMAGES if (root / n).is_dir()), None)
    masks = next((root / n for n in _FLAT_MASKS if (root / n).is_dir()), None)
    return (images, masks) if images and masks else None


def _item(pair: Pair, split: str, read: Callable[[Path], np.ndarray] | None) -> Item:
    sequence = pair.name.partition("_")[0]
    return MaskItem(
        id=pair.name,
        split=split,
        pair=pair,
        drive=sequence,
        read=read,
        tags={"sequence": sequence},
    )


def published_split(name: str) -> str:
    """The split that SegNet's lists put a frame of CamVid into.

    `0006R0` is train. `0001TP` is train up to frame 8520 and test from 8550 on. `0016E5` is train,
    except its part at 15 frames per second (7959..8159), which is val. `Seq05VD` is test.

    Args:
        name: The frame, such as `0016E5_07959`; one of no sequence of CamVid's is train.
    """
    sequence, _, frame = name.partition("_")
    number = int(frame) if frame.isascii() and frame.isdigit() else 0
    if sequence == "Seq05VD" or (sequence == "0001TP" and number > 8520):
        return "test"
    return "val" if sequence == "0016E5" and 7959 <= number <= 8159 else "train"


def _read_lists(root: Path) -> dict[str, str]:
    """The split of every frame that a list names; nothing where there is no list.

    Raises:
        DataError: A list is too large or no text, or a frame stands in two of them.
    """
    listed: dict[str, str] = {}
    for split in SPLITS:
        path = root / f"{split}.txt"
        try:
            if not path.is_file():
                continue
            if path.stat().st_size > _MAX_LIST_BYTES:
                raise DataError(
                    f"{path} is larger than a list of frames", fix="give a picture a line"
                )
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} cannot be read ({error})", fix="repair or remove the list"
            ) from error
        for line in lines:
            words = line.replace("\\", "/").split()
            if not words:
                continue
            name = Path(words[0]).stem[:_MAX_NAME]
            if listed.setdefault(name, split) != split:
                raise DataError(
                    f"{path} names {name}, which {listed[name]}.txt names too",
                    fix="keep each frame in one list",
                )
    return listed


def _refuse_unlisted(mask: Path, *, root: Path) -> np.ndarray:
    raise DataError(
        f"{mask} belongs to no split: no list in {root} names it",
        fix="add it to train.txt, val.txt or test.txt, or remove it",
    )


def _read_ids(path: Path, *, void: int) -> np.ndarray:
    ids = {i: i for i in load_space(_SPACE).ids}
    return read_mapped(path, ids | {VOID_ID: void, IGNORE_ID: void}, space=_SPACE)


def read_colors(path: Path, *, void: int = IGNORE_ID) -> np.ndarray:
    """A mask of CamVid's thirty-two colours, folded to its eleven classes.

    Args:
        path: The mask, RGB or with a palette.
        void: The id that void gets.

    Returns:
        (H, W) uint8 ids of `camvid11`.

    Raises:
        DataError: The file is missing or damaged.
        LabelError: A pixel has another colour.
    """
    rgb = read_rgb(path)
    # Every channel of every colour is 0, 64, 128 or 192: two bits of each say which colour it is.
    high = rgb >> 6
    mapped = cv2.LUT(high[..., 0] << 4 | high[..., 1] << 2 | high[..., 2], _class_of_code())
    if (rgb & 63).any() or (mapped == _UNKNOWN).any():
        wrong = (mapped == _UNKNOWN) | (rgb & 63).any(axis=-1)
        # As numbers: to sort the colours of a photograph takes minutes.
        red, green, blue = (rgb[..., channel][wrong].astype(np.int32) for channel in range(3))
        counts = np.bincount(red << 16 | green << 8 | blue)
        most = int(counts.argmax())
        raise LabelError(
            f"{path}: {counts.sum()} pixels hold colours that CamVid does not have, {counts[most]} of "
            f"them {tuple(most.to_bytes(3))}",
            fix="give the original PNG: JPEG and smooth resizing mix the colours of the classes",
        )
    if void != IGNORE_ID:
        mapped[mapped == IGNORE_ID] = void
    return mapped


@cache
def _class_of_code() -> np.ndarray:
    """The class of each colour's code of six bits: (256,) uint8."""
    table = np.full(256, _UNKNOWN, np.uint8)
    for label in camvid_labels().values():
        red, green, blue = (value >> 6 for value in label.color)
        table[red << 4 | green << 2 | blue] = label.class_id
    return table
