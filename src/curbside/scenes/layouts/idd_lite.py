"""IDD-Lite: masks of the seven level-1 classes, the test split without; a drive is a condition."""

from __future__ import annotations

from ...imaging import encode_jpeg, encode_png
from ..shot import Files, Shot

__all__ = ["files"]


def files(shot: Shot) -> Files:
    """A picture and its mask."""
    name = f"{shot.split}/{shot.condition}/{shot.number:06d}"
    picture = {f"leftImg8bit/{name}_image.jpg": lambda: encode_jpeg(shot.scene.rgb, quality=95)}
    if shot.split == "test":
        return picture
    return {f"gtFine/{name}_label.png": lambda: encode_png(shot.scene.ids("level1"))} | picture
