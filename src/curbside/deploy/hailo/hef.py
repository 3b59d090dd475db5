"""What a HEF tells of itself without Hailo's software: its frame, its chip, its network.

The format is public in HailoRT's sources (github.com/hailo-ai/hailort: hef_internal.hpp, hef.proto): a
header of big-endian numbers, magic, version, length; then a protocol buffer whose first field tells
the chip and the compiler.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelFileError

__all__ = ["HefFacts", "read_hef"]

_MAGIC = 0x01484546
_HEADERS = {0: 32, 1: 28, 2: 44, 3: 56}
"""Length of the header in bytes, by the version of the format."""
_ARCHS = {0: "hailo8", 1: "hailo8p", 2: "hailo8r", 3: "hailo8l"}
_ARCHS |= {4: "hailo15m", 5: "hailo10h", 103: "hailo15h"}
_DAMAGED = "copy it again from where it was compiled, or compile it again"


@dataclass(frozen=True, kw_only=True)
class HefFacts:
    """What a HEF tells; None where it does not."""

    version: int
    """Of the format."""
    arch: str | None = None
    """The chip that it was compiled for, such as hailo8l."""
    compiler: str | None = None
    """Version of the compiler."""
    network: str | None = None
    """Name of its network."""


def read_hef(path: Path) -> HefFacts:
    """What a HEF tells of itself.

    Raises:
        ModelFileError: It is none, or is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path}: {error.strerror}", fix="check the path"
        ) from error
    if len(content) < 12 or struct.unpack(">I", content[:4])[0] != _MAGIC:
        raise ModelFileError(f"{path} is no HEF", fix="give the file that hailo compiler wrote")
    version, length = struct.unpack(">II", content[4:12])
    if version not in _HEADERS:
        return HefFacts(version=version)
    start = _HEADERS[version]
    body = content[start : start + length]
    if len(body) < length or (version == 0 and hashlib.md5(body).digest() != content[16:32]):
        raise ModelFileError(f"{path} is damaged or cut off", fix=_DAMAGED)
    try:
        return _facts(version, body)
    except (IndexError, ValueError):  # a later compiler may write what this does not know
        return HefFacts(version=version)


def _facts(version: int, body: bytes) -> HefFacts:
    arch, compiler, network = 0, None, None  # a field that is 0 is left out
    for number, value in _fields(body):
        if number == 1 and isinstance(value, bytes):
            header = dict(_fields(value))
            arch = int(header.get(1, 0))  # type: ignore[arg-type]
            compiler = _text(header.get(3))
        elif number == 2 and isinstance(value, bytes) and network is None:
            group = dict(_fields(value))
            network = _text(group.get(10))
            if network is None and isinstance(group.get(1), bytes):
                network = _text(dict(_fields(group[1])).get(1))  # type: ignore[arg-type]
    return HefFacts(
        version=version,
        arch=_ARCHS.get(arch, f"chip {arch}"),
        compiler=compiler,
        network=network,
    )


def _text(value: int | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) and value else None


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: their numbers with a whole number or bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, place = _varint(message, place)
        if size is None or place + size > len(message):
            raise ValueError("no protocol buffer")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("no whole number")
