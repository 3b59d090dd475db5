"""Small prepared folders whose maps are drawn as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample

__all__ = ["MAP", "SPACE", "drawn", "make_prepared"]

SPACE = LabelSpace(
    name="street",
    classes=(
        LabelClass(id=0, name="road", color=(128, 64, 128)),
        LabelClass(id=1, name="sky", color=(70, 130, 180)),
        LabelClass(id=2, name="person", color=(220, 20, 60), has_instances=True),
        LabelClass(id=3, name='car "<&>', color=(0, 0, 142), has_instances=True),
    ),
)

LETTERS = {
    ".": 0,
    "s": 1,
    "p": 2,
    "c": 3,
    " ": 255,
    "P": 2000,
    "Q": 2001,
    "A": 3000,
    "B": 3001,
    "C": 3002,
}
"""Lower case: plain class ids (p and c are groups); upper case: objects; blank: ignore."""

MAP = """
ssssssssssssssssssss
sssAAAAAAAAAssssssss
sssAA.....AAssss  ss
sssAA.BBB.AAssss  ss
...AA.BBB.AA........
...AA.....AACCCC...c
...AAAAAAAAACCCC..cc
PPP.................
PPP.....Q.......ppp.
................pppP
..................PP
 .................PP
"""
"""A ring round a box, one that touches it, an object of two parts at the border, one of one pixel,
groups, and ignored pixels in the open and at the border."""


def drawn(text: str = MAP) -> np.ndarray:
    """A map drawn as text: (H, W) uint16."""
    rows = text.strip("\n").split("\n")
    return np.array([[LETTERS[letter] for letter in row] for row in rows], np.uint16)


def make_prepared(
    root: Path,
    samples: Mapping[str, Mapping[str, Any]],
    *,
    space: LabelSpace = SPACE,
) -> PreparedFolder:
    """A prepared folder; keys are `split/id`, values the rest of a `SampleData` without picture."""
    writer = PreparedWriter(root, space=space, source="drawn by hand")
    for key, values in samples.items():
        split, name = key.split("/")
        maps = [value for value in values.values() if isinstance(value, np.ndarray)]
        height, width = maps[0].shape if maps else (6, 8)
        shade = sum(map(ord, key)) % 256
        picture = np.full((height, width, 3), shade, np.uint8)
        data = SampleData(id=name, split=split, image=picture, **values)
        writer.add(write_sample(root, data, space))
    writer.finish()
    return PreparedFolder(root)
