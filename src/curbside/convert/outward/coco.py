"""What COCO's annotation files have in common.

A category's id is the class id + 1: COCO counts from 1, and many tools take 0 for the background.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...files import atomic_path
from ...labels import LabelSpace
from ...prepared import Sample
from .. import panoptic
from .base import Piece, link_image

__all__ = ["add_image", "categories", "write_coco"]


def categories(space: LabelSpace, *, things_only: bool) -> list[dict[str, Any]]:
    """The classes of a label space as categories, ids from 1."""
    every = [{**item, "id": item["id"] + 1} for item in panoptic.categories(space)]
    return [item for item in every if item["isthing"] or not things_only]


def add_image(sample: Sample, number: int, out: Path) -> dict[str, Any]:
    """Link the picture of a sample into `<out>/<split>`; its entry in `images`."""
    height, width = sample.record.size_hw
    path = link_image(sample, out / sample.record.split)
    return {"id": number, "file_name": path.name, "width": width, "height": height}


def write_coco(
    path: Path, pieces: Iterable[Piece], found: list[dict[str, Any]], *, numbered: bool
) -> None:
    """Write an annotation file piece by piece: that of a large split would fill the memory.

    Args:
        path: The file.
        pieces: Their content is `{"image": entry, "annotations": entries}`.
        found: The categories.
        numbered: Give the annotations ids, from 1.
    """
    images, count = [], 0
    with atomic_path(path, durable=True) as temporary, open(temporary, "w") as file:
        file.write('{"annotations": [')
        for piece in pieces:
            images.append(piece.content["image"])
            for entry in piece.content["annotations"]:
                count += 1
                line = json.dumps({"id": count, **entry} if numbered else entry)
                file.write(f"{',' if count > 1 else ''}\n{line}")
        file.write(f'\n],\n"images": {json.dumps(images)},\n"categories": {json.dumps(found)}}}\n')
