"""Where frames come from: a video file, a picture or a folder of them, a camera."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..errors import DataError, SourceError
from ..imaging import quiet_video, read_rgb

__all__ = ["Camera", "Frame", "Pictures", "Source", "VideoFile", "open_source"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
PICTURES_PER_S = 25.0
_COUNT_SLACK = 0.01  # containers without a frame count give an estimate from the duration


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source."""

    index: int
    """Its number in the source, from 0."""
    timestamp_s: float
    """When it was taken, from the start of the source, in seconds."""
    bgr: np.ndarray
    """(H, W, 3) uint8."""
    captured_s: float | None = None
    """When it was taken, by `time.perf_counter`, where a live source tells; None: when it is read."""


class Source(Protocol):
    """Something that gives frames, in order."""

    live: bool
    """Whether frames pass whether or not anyone looks: old ones are then worth nothing."""
    total: int | None
    """How many frames there will be, where that is known."""
    fps: float
    """Frames per second when played."""

    def frames(self) -> Iterator[Frame]:
        """The frames, from the first one on.

        Raises:
            SourceError: Fewer came than were promised; raised after the last that could be read.
        """

    def close(self) -> None:
        """Let go of the file or the device."""


def open_source(spec: str | Path) -> Source:
    """Open what a person named.

    Args:
        spec: A video file, a picture, a folder of pictures, a camera's number, or `/dev/videoN`.

    Raises:
        SourceError: There is nothing there, or it cannot be opened.
    """
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
        return Pictures(files)
    if not path.is_file():
        raise SourceError(
            f"{path} does not exist",
            fix="name a video file, a picture, a folder of pictures or a camera's number",
        )
    return Pictures([path]) if path.suffix.lower() in PICTURE_SUFFIXES else VideoFile(path)


class VideoFile:
    """A video file, every frame in order.

    Args:
        path: The file, in any format that OpenCV's FFmpeg reads.

    Raises:
        SourceError: It cannot be opened.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = _open_capture(str(path))
        if self._capture is None:
            raise SourceError(
                f"{path} cannot be opened as a video",
                fix="check that it plays; one that was cut off lacks its index: fetch it again",
            )
        count, rate = (
            self._capture.get(cv2.CAP_PROP_FRAME_COUNT),
            self._capture.get(cv2.CAP_PROP_FPS),
        )
        self.total = int(count) if count > 0 else None
        self.fps = rate if 0 < rate <= 1000 else PICTURES_PER_S
        self._fresh = True

    def frames(self) -> Iterator[Frame]:
        """The frames of the file, from the first one on."""
        assert self._capture is not None, "the video was closed"
        if not self._fresh:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        self._fresh = False
        index = 0
        while True:
            there, picture = self._capture.read()
            if not there:
                break
            yield Frame(index, index / self.fps, picture)
            index += 1
        promised = self.total or 1
        if index < promised * (1 - _COUNT_SLACK):
            raise SourceError(
                f"{self._path} ends early: {index} of {promised} frames could be decoded",
                fix="fetch or record the file again; what was decoded has been processed",
            )

    def close(self) -> None:
        """Let go of the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


class Pictures:
    """Picture files as frames, in the order given.

    Args:
        files: The files; they may differ in size.
    """

    live = False
    fps = PICTURES_PER_S

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self.total: int | None = len(files)

    def frames(self) -> Iterator[Frame]:
        """The pictures that can be read, then an error that names those that cannot."""
        broken: list[DataError] = []
        for index, path in enumerate(self._files):
            try:
                rgb = read_rgb(path)
            except DataError as error:
                broken.append(error)
                continue
            yield Frame(index, index / self.fps, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        if broken:
            raise SourceError(
                f"{len(broken)} of {len(self._files)} pictures cannot be read: {broken[0].what}",
                fix="fetch them again or remove them; the others have been processed",
            )

    def close(self) -> None:
        """Nothing is held open."""


class Camera:
    """A camera of this device.

    Args:
        number: The N of `/dev/videoN`.

    Raises:
        SourceError: It cannot be opened.
    """

    live = True
    total: int | None = None

    def __init__(self, number: int) -> None:
        self._number = number
        self._capture = _open_capture(number)
        if self._capture is None:
            raise SourceError(
                f"camera {number} cannot be opened",
                fix="check that it is plugged in, free, and that you may read it (group video)",
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else PICTURES_PER_S

    def frames(self) -> Iterator[Frame]:
        """Frames until the camera stops giving them."""
        assert self._capture is not None, "the camera was closed"
        start, index = time.monotonic(), 0
        while True:
            there, picture = self._capture.read()
            if not there:
                raise SourceError(
                    f"camera {self._number} stopped after {index} frames",
                    fix="check its cable and power",
                )
            yield Frame(index, time.monotonic() - start, picture)
            index += 1

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def _open_capture(what: str | int) -> cv2.VideoCapture | None:
    quiet_video()
    capture = cv2.VideoCapture(what)
    if capture.isOpened():
        return capture
    capture.release()
    return None
