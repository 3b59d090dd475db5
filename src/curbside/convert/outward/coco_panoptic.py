"""COCO panoptic: a PNG of segments per picture, and what each segment is.

::

    OUT/annotations/panoptic_<split>.json
    OUT/panoptic_<split>/<id>.png           8-bit RGB, segment id = R + 256 G + 65,536 B
    OUT/<split>/<id>.jpg                    the pictures, hard links

A category's id is the class id + 1, and a segment's id says its category: `category * 1000 + index
+ 1` for one object, the category alone for stuff and groups, 0 for void. Where a sample has a mask
but no instances, its things are groups (`iscrowd` 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...files import write_bytes
from ...imaging import Regions
from ...labels import LabelSpace
from ...prepared import Sample, check_values
from ..panoptic import panoptic_png, segment_ids_of_values, segments
from .base import Format, Piece
from .coco import add_image, categories, write_coco

__all__ = ["CocoPanoptic"]


@dataclass(frozen=True, kw_only=True)
class CocoPanoptic(Format):
    """COCO panoptic: annotations/panoptic_<split>.json, a PNG of segments each, and the pictures."""

    layout: ClassVar[str] = "coco"

    def lacks(self, sample: Sample) -> str | None:
        """Without mask and instances."""
        has = {"semantic", "instances"} & set(sample.record.targets)
        return None if has else "without masks"

    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Write the PNG, link the picture; its entry and its segments are the content."""
        if "instances" in sample.record.targets:
            regions = Regions(sample.read_instances())
            check_values(sample, np.flatnonzero(regions.areas), sample.space)
        else:
            regions = Regions(sample.read_semantic())
        ids = segment_ids_of_values(np.arange(len(regions.areas)))
        found = [
            {**segment, "category_id": segment["category_id"] + 1}
            for segment in segments(regions, ids, sample.space)
        ]
        split = sample.record.split
        name = f"{sample.id}.png"
        write_bytes(out / f"panoptic_{split}" / name, panoptic_png(regions, ids))
        entry = {"image_id": number, "file_name": name, "segments_info": found}
        return Piece(
            id=sample.id,
            split=split,
            content={"image": add_image(sample, number, out), "annotations": [entry]},
            objects=Counter(sample.space.name_of(item["category_id"] - 1) for item in found),
        )

    def write_split(
        self, out: Path, split: str, space: LabelSpace, pieces: Iterable[Piece]
    ) -> None:
        """Write panoptic_<split>.json."""
        path = out / "annotations" / f"panoptic_{split}.json"
        write_coco(path, pieces, categories(space, things_only=False), numbered=False)
