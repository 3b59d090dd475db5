"""Videos of any codec, container and timing, whose frames tell their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

__all__ = ["BITS", "number_of", "numbered", "write_video"]

BITS = 8
_MS = Fraction(1, 1000)


def numbered(number: int, size_hw: tuple[int, int] = (48, 96)) -> np.ndarray:
    """A picture whose columns are the bits of a number, white for one."""
    picture = np.zeros((*size_hw, 3), np.uint8)
    for bit, columns in enumerate(np.array_split(np.arange(size_hw[1]), BITS)):
        picture[:, columns] = 255 * (number >> bit & 1)
    return picture


def number_of(picture_bgr: np.ndarray) -> int:
    """The number of a picture made by `numbered`, whatever the codec made of it."""
    row = picture_bgr[picture_bgr.shape[0] // 2].mean(1)
    bright = [part.mean() > 127 for part in np.array_split(row, BITS)]
    return sum(int(one) << bit for bit, one in enumerate(bright))


def write_video(
    to: Path | BinaryIO,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "mpeg4",
    times_ms: Sequence[int] | None = None,
    rate: int = 25,
    container: str | None = None,
    pixels: str = "yuv420p",
    turned: int = 0,
    **options: str,
) -> None:
    """Encode pictures, (H, W, 3) uint8 BGR, all of one size.

    Args:
        to: A file, or what is written into.
        pictures: The frames.
        codec: FFmpeg's name of the encoder.
        times_ms: When each is to be shown; evenly at `rate` where None.
        rate: Frames per second that the file says it has.
        container: FFmpeg's name of the format, where the name of the file does not tell.
        pixels: FFmpeg's name of the pixel format.
        turned: Degrees by which a player has to turn the picture, counter-clockwise.
        options: Of the encoder.
    """
    with av.open(str(to) if isinstance(to, Path) else to, "w", format=container) as file:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = file.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                if times_ms is not None:
                    stream.codec_context.time_base = _MS
                if turned:
                    stream.set_display_rotation(turned)
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], _MS
            file.mux(stream.encode(frame))
        assert stream is not None
        file.mux(stream.encode())
