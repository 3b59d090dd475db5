"""Video decoded through PyAV, which is imported here and nowhere else in the room.

What is opened may be hostile: a playlist in a video's name reaches no other file and no network, and
a picture of absurd size is refused before memory is taken for it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...errors import SourceError
from ...hardware import core_count
from ...imaging.reading import MAX_PIXELS
from .source import usable_fps

__all__ = ["Container", "Decoded", "Undecodable"]

_MOST_THREADS = 4
"""More of them decode no faster beside a network, and each keeps a frame in memory."""
_NO_VIDEOS = ("tty",)
"""What FFmpeg would draw pictures of: it shows text files as a terminal would."""
_LONGEST_S = 1e7
"""No video plays for months; what says so is broken."""
_ROTATIONS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    -90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame of a container."""

    frame: Any
    """PyAV's frame."""
    pts_s: float | None
    """When it is to be shown, in the container's own time."""
    end_s: float | None
    """Until when it is to be shown, in the container's own time; None where that is not told."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands in the place of a frame that cannot be decoded."""

    reason: str
    """Why, in a few words."""
    end_s: float | None = None
    """As of `Decoded`."""


class Container:
    """A video that is open: its stream of pictures, decoded frame by frame.

    What it says of itself: `fps`; `promised`, how many packets it holds, and `promised_s`, how long its
    pictures play, from the first on, None where it does not say; `duration_s`, how long all of it
    plays. `packets` counts those of its pictures that were read.

    Args:
        address: What FFmpeg opens.
        title: What the errors call it; they never say the address, which may hold a password.
        protocols: Ways by which FFmpeg may reach anything, as in `file`.
        options: Further options of FFmpeg.
        timeouts_s: How long opening and reading may take; None for ever.
        live: Decode every frame as soon as it is there, instead of several at once.

    Raises:
        SourceError: It cannot be opened, holds no pictures, or such of absurd size.
    """

    def __init__(
        self,
        address: str,
        *,
        title: str,
        protocols: str,
        options: Mapping[str, str] | None = None,
        timeouts_s: tuple[float, float] | None = None,
        live: bool = False,
    ) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._title = title
        self._failures = (av.FFmpegError, OSError, ValueError)
        limits = {"max_pixels": str(MAX_PIXELS), "protocol_whitelist": protocols}
        begun_s = time.monotonic()
        try:
            self._container = av.open(
                address, options={**limits, **(options or {})}, timeout=timeouts_s
            )
        except self._failures as error:
            late = timeouts_s is not None and time.monotonic() - begun_s >= timeouts_s[0]
            raise self._unopened("no answer in time" if late else _reason(error)) from None
        try:
            self._stream = self._choose()
        except BaseException:
            self._container.close()
            raise
        self.decode_for(live=live)
        self._reformatter = VideoReformatter()
        self.fps = usable_fps(self._stream.average_rate or self._stream.guessed_rate)
        self.promised: int | None = self._stream.frames or None
        self.promised_s = self._promised_s()
        if self._container.format.name == "avi" and self.promised and self.promised_s:
            # Without its index, which is at its end, the duration is that of what is there.
            self.promised_s = max(self.promised_s, self.promised / self.fps)
        whole = self._container.duration
        self.duration_s = self.promised_s or (_usable(whole / 1e6) if whole else None)
        self.packets = 0

    def _choose(self) -> Any:
        from av.stream import Disposition

        if self._container.format.name in _NO_VIDEOS:
            raise self._unopened("it is text")
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic  # the cover of a song
            and stream.codec_context is not None
        ]
        if not streams:
            raise self._unopened("it holds no pictures")
        best = self._container.streams.best("video")
        stream = best if best in streams else streams[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise SourceError(
                f"{self._title} says it is {width} x {height} pixels, more than the "
                f"{MAX_PIXELS:,} allowed",
                fix="give a video of usual size",
            )
        return stream

    def decode_for(self, *, live: bool) -> None:
        """Say what is wanted of decoding, before the first frame.

        Args:
            live: Every frame as soon as it is there, instead of several at once.
        """
        context = self._stream.codec_context
        context.options = {
            "max_pixels": str(MAX_PIXELS),
            **({"flags": "low_delay"} if live else {}),
        }
        context.thread_type = "SLICE" if live else "AUTO"  # frame threads hold frames back
        context.thread_count = min(_MOST_THREADS, core_count() + 1)  # one waits for its turn

    def _unopened(self, reason: str) -> SourceError:
        fix = "check that it plays; one that was cut off lacks its index: fetch it again"
        if "://" in self._title:
            fix = "check the address, that the server runs, and its user and password"
        return SourceError(f"{self._title} cannot be opened as a video ({reason})", fix=fix)

    def _promised_s(self) -> float | None:
        """How long its pictures play, from the first on; other streams may be longer."""
        base, began = self._stream.time_base, self._stream.start_time or 0
        if self._stream.duration:
            return _usable(float(self._stream.duration * base))
        ends_s = _seconds(self._stream.metadata.get("DURATION", ""))
        if ends_s is not None:
            return _usable(ends_s - float(began * base))
        if len(self._container.streams) == 1 and self._container.duration:
            return _usable(self._container.duration / 1e6)
        return None

    def decode(self) -> Generator[Decoded | Undecodable]:
        """Every frame from where it stands.

        Raises:
            SourceError: Reading broke off.
        """
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except self._failures as error:
                raise SourceError(
                    f"{self._title} broke off ({_reason(error)})",
                    fix="check that it is whole and still there",
                ) from None
            if packet is None:
                return
            self.packets += packet.size > 0
            try:
                frames = packet.decode()
            except self._failures as error:
                yield Undecodable(_reason(error), self._times_s(packet)[1])
                continue
            for frame in frames:
                pts_s, end_s = self._times_s(frame)
                if frame.is_corrupt:
                    yield Undecodable("it is damaged", end_s)
                elif frame.width * frame.height > MAX_PIXELS:
                    yield Undecodable("it is larger than any camera's picture", end_s)
                else:
                    yield Decoded(frame, pts_s, end_s)

    def _times_s(self, shown: Any) -> tuple[float | None, float | None]:
        """From when and until when a frame, or a packet, is to be shown."""
        if shown.pts is None:
            return None, None
        base = self._stream.time_base
        end_s = float((shown.pts + shown.duration) * base) if shown.duration else None
        return float(shown.pts * base), end_s

    def seek(self, pts_s: float) -> bool:
        """Go to the last frame before a moment of the container's own time that needs no other;
        whether it could."""
        with suppress(*self._failures):
            self._container.seek(int(pts_s / self._stream.time_base), stream=self._stream)
            return True
        return False

    def picture(self, decoded: Decoded) -> np.ndarray | Undecodable:
        """The pixels of a frame, upright: (H, W, 3) uint8 BGR, contiguous, its own."""
        frame = decoded.frame
        try:
            bgr = self._reformatter.reformat(
                frame,
                format="bgr24",
                interpolation="BICUBIC",
                threads=1,  # as OpenCV does
            ).to_ndarray()
        except self._failures as error:
            return Undecodable(_reason(error))
        turn = _ROTATIONS.get(frame.rotation)
        return np.ascontiguousarray(bgr) if turn is None else cv2.rotate(bgr, turn)

    def close(self) -> None:
        """Let go of the file or the connection."""
        self._container.close()


def _reason(error: BaseException) -> str:
    """What FFmpeg says, without the address that it adds."""
    said = (getattr(error, "strerror", None) or type(error).__name__).lower()
    return "no answer in time" if said.startswith("immediate exit") else said


def _usable(seconds: float) -> float | None:
    """A duration that can be, or None."""
    return seconds if 0 < seconds < _LONGEST_S else None  # which no NaN is


def _seconds(text: str) -> float | None:
    """Matroska's tag of when a stream ends, as in 00:01:02.500000000."""
    try:
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        return None
    return _usable(hours * 3600 + minutes * 60 + seconds)
