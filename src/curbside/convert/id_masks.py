"""Mask files of ids, as their datasets number them, turned into ids of a label space by table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from ..errors import LabelError
from ..imaging import read_ids
from ..labels import CITYSCAPES_ENCODINGS, IGNORE_ID, cityscapes_labels, load_space
from ..prepared import MAX_INDEX

__all__ = [
    "read_cityscapes_ids",
    "read_cityscapes_instances",
    "read_class_ids",
    "read_mapped",
]

_UNKNOWN, _UNKNOWN_VALUE = 254, 65535  # stand for no class and no instance of any space here


def read_mapped(path: Path, mapping: Mapping[int, int], *, space: str) -> np.ndarray:
    """A mask file with every pixel value mapped.

    Args:
        path: A mask of 8 or 16 bits.
        mapping: What each value that may occur becomes.
        space: What the values are, for the message.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: The file is missing, damaged, or holds colours instead of ids.
        LabelError: It holds a value that is not in the mapping.
    """
    ids = read_ids(path)
    if ids.dtype != np.uint8:
        if ids.max() > IGNORE_ID:
            _refuse(path, ids, ids > IGNORE_ID, space)
        ids = ids.astype(np.uint8)
    table = np.full(256, _UNKNOWN, np.uint8)
    table[list(mapping)] = list(mapping.values())
    mapped = cv2.LUT(ids, table)
    if (mapped == _UNKNOWN).any():
        _refuse(path, ids, mapped == _UNKNOWN, space)
    return mapped


def read_class_ids(path: Path, *, space: str) -> np.ndarray:
    """A mask file whose values are those of a label space already, 255 for ignore.

    Args:
        path: A mask of 8 or 16 bits.
        space: Name of the label space.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: The file is missing, damaged, or holds colours instead of ids.
        LabelError: It holds an id that the space does not have.
    """
    return read_mapped(path, {i: i for i in (*load_space(space).ids, IGNORE_ID)}, space=space)


def read_cityscapes_ids(path: Path, *, encoding: str) -> np.ndarray:
    """A `labelIds` file of Cityscapes or a dataset that shares its ids.

    Args:
        path: The file.
        encoding: `id` or `trainId`, what the ids become.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: The file is missing, damaged, or holds colours instead of ids.
        LabelError: It holds an id that Cityscapes does not have.
    """
    mapping = {label.ids["id"]: label.ids[encoding] for label in cityscapes_labels().values()}
    known = {old: new for old, new in mapping.items() if old >= 0} | {IGNORE_ID: IGNORE_ID}
    return read_mapped(path, known, space=CITYSCAPES_ENCODINGS["id"])


def read_cityscapes_instances(path: Path, *, encoding: str) -> np.ndarray:
    """An `instanceIds` file of Cityscapes: label id * 1000 + index, plain label ids elsewhere.

    Args:
        path: The file.
        encoding: `id` or `trainId`, what the label ids become.

    Returns:
        (H, W) uint16: class * 1000 + index, the plain class id of what is not counted, 255 where
        ignored.

    Raises:
        DataError: The file is missing, damaged, or holds colours instead of ids.
        LabelError: It holds an id that Cityscapes does not have, or counts what it does not count.
    """
    values = read_ids(path)
    mapped = np.take(_instance_table(encoding), values, mode="clip")
    if (mapped == _UNKNOWN_VALUE).any():
        _refuse(path, values, mapped == _UNKNOWN_VALUE, CITYSCAPES_ENCODINGS["id"])
    return mapped


@cache
def _instance_table(encoding: str) -> np.ndarray:
    """What each 16-bit value becomes: (65536,) uint16. No two counted labels share a class."""
    table = np.full(65536, _UNKNOWN_VALUE, np.uint16)
    table[IGNORE_ID] = IGNORE_ID
    for label in cityscapes_labels().values():
        old, new = label.ids["id"], label.ids[encoding]
        if old < 0:
            continue
        table[old] = new
        if label.has_instances:
            first = old * (MAX_INDEX + 1)
            indices = np.arange(MAX_INDEX + 1)
            counted = new * (MAX_INDEX + 1) + indices
            table[first + indices] = IGNORE_ID if new == IGNORE_ID else counted
    return table


def _refuse(path: Path, ids: np.ndarray, wrong: np.ndarray, space: str) -> None:
    values, counts = np.unique(ids[wrong], return_counts=True)
    raise LabelError(
        f"{path}: {counts[0]} pixels hold the id {values[0]}, which {space} does not have",
        fix="give the masks of the right label space, or correct this one",
    )
