"""IDD's forty labels and what each is in every encoding.

The table follows the public AutoNUE label definitions. Two values are ours: a `csId` of 355, which
does not fit a byte, is ignore (255); and `sourceLevel1Id` is the seven-class list of the IDD edge
project (road, sky, vegetation, building, vehicle, person, background), whose grouping that project
does not publish: fallback road surfaces count as road, bridges and tunnels as building, animals and
all that is neither listed nor void as background.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from ..errors import LabelError
from .encoded import EncodedLabel, read_labels
from .space import LabelSpace
from .tables import load_space

__all__ = ["IDD_ENCODINGS", "idd_labels", "space_of_encoding"]

IDD_ENCODINGS: Mapping[str, str] = MappingProxyType(
    {
        "id": "idd-id",
        "csId": "idd-csid",
        "csTrainId": "idd-cstrainid",
        "level4Id": "idd-level4",
        "level3Id": "idd-level3",
        "level2Id": "idd-level2",
        "level1Id": "idd-level1",
        "unifiedId": "idd-unified",
        "sourceLevel1Id": "idd-source-level1",
    }
)
"""Every encoding, by its official name, and the label space of its masks."""


@cache
def idd_labels() -> Mapping[str, EncodedLabel]:
    """IDD's labels by name."""
    return read_labels("idd.csv", IDD_ENCODINGS)


def space_of_encoding(name: str) -> tuple[str, LabelSpace]:
    """An encoding's official name and its label space.

    Args:
        name: `level2Id`, `level2` or `idd-level2`; case does not matter.

    Raises:
        LabelError: There is no such encoding.
    """
    wanted = name.lower().removeprefix("idd-").replace("-", "")
    for encoding, space in IDD_ENCODINGS.items():
        if wanted and wanted in (encoding.lower(), encoding.lower().removesuffix("id")):
            return encoding, load_space(space)
    raise LabelError(
        f"IDD has no encoding {name!r}", fix=f"choose one of {', '.join(IDD_ENCODINGS)}"
    )
