"""COCO instances: objects as run lengths or polygons.

::

    OUT/annotations/instances_<split>.json
    OUT/<split>/<id>.jpg                    the pictures, hard links

An object's run lengths and area are its pixels, exactly. Polygons run along the pixels' edges, so
that COCO's tools fill the same pixels again. All pixels of a group are one annotation with
`iscrowd` 1, always in run lengths. A category's id is the class id + 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...errors import LabelError
from ...imaging import ColumnRuns, compress_counts
from ...labels import LabelSpace
from ...prepared import FoundObject, Sample, find_objects, lacks_objects
from .base import Format, Piece
from .coco import add_image, categories, write_coco
from .contours import edges_of, joined

__all__ = ["CocoInstances"]


@dataclass(frozen=True, kw_only=True)
class CocoInstances(Format):
    """COCO instances: annotations/instances_<split>.json and the pictures."""

    layout: ClassVar[str] = "coco"

    segmentation: Literal["rle", "polygon"] = "rle"
    """How objects are written; groups are always run lengths."""

    def resolved(self, space: LabelSpace) -> CocoInstances:
        """Itself.

        Raises:
            LabelError: No class of the label space has instances.
        """
        if not any(item.has_instances for item in space.classes):
            raise LabelError(
                f"{space.name} has no class with instances", fix="choose data with instances"
            )
        return self

    def lacks(self, sample: Sample) -> str | None:
        """Without instances, or not annotated with all classes that have instances."""
        return lacks_objects(sample, (c.name for c in sample.space.classes if c.has_instances))

    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Link the picture; its entry and those of its objects are the content."""
        instances = sample.read_instances()
        found = find_objects(sample, instances)
        runs = ColumnRuns(instances)
        entries = [
            {
                "image_id": number,
                "category_id": item.label.id + 1,
                "segmentation": self._segmentation(item, instances, runs),
                "area": item.area,
                "bbox": list(item.box_xywh),
                "iscrowd": int(item.group),
            }
            for item in found
        ]
        return Piece(
            id=sample.id,
            split=sample.record.split,
            content={"image": add_image(sample, number, out), "annotations": entries},
            objects=Counter(item.label.name for item in found),
        )

    def _segmentation(self, item: FoundObject, instances: np.ndarray, runs: ColumnRuns) -> Any:
        if item.group or self.segmentation == "rle":
            return {
                "size": list(instances.shape),
                "counts": compress_counts(runs.counts(item.value)),
            }
        parts = edges_of(item.mask_in(instances))
        return [(joined(part.rings) + item.box_xywh[:2]).ravel().tolist() for part in parts]

    def write_split(
        self, out: Path, split: str, space: LabelSpace, pieces: Iterable[Piece]
    ) -> None:
        """Write instances_<split>.json."""
        path = out / "annotations" / f"instances_{split}.json"
        write_coco(path, pieces, categories(space, things_only=True), numbered=True)
