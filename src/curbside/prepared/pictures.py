"""Pictures without masks, to learn from a teacher alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..imaging import image_size_hw
from ..labels import LabelSpace
from .layout import SPLITS, TARGET_FOLDERS, SampleRecord
from .listing import IMAGE_SUFFIXES, require_folder
from .quarantine import read_quarantine
from .reader import PreparedFolder, Sample

__all__ = ["picture_samples"]


def picture_samples(root: Path, split: str, space: LabelSpace) -> list[Sample]:
    """The pictures of a prepared folder, its targets left aside, or those of any folder.

    Args:
        root: A prepared folder or a tree of `<split>/images`, of which the pictures of a split are
            taken; or a folder with pictures at any depth, all of which are. Masks and other targets
            that lie beside a folder called `images` are no pictures.
        split: `train`, `val` or `test`.
        space: What the samples are said to be labelled in.

    Returns:
        Samples without a target, in order of their ids. Where no `samples.jsonl` names them, an id is
        the path of the picture, under `images` or the root, without its suffix. Samples in quarantine
        are left out.

    Raises:
        DataError: There is none, one of them is no picture, or the folder is half prepared.
    """
    root = Path(root)
    require_folder(root, fix="name a prepared folder, or any folder with pictures")
    if (root / "dataset.json").is_file():
        return [
            replace(sample, record=replace(sample.record, targets=()), space=space, labels=None)
            for sample in PreparedFolder(root).samples(split)
        ]
    in_splits = any((root / name / "images").is_dir() for name in SPLITS)
    base = root / split / "images" if in_splits else root
    quarantine = read_quarantine(root)
    names = {path: path.relative_to(base).with_suffix("").as_posix() for path in _pictures(base)}
    found = sorted((name, path) for path, name in names.items() if (split, name) not in quarantine)
    if not found:
        raise DataError(
            f"{base} has no picture in it",
            fix=f"pictures end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return [
        Sample(
            root=root,
            record=SampleRecord(
                id=name,
                split=split,
                image=path.relative_to(root).as_posix(),
                size_hw=image_size_hw(path),
                targets=(),
            ),
            space=space,
        )
        for name, path in found
    ]


def _pictures(base: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(base):
        if "images" in inner:
            inner[:] = set(inner) - set(TARGET_FOLDERS.values())
        for file in files:
            path = Path(folder, file)
            if path.suffix.lower() in IMAGE_SUFFIXES:
                yield path
