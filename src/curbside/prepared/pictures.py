"""Pictures without masks, to learn from a teacher alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..imaging import image_size_hw
from ..labels import LabelSpace
from .layout import SampleRecord
from .listing import IMAGE_SUFFIXES
from .reader import PreparedFolder, Sample

__all__ = ["picture_samples"]


def picture_samples(root: Path, split: str, space: LabelSpace) -> list[Sample]:
    """The pictures of a prepared folder, its targets left aside, or those of any folder.

    Args:
        root: A prepared folder, of which the pictures of a split are taken; or a folder with pictures
            at any depth, all of which are.
        split: `train`, `val` or `test`.
        space: What the samples are said to be labelled in.

    Returns:
        Samples without a target, in order of their ids. In a folder of pictures, an id is the
        picture's path without its suffix.

    Raises:
        DataError: There is none, or one of them is no picture.
    """
    root = Path(root)
    if (root / "dataset.json").is_file():
        return [
            replace(sample, record=replace(sample.record, targets=()), space=space, labels=None)
            for sample in PreparedFolder(root).samples(split)
        ]
    if not root.is_dir():
        raise DataError(f"the folder {root} does not exist", fix="name a folder with pictures")
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(
            f"{root} has no picture in it",
            fix=f"pictures end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    names = [path.relative_to(root) for path in files]
    return [
        Sample(
            root=root,
            record=SampleRecord(
                id=name.with_suffix("").as_posix(),
                split=split,
                image=name.as_posix(),
                size_hw=image_size_hw(root / name),
                targets=(),
            ),
            space=space,
        )
        for name in names
    ]
