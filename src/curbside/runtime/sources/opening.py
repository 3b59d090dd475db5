"""From what a person wrote to the source that it names."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import SourceError
from .camera import Camera
from .pictures import PICTURE_SUFFIXES, Pictures
from .source import Source
from .synthetic import Synthetic
from .video_file import VideoFile

__all__ = ["open_source"]


def open_source(spec: str | Path) -> Source:
    """Open what a person named.

    Args:
        spec: A video file, a picture, a folder of pictures, a camera's number, or `/dev/videoN`.

    Raises:
        SourceError: There is nothing there, or it cannot be opened.
    """
    if (drawn := re.fullmatch(r"synthetic(?::(.*))?", str(spec))) and not Path(spec).exists():
        return Synthetic.of(drawn[1] or "")
    camera = re.fullmatch(r"(?:/dev/video)?(\d+)", str(spec))
    if camera and not Path(spec).is_file():
        return Camera(int(camera[1]))
    path = Path(spec)
    if path.is_dir():
        files = sorted(
            p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()
        )
        if not files:
            raise SourceError(
                f"{path} holds no pictures", fix="name a folder of .jpg or .png files"
            )
        return Pictures(files, f"{path.name}, {len(files)} pictures")
    if not path.is_file():
        raise SourceError(
            f"{path} does not exist",
            fix="name a video file, a picture, a folder of pictures or a camera's number",
        )
    return Pictures([path]) if path.suffix.lower() in PICTURE_SUFFIXES else VideoFile(path)
