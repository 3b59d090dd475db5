"""A stand-in for a V4L2 device: answers the kernel's requests in its structures, byte for byte.

The offsets are those of `linux/videodev2.h`, as a C compiler lays them out on 32 and 64 bits alike.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass, field

__all__ = ["Device", "Format", "fourcc"]

QUERYCAP, ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = (
    0x80685600,
    0xC0405602,
    0xC02C564A,
    0xC034564B,
)
DISCRETE, CONTINUOUS, STEPWISE = 1, 2, 3


def fourcc(letters: str) -> int:
    """Four letters as the kernel writes them."""
    return sum(ord(letter) << 8 * place for place, letter in enumerate(letters))


@dataclass
class Format:
    """A pixel format and the sizes it comes in."""

    letters: str
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Discrete ones."""
    steps: tuple[int, int, int, int, int, int] | None = None
    """Least and most width and their step, the same for heights, where any size in between can be."""
    intervals: list[tuple[int, int]] = field(default_factory=list)
    """Discrete ones, as fractions of a second."""
    between: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Shortest and longest interval, where any in between can be."""


@dataclass
class Device:
    """A node under `/dev`."""

    card: bytes = b"USB 2.0 Camera"
    capabilities: int = 0x84A00001
    node: int = 0x04200001
    type: int = 1
    formats: list[Format] = field(default_factory=list)
    endless: bool = False
    """A driver that gives its last format for ever."""

    def __call__(self, request: int, data: bytearray) -> None:
        """The `ioctl`: changes the structure, or raises what the kernel would."""
        answer = {
            QUERYCAP: self._query,
            ENUM_FMT: self._format,
            ENUM_FRAMESIZES: self._size,
            ENUM_FRAMEINTERVALS: self._interval,
        }[request]
        assert len(data) == request >> 16 & 0x3FFF, "the number of a request holds its size"
        answer(data)

    def _query(self, data: bytearray) -> None:
        data[16 : 16 + len(self.card)] = self.card
        struct.pack_into("=II", data, 84, self.capabilities, self.node)

    def _format(self, data: bytearray) -> None:
        index, kind = struct.unpack_from("=II", data)
        if kind != self.type:
            raise OSError(errno.EINVAL, "Invalid argument")
        index = min(index, len(self.formats) - 1) if self.endless else index
        struct.pack_into("=I", data, 44, fourcc(self._at(self.formats, index).letters))

    def _of(self, pixels: int) -> Format:
        return next(one for one in self.formats if fourcc(one.letters) == pixels)

    def _size(self, data: bytearray) -> None:
        index, pixels = struct.unpack_from("=II", data)
        wanted = self._of(pixels)
        if wanted.steps is not None:
            self._at([0], index)
            struct.pack_into("=I6I", data, 8, STEPWISE, *wanted.steps)
        else:
            struct.pack_into("=III", data, 8, DISCRETE, *self._at(wanted.sizes, index))

    def _interval(self, data: bytearray) -> None:
        index, pixels, _, _ = struct.unpack_from("=IIII", data)
        wanted = self._of(pixels)
        if wanted.between is not None:
            self._at([0], index)
            struct.pack_into(
                "=I6I", data, 16, CONTINUOUS, *wanted.between[0], *wanted.between[1], 1, 1
            )
        else:
            struct.pack_into("=III", data, 16, DISCRETE, *self._at(wanted.intervals, index))

    @staticmethod
    def _at(items: list, index: int):
        if index >= len(items):
            raise OSError(errno.EINVAL, "Invalid argument")
        return items[index]
