"""Labels of a dataset's annotation files, and the pixel values they have in its encodings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .space import IGNORE_ID
from .tables import read_table

__all__ = ["EncodedLabel", "read_labels"]


@dataclass(frozen=True, kw_only=True)
class EncodedLabel:
    """One label of an annotation file."""

    name: str
    """The label as annotation files spell it."""
    ids: Mapping[str, int]
    """Its pixel value in each encoding; 255 where it is ignored, -1 where it is not drawn."""
    has_instances: bool
    """Whether its objects are counted."""
    color: tuple[int, int, int]
    """Its official colour, RGB."""


def read_labels(file_name: str, encodings: Iterable[str]) -> Mapping[str, EncodedLabel]:
    """The labels of a table in `tables/`, by name; values that do not fit a byte are ignored.

    Args:
        file_name: The table.
        encodings: Its columns that hold pixel values.
    """
    labels = {}
    for row in read_table(file_name):
        ids = {encoding: min(int(row[encoding]), IGNORE_ID) for encoding in encodings}
        labels[row["name"]] = EncodedLabel(
            name=row["name"],
            ids=MappingProxyType(ids),
            has_instances=row["has_instances"] == "1",
            color=(int(row["r"]), int(row["g"]), int(row["b"])),
        )
    return MappingProxyType(labels)
