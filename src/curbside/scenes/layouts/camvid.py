"""CamVid in the SegNet layout: masks of eleven classes and void; a sequence is a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...imaging import encode_png
from ...labels import IGNORE_ID, load_space, mapping
from ...prepared import SPLITS
from ..shot import Files, Shot

__all__ = ["files", "lists"]

_VOID_ID = 11
_MACHINE = "/SegNet/CamVid"  # the published lists carry paths of the machine they were made on


def files(shot: Shot) -> Files:
    """A picture and its mask."""
    return {
        f"{shot.split}annot/{_name(shot)}.png": lambda: encode_png(_ids(shot)),
        f"{shot.split}/{_name(shot)}.png": lambda: encode_png(shot.scene.rgb),
    }


def lists(shots: Sequence[Shot]) -> Mapping[str, bytes]:
    """The pictures and masks of each split."""
    found = {}
    for split in SPLITS:
        names = [f"{_name(shot)}.png" for shot in shots if shot.split == split]
        lines = [f"{_MACHINE}/{split}/{n} {_MACHINE}/{split}annot/{n}\n" for n in names]
        if lines:
            found[f"{split}.txt"] = "".join(lines).encode()
    return found


def _name(shot: Shot) -> str:
    return f"{shot.condition}_{shot.number:06d}"


def _ids(shot: Shot) -> np.ndarray:
    table = mapping(load_space("idd-id"), load_space("camvid11")).table
    ids = table[shot.scene.ids("id")]
    return np.where(ids == IGNORE_ID, np.uint8(_VOID_ID), ids)
