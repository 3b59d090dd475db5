"""IDD: polygon files; a drive is a condition."""

from __future__ import annotations

import json

from ...imaging import encode_jpeg
from ..shot import Files, Shot

__all__ = ["files"]


def files(shot: Shot) -> Files:
    """A picture and its polygons."""
    name = f"{shot.split}/{shot.condition}/{shot.number:06d}"
    return {
        f"gtFine/{name}_gtFine_polygons.json": lambda: json.dumps(shot.scene.idd_json()).encode(),
        f"leftImg8bit/{name}_leftImg8bit.jpg": lambda: encode_jpeg(shot.scene.rgb, quality=95),
    }
