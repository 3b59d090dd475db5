"""What the labels of AI-Hub's sidewalk data become in the 24 classes of SafeTrip-Q.

The ids follow the class list of the source project: six surfaces, then eighteen obstacles. Eleven
labels of the raw data are no class there; `DROPPED_LABELS` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DROPPED_LABELS", "SURFACE_CLASSES"]

SURFACE_CLASSES = (
    "sidewalk",
    "braille_guide_blocks",
    "roadway",
    "alley",
    "bike_lane",
    "caution_zone",
)
"""The classes of `safetrip24` that surface images are annotated with; the others are obstacles."""

_RARE = "fewer than 100 annotations"
_NO_OBSTACLE = "no obstacle"
_AMBIGUOUS = "ambiguous"

DROPPED_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "parking_meter": _RARE,
        "cat": _RARE,
        "dog": _RARE,
        "wheelchair": _RARE,
        "traffic_light": _NO_OBSTACLE,
        "traffic_sign": _NO_OBSTACLE,
        "stop": _NO_OBSTACLE,
        "movable_signage": _NO_OBSTACLE,
        "carrier": _AMBIGUOUS,
        "chair": _AMBIGUOUS,
        "table": _AMBIGUOUS,
    }
)
"""Labels of the raw data that the source project left out, and its reasons."""
