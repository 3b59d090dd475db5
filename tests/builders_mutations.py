"""Files made bad in seeded ways: bytes changed anywhere, or what the format says made absurd."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["jpeg_of", "mutate", "png_chunks", "png_of"]

NUMBERS = ("nan", "inf", "1e400", "-1", "0", "", " ", "9" * 400, "9" * 5000, "1_0", "٣", "1.5", "x")
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "0", "\0", "\ud800"),
    *("a\nb\x1b[31m", "x" * 9999, "../../../etc/passwd", "/etc/passwd", [], {}, [[]], {"a": 1}),
    *([[1, 2], [3, 4]], [[[[[[]]]]]]),
)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The parts of a whole PNG file: kind and content."""
    place, found = 8, []
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        found.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def png_of(*parts: tuple[bytes, bytes]) -> bytes:
    """A PNG file of these parts, with right checksums."""
    packed = (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def jpeg_of(data: bytes, *, size_hw: tuple[int, int]) -> bytes:
    """A JPEG file that says it has another size."""
    place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: place + 5] + struct.pack(">HH", *size_hw) + data[place + 9 :]


def mutate(path: Path, random: Random) -> str:
    """Make a file bad; what was done, in a word. It becomes another file: links to it stay whole."""
    data = path.read_bytes()
    path.unlink()
    kind = random.choice(("bytes", "bytes", "format", "format", "format", "place"))
    if kind == "place":
        kind = random.choice(("missing", "folder", "circle", "elsewhere"))
        {
            "missing": lambda: None,
            "folder": path.mkdir,
            "circle": lambda: path.symlink_to(path.name),
            "elsewhere": lambda: path.symlink_to("/etc/passwd"),
        }[kind]()
        return kind
    by = {
        ".png": _png,
        ".jpg": _jpeg,
        ".json": _json,
        ".jsonl": _json_lines,
        ".xml": _xml,
        ".conf": _lines,
        ".txt": _lines,
    }[path.suffix]
    path.write_bytes((by if kind == "format" else _bytes)(data, random))
    return kind


def _bytes(data: bytes, random: Random) -> bytes:
    at, other = sorted(random.randrange(len(data)) for _ in range(2))
    return random.choice(
        (
            b"",
            data[:at],
            data[at:],
            data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :],
            data[:at] + random.randbytes(9) + data[at:],
            data[:other] + data[at:other] * 3 + data[other:],
            data[:at] + bytes(other - at) + data[other:],
            data[:at] + bytes(len(data) - at),
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EOF\n",
            b"GIF89a" + data[:40],
            b"text\n" * 50,
        )
    )


def _png(data: bytes, random: Random) -> bytes:
    (_, head), *rest = png_chunks(data)
    fields = list(struct.unpack(">IIBBBBB", head))
    what = random.randrange(6)
    if what == 0:
        fields[random.randrange(7)] = random.choice((0, 1, 3, 6, 16, 200))
    elif what == 1:
        fields[:2] = random.choice(((100_000, 100_000), (2**31 - 1, 1), (0, 5), (64, 49)))
    elif what == 2:
        del rest[random.randrange(len(rest))]
    elif what == 3:
        boom = zlib.compress(bytes(3_000_000))
        extra = random.choice(
            (
                (b"zTXt", b"k\0\0" + boom),
                (b"iCCP", b"k\0\0" + boom),
                (b"acTL", struct.pack(">II", 2**31, 0)),
                (b"PLTE", bytes(7)),
                (b"tRNS", bytes(300)),
                (b"eXIf", random.randbytes(40)),
            )
        )
        rest.insert(0, extra)
    else:
        pixels = zlib.decompress(b"".join(content for kind, content in rest if kind == b"IDAT"))
        wrong = _bytes(pixels, random) if what == 4 else bytes(30_000_000)
        rest = [(b"IDAT", zlib.compress(wrong, 1)), (b"IEND", b"")]
    try:
        return png_of((b"IHDR", struct.pack(">IIBBBBB", *fields)), *rest)
    except struct.error:  # more than a byte holds
        return b""


def _jpeg(data: bytes, random: Random) -> bytes:
    scan = data.find(b"\xff\xda")
    return random.choice(
        (
            jpeg_of(data, size_hw=(65535, 65535)),
            jpeg_of(data, size_hw=(0, 64)),
            jpeg_of(data, size_hw=(49, 64)),
            data[:scan] + data[scan:-2] * 200 + data[-2:],
            data[:2] + b"\xff\xe1\0\x20Exif\0\0" + random.randbytes(24) + data[2:],
            data[:2] + b"\xff\xe2\0\x10MPF\0" + random.randbytes(10) + data[2:],
            data[:-2] + b"\xff\xdc\0\4\0\5" + data[-2:],
        )
    )


def _json(data: bytes, random: Random) -> bytes:
    value = json.loads(data)
    if random.random() < 0.2:
        return random.choice(
            (b"[" * 9999, b'{"a":' * 9999, data + data, data.decode().encode("utf-16"))
        )
    place: Any = value
    while True:  # walk down to some depth
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return b"[1e400, NaN, 0]"
        key = random.choice(keys)
        if not isinstance(place[key], (dict, list)) or random.random() < 0.3:
            break
        place = place[key]
    what = random.randrange(4)
    if what == 0:
        del place[key]
    elif what == 1:
        place[key] = [place[key]] * 999
    else:
        place[key] = random.choice(VALUES)
    return json.dumps(value).encode()


def _json_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines()
    index = random.randrange(len(lines))
    lines[index] = random.choice((_json, _bytes))(lines[index], random)
    return b"\n".join(lines) + b"\n"


def _xml(data: bytes, random: Random) -> bytes:
    text = data.decode()
    text = text[text.index("<annotations") :]
    attributes = list(re.finditer(r'(\w+)="([^"]*)"', text))
    spot = random.choice(attributes)
    new = random.choice((*NUMBERS, *(f"{a},{b};1,1;2,2" for a in NUMBERS[:3] for b in NUMBERS[:3])))
    shape = '<mask label="car" left="0" top="0" width="9" height="9" rle="0,{}"/></image>'
    return random.choice(
        (
            text[: spot.start()] + f'{spot[1]}="{new}"' + text[spot.end() :],
            text[: spot.start()] + text[spot.end() :],
            text.replace(f'"{spot[2]}"', '"../../../../etc/passwd"'),
            text.replace("</image>", shape.format(random.choice(NUMBERS)), 1),
            text.replace("</image>", "<a>" * 99 + "</a>" * 99 + "</image>", 1),
            "<!DOCTYPE a [<!ENTITY b 'c'>]>" + text.replace("</image>", "&b;</image>", 1),
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" + text,
            f"<?xml version='1.0' encoding='{random.choice(('utf-7', 'idna', 'x', 'utf-16'))}'?>"
            + text,
        )
    ).encode()


def _lines(data: bytes, random: Random) -> bytes:
    lines = data.decode().splitlines()
    index = random.randrange(len(lines))
    lines[index] = random.choice(
        (
            *(
                "",
                "[",
                "[]",
                "=",
                "fx=%(x)s%(",
                "/etc/passwd",
                "../../etc/passwd",
                "\0",
                "C:\\a.png",
            ),
            *("x" * 9999, "   " + lines[index], lines[index - 1], "[STEREO]", "a\u2028b\x1b[31m"),
            lines[index].partition("=")[0] + "=" + random.choice(NUMBERS),
        )
    )
    text = "\n".join(lines).encode()
    return random.choice(
        (text, text, text, text * 3, text + b"\xe9=\xff\n", text.decode().encode("utf-16"))
    )
