"""Pictures as a source: one, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import cv2

from ...errors import DataError, SourceError
from ...imaging import read_rgb
from .source import DEFAULT_FPS, Frame, LeftOut, Source

__all__ = ["PICTURE_SUFFIXES", "Pictures"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Pictures(Source):
    """Picture files as frames, in the order given, 25 of them to a second, upright where a camera said how it
    was held.

    Args:
        files: The files; they may differ in size.
        title: What they are; where empty, the name of the first.
    """

    seekable = True

    def __init__(self, files: list[Path], title: str = "") -> None:
        self._files = files
        self._interrupted = False
        self.total = len(files)
        self.fps = DEFAULT_FPS
        self.duration_s = len(files) / self.fps
        self.title = title or (files[0].name if files else "no pictures")

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The pictures that can be read."""
        self._interrupted = False
        left_out = LeftOut(self.report)
        first = min(max(0, ceil(start_s * self.fps - 0.5)), len(self._files))
        for index, path in enumerate(self._files[first:], first):
            try:
                rgb = read_rgb(path, upright=True)
            except DataError as error:
                left_out.add(SourceError(error.what, fix=error.fix))
                continue
            yield Frame(index, index / self.fps, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            if self._interrupted:
                return
        left_out.require_none(f"{len(self._files) - first} pictures")

    def interrupt(self) -> None:
        """End after the picture that is being read."""
        self._interrupted = True

    def close(self) -> None:
        """Nothing is held open."""
