"""Cityscapes' thirty-five labels and what each is in its two encodings.

The table follows the label definitions of the public cityscapesScripts. `license plate` has the id
-1 in both encodings: its polygons are not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from ..errors import LabelError
from .encoded import EncodedLabel, read_labels
from .space import LabelSpace
from .tables import load_space

__all__ = ["CITYSCAPES_ENCODINGS", "cityscapes_encoding", "cityscapes_labels"]

CITYSCAPES_ENCODINGS: Mapping[str, str] = MappingProxyType(
    {"id": "cityscapes-id", "trainId": "cityscapes19"}
)
"""Both encodings, by their official names, and the label space of their masks."""


@cache
def cityscapes_labels() -> Mapping[str, EncodedLabel]:
    """Cityscapes' labels by name."""
    return read_labels("cityscapes.csv", CITYSCAPES_ENCODINGS)


def cityscapes_encoding(name: str) -> tuple[str, LabelSpace]:
    """An encoding's official name and its label space.

    Args:
        name: `id` or `trainId`; case does not matter.

    Raises:
        LabelError: There is no such encoding.
    """
    for encoding, space in CITYSCAPES_ENCODINGS.items():
        if encoding.lower() == name.lower():
            return encoding, load_space(space)
    raise LabelError(
        f"Cityscapes has no encoding {name!r}",
        fix=f"choose one of {', '.join(CITYSCAPES_ENCODINGS)}",
    )
