"""A video file as a source, of this device or of a web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from ...errors import SourceError
from .container import Container, Decoded, Undecodable
from .source import Frame, LeftOut, Source

__all__ = ["VideoFile"]

_SLACK = 0.01
"""Containers promise a frame or two too many, or tell a duration instead of a count."""


class VideoFile(Source):
    """A video file, every frame in order, each at the very time at which it is to be shown.

    A frame that cannot be decoded is left out; those that build on it may be smeared.

    Args:
        path: The file, in any format that FFmpeg reads.
        reopen: Opens it, where it is no file of this device.
        opened: It, where it is open already; read by the first `frames`.

    Raises:
        SourceError: It cannot be opened.
    """

    seekable = True

    def __init__(
        self,
        path: Path | str,
        reopen: Callable[[], Container] | None = None,
        opened: Container | None = None,
    ) -> None:
        self._name = str(path)
        self._open = reopen or self._open_file
        self.title = self._name if reopen else Path(path).name
        self._zero_s: float | None = None
        self._interrupted = self._closed = False
        self._fresh: Container | None = opened or self._open()
        self.fps, self.duration_s = self._fresh.fps, self._fresh.duration_s
        self.total = self._promised = self._fresh.promised
        self._promised_s = self._fresh.promised_s
        if self.total is None and self._promised_s is not None:
            self.total = max(1, round(self._promised_s * self.fps))

    def _open_file(self) -> Container:
        return Container(f"file:{self._name}", title=self._name, protocols="file")

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        """The frames of the file, from a moment on."""
        if self._closed:
            raise SourceError(f"{self._name} was closed", fix="open it again")
        self._interrupted = False
        container, self._fresh = self._fresh or self._open(), None
        begin_s = max(0.0, start_s - 0.5 / self.fps)
        with closing(container):
            yield from self._frames(container, begin_s)

    def _frames(self, container: Container, begin_s: float) -> Iterator[Frame]:
        left_out, decoded = LeftOut(self.report), 0
        index = None if begin_s else 0
        time_s, end_s = -1 / self.fps, 0.0
        try:
            for item in self._from(container, begin_s) if begin_s else container.decode():
                if self._interrupted:
                    return
                picture: np.ndarray | Undecodable
                if isinstance(item, Decoded):
                    time_s = self._time_s(item, time_s + 1 / self.fps)
                    end_s = max(end_s, self._end_s(item, time_s + 1 / self.fps))
                    if time_s < begin_s:
                        continue
                    index = round(time_s * self.fps) if index is None else index
                    picture = container.picture(item)
                else:
                    picture = item
                    end_s = max(end_s, self._end_s(item, end_s))
                if index is None:  # not yet where it begins
                    continue
                if isinstance(picture, Undecodable):
                    left_out.add(self._undecodable(index, picture))
                else:
                    decoded += 1
                    yield Frame(index, time_s, picture)
                index += 1
        except SourceError:
            raise self._ends_early(decoded) from None
        nothing = not decoded and not begin_s
        packets = 0 if begin_s else container.packets
        if nothing or not self._is_whole(packets, end_s):
            raise self._ends_early(decoded)
        left_out.require_none(f"{decoded + left_out.count} frames")

    def _time_s(self, item: Decoded, otherwise_s: float) -> float:
        """When a frame is to be shown, from the first on."""
        if item.pts_s is None:
            return otherwise_s
        if self._zero_s is None:
            self._zero_s = item.pts_s
        return item.pts_s - self._zero_s

    def _end_s(self, item: Decoded | Undecodable, otherwise_s: float) -> float:
        """Until when it is to be shown, from the first on."""
        if item.end_s is None or self._zero_s is None:
            return otherwise_s
        return item.end_s - self._zero_s

    def _from(self, container: Container, begin_s: float) -> Iterator[Decoded | Undecodable]:
        """Frames from one that is no later than `begin_s`, or from the first."""
        zero_s, back_s = self._first_s(), 0.0
        while back_s < begin_s and container.seek(zero_s + begin_s - back_s):
            with closing(container.decode()) as items:
                for item in items:
                    if self._interrupted:
                        return
                    if isinstance(item, Undecodable) or item.pts_s is None:
                        continue
                    if item.pts_s - zero_s > begin_s:  # the container's index is inexact
                        break
                    yield item
                    yield from items
                    return
            back_s = 4 * back_s + 1.0
        with closing(self._open()) as again:
            yield from again.decode()

    def _first_s(self) -> float:
        """When the first frame is to be shown, in the container's own time."""
        if self._zero_s is None:
            with closing(self._open()) as first:
                shown = (item for item in first.decode() if isinstance(item, Decoded))
                self._zero_s = next((item.pts_s for item in shown if item.pts_s is not None), 0.0)
        return self._zero_s

    def _is_whole(self, packets: int, end_s: float) -> bool:
        """Whether as much came as was promised: by the packets, else by the end of the last frame. Not
        every packet is a frame that is shown: a file trimmed without encoding hides some."""
        if self._promised and packets >= self._promised * (1 - _SLACK):
            return True
        if self._promised_s is not None and end_s:
            return end_s + 1 / self.fps >= self._promised_s * (1 - _SLACK)
        return not (self._promised and packets)

    def _undecodable(self, index: int, item: Undecodable) -> SourceError:
        return SourceError(
            f"frame {index} of {self._name} cannot be decoded ({item.reason})",
            fix="fetch or record the file again",
        )

    def _ends_early(self, decoded: int) -> SourceError:
        return SourceError(
            f"{self._name} ends early: {decoded} of {self.total or 1} frames could be decoded",
            fix="fetch or record the file again; what was decoded has been processed",
        )

    def interrupt(self) -> None:
        """End after the frame that is being decoded."""
        self._interrupted = True

    def close(self) -> None:
        """Let go of the file."""
        if self._fresh is not None:
            self._fresh.close()
        self._fresh, self._closed = None, True
