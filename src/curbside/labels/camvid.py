"""CamVid's thirty-two labels, as its original masks colour them, and their eleven classes.

The colours are those of the `label_colors.txt` that comes with CamVid. The grouping into SegNet's
eleven classes is the one in common use (MathWorks' CamVid example lists it, and ports follow it):
whatever drives is a car, whatever has two wheels a bicyclist, road shoulders and parking blocks are
pavement, animals and prams go with pedestrians, only `Void` is ignored. SegNet's own 480 x 360
masks were published without the program that made them: rare labels may stand in them otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from .tables import read_table

__all__ = ["CamvidLabel", "camvid_labels"]


@dataclass(frozen=True, kw_only=True)
class CamvidLabel:
    """One of CamVid's labels."""

    name: str
    """The label as `label_colors.txt` spells it."""
    class_id: int
    """The class of `camvid11` that it belongs to; 255 where it is ignored."""
    color: tuple[int, int, int]
    """Its colour in the original masks, RGB."""


@cache
def camvid_labels() -> Mapping[str, CamvidLabel]:
    """CamVid's labels by name."""
    labels = {}
    for row in read_table("camvid.csv"):
        labels[row["name"]] = CamvidLabel(
            name=row["name"],
            class_id=int(row["camvid11"]),
            color=(int(row["r"]), int(row["g"]), int(row["b"])),
        )
    return MappingProxyType(labels)
