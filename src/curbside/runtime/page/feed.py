"""The pictures of a board as JPEG files, made only while somebody watches, once for all who do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import cv2
import numpy as np

from ...imaging import encode_jpeg
from .board import Board, BoardConfig

__all__ = ["Encode", "Jpeg", "JpegFeed", "encode_picture"]

Encode = Callable[[np.ndarray, BoardConfig], bytes]
"""Makes a JPEG file of a picture, (H, W, 3) uint8 BGR."""

_LOOK_S = 0.5


class Jpeg(NamedTuple):
    """A picture as a file."""

    number: int
    """The picture's number on the board."""
    data: bytes
    """The file."""


def encode_picture(picture_bgr: np.ndarray, config: BoardConfig) -> bytes:
    """A picture as a JPEG file.

    Args:
        picture_bgr: (H, W, 3) uint8.
        config: Its quality and its greatest width.
    """
    height, width = picture_bgr.shape[:2]
    if width > config.max_width:
        size_wh = (config.max_width, max(1, round(height * config.max_width / width)))
        picture_bgr = cv2.resize(picture_bgr, size_wh, interpolation=cv2.INTER_AREA)
    return encode_jpeg(picture_bgr[..., ::-1], quality=config.quality)


class JpegFeed:
    """A thread that makes JPEG files of the newest pictures while somebody watches.

    Args:
        board: Where pictures are put up.
        encode: What makes a file.
    """

    def __init__(self, board: Board, encode: Encode = encode_picture) -> None:
        self._board, self._encode = board, encode
        self._bell = board.listen()
        self._changed = threading.Condition()
        self._watchers = 0
        self._newest = Jpeg(-1, b"")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="curbside-page-jpeg", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether no more files come."""
        return self._closed

    @contextmanager
    def watching(self) -> Iterator[int]:
        """Somebody watches; gives the number after which the picture that is up now comes."""
        posted = self._board.newest
        with self._changed:
            self._watchers += 1
            self._changed.notify_all()
        try:
            yield -1 if posted is None else posted.number - 1
        finally:
            with self._changed:
                self._watchers -= 1

    def next(self, after: int, timeout_s: float) -> Jpeg | None:
        """The newest picture of those after this number, once there is one; to be called while `watching`.

        Returns:
            None where none came in time, or no more come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest.number > after, timeout_s)
            return None if self._closed or self._newest.number <= after else self._newest

    def close(self, timeout_s: float = 1.0) -> None:
        """End the thread; who waits gets nothing more."""
        self._end()
        self._thread.join(timeout_s)

    def _end(self) -> None:
        self._board.forget(self._bell)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._bell.ring()

    def _run(self) -> None:
        due_s = 0.0
        try:
            while self._is_watched():
                posted = self._board.newest
                if posted is None or posted.number == self._newest.number:
                    self._bell.wait(_LOOK_S)
                elif (early_s := due_s - time.monotonic()) > 0:
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed, early_s)
                else:
                    due_s = time.monotonic() + 1 / self._board.config.fps
                    with suppress(Exception):  # one that cannot be made must not end those after it
                        data = self._encode(posted.picture_bgr, self._board.config)
                        with self._changed:
                            self._newest = Jpeg(posted.number, data)
                            self._changed.notify_all()
        finally:
            self._end()

    def _is_watched(self) -> bool:
        """Whether to go on; waits until somebody watches."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._watchers > 0)
            return not self._closed
