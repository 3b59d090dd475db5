"""Asking V4L2 cameras what they can do, by the kernel's own calls.

Source: the Linux kernel's Video for Linux API, version 2: linux/videodev2.h.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from .found import Found, Mode

__all__ = ["find_v4l2", "list_modes", "read_card"]

Call = Callable[[int, bytearray], None]
"""A request to a device: its number, and the structure that it changes; OSError where it is refused."""

_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, of all, of this node
_FORMAT = struct.Struct("=III32sI16x")  # index, type, flags, description, pixel format
_SIZE = struct.Struct("=III6I8x")  # index, pixel format, kind; width, height or their steps
_INTERVAL = struct.Struct(
    "=5I6I8x"
)  # index, pixel format, width, height, kind; fractions of seconds

_CAPTURE, _CAPTURE_PLANES, _OF_THIS_NODE = 0x1, 0x1000, 0x80000000
_TYPES = {_CAPTURE: 1, _CAPTURE_PLANES: 9}
_DISCRETE = 1
_MOST = 256
"""Formats, sizes or rates of a device; a driver that never says it is done is not asked for ever."""
_USUAL_SIZES_WH = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
"""What is asked for of a camera that gives any size in a range."""


def _request(number: int, size: int, *, writes: bool = True) -> int:
    """The number of a request, as the macro `_IOWR('V', number, size)` makes it."""
    return (3 if writes else 2) << 30 | size << 16 | ord("V") << 8 | number


_QUERYCAP = _request(0, _CAPABILITY.size, writes=False)
_ENUM_FMT = _request(2, _FORMAT.size)
_ENUM_FRAMESIZES = _request(74, _SIZE.size)
_ENUM_FRAMEINTERVALS = _request(75, _INTERVAL.size)


def find_v4l2(folder: Path = Path("/dev")) -> list[Found]:
    """Cameras among the nodes of a folder, in the order of their numbers; those that cannot be asked,
    for another has them or they may not be read, come without modes."""
    found = []
    names = (path.name.removeprefix("video") for path in folder.glob("video*"))
    for number in sorted(int(name) for name in names if name.isdecimal()):
        path = folder / f"video{number}"
        try:
            node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            found.append(Found(str(path), f"{path.name} ({error.strerror})", "v4l2"))
            continue
        try:
            card = read_card(call := _calls(node))
            if card is not None:
                found.append(Found(str(path), card, "v4l2", tuple(list_modes(call))))
        except OSError:  # not a V4L2 device after all
            continue
        finally:
            os.close(node)
    return found


def _calls(node: int) -> Call:
    from fcntl import ioctl

    def call(request: int, structure: bytearray) -> None:
        ioctl(node, request, structure)

    return call


def read_card(call: Call) -> str | None:
    """The name of a camera; None for what is none: metadata, encoders, outputs.

    Raises:
        OSError: It is no V4L2 device.
    """
    told = _ask(call, _QUERYCAP, _CAPABILITY, b"", b"", b"", 0, 0, 0)
    return _text(told[1]) or _text(told[0]) if _capture_type(call) else None


def _capture_type(call: Call) -> int | None:
    *_, of_all, of_this = _ask(call, _QUERYCAP, _CAPABILITY, b"", b"", b"", 0, 0, 0)
    can = of_this if of_all & _OF_THIS_NODE else of_all
    return next((number for flag, number in _TYPES.items() if can & flag), None)


def list_modes(call: Call) -> Iterator[Mode]:
    """Everything that a camera says it can give, by format and size, as it lists them."""
    kind = _capture_type(call) or _TYPES[_CAPTURE]
    for index in range(_MOST):
        try:
            told = _ask(call, _ENUM_FMT, _FORMAT, index, kind, 0, b"", 0)
        except OSError:
            return
        pixels = told[4]
        name = struct.pack("=I", pixels & 0x7FFFFFFF).decode("latin-1").rstrip()
        for width, height in _sizes_wh(call, pixels):
            yield Mode(width, height, tuple(_rates(call, pixels, width, height)), name)


def _sizes_wh(call: Call, pixels: int) -> Iterator[tuple[int, int]]:
    for index in range(_MOST):
        try:
            told = _ask(call, _ENUM_FRAMESIZES, _SIZE, index, pixels, *[0] * 7)
        except OSError:
            return
        if told[2] == _DISCRETE:
            yield told[3], told[4]
            continue
        least_w, most_w, step_w, least_h, most_h, step_h = told[3:]
        yield least_w, least_h
        for width, height in _USUAL_SIZES_WH:
            inside = least_w < width < most_w and least_h < height < most_h
            on_step = not (width - least_w) % max(1, step_w) and not (height - least_h) % max(
                1, step_h
            )
            if inside and on_step:
                yield width, height
        if (most_w, most_h) != (least_w, least_h):
            yield most_w, most_h
        return


def _rates(call: Call, pixels: int, width: int, height: int) -> list[float]:
    rates: set[float] = set()
    for index in range(_MOST):
        try:
            told = _ask(
                call, _ENUM_FRAMEINTERVALS, _INTERVAL, index, pixels, width, height, *[0] * 7
            )
        except OSError:
            break
        # Of a range there are the shortest, the longest and the step; a rate is one over its interval.
        fractions = (told[5:7],) if told[4] == _DISCRETE else (told[5:7], told[7:9])
        rates |= {round(below / above, 3) for above, below in fractions if above and below}
        if told[4] != _DISCRETE:
            break
    return sorted(rates, reverse=True)


def _ask(call: Call, request: int, layout: struct.Struct, *values: object) -> tuple:
    structure = bytearray(layout.pack(*values))
    call(request, structure)
    return layout.unpack(structure)


def _text(raw: bytes) -> str:
    """A name of C, on one line and printable."""
    text = raw.split(b"\0")[0].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text).strip()
