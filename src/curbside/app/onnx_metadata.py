"""The metadata of an ONNX file, without loading its network: a folder of them is listed at once."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..errors import ModelFileError

__all__ = ["read_onnx_metadata"]

# Field numbers of ONNX's ModelProto and StringStringEntryProto, and protobuf's kinds on the wire.
_METADATA, _KEY, _VALUE = 14, 1, 2
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_LARGEST = 64 * 2**20


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """The metadata properties of an ONNX file; everything else in it is passed over.

    Args:
        path: The file.

    Raises:
        ModelFileError: It is damaged.
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except (ValueError, EOFError) as error:
        raise ModelFileError(
            f"{path} is no ONNX file, or is cut off ({error})", fix="export or fetch it again"
        ) from None


def _read(file: BinaryIO, size: int) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[int] = set()
    while file.tell() < size:
        field, kind = _tag(file)
        seen.add(field)
        if field == _METADATA and kind == _COUNTED:
            key, value = _entry(file, size)
            found[key] = value
        else:
            _skip(file, kind, size)
    if not {1, 7, 8} & seen:  # version, graph, operators: something of a model
        raise ValueError("nothing of a model is in it")
    return found


def _entry(file: BinaryIO, size: int) -> tuple[str, str]:
    texts = {_KEY: "", _VALUE: ""}
    end = _end_of_counted(file, size)
    while file.tell() < end:
        field, kind = _tag(file)
        if field in texts and kind == _COUNTED:
            stop = _end_of_counted(file, end)
            if stop - file.tell() > _LARGEST:
                raise ValueError("an entry of its metadata is too long")
            texts[field] = file.read(stop - file.tell()).decode("utf-8")
        else:
            _skip(file, kind, end)
    return texts[_KEY], texts[_VALUE]


def _tag(file: BinaryIO) -> tuple[int, int]:
    tag = _varint(file)
    return tag >> 3, tag & 7


def _skip(file: BinaryIO, kind: int, end: int) -> None:
    if kind == _VARINT:
        _varint(file)
        return
    if kind == _COUNTED:
        stop = _end_of_counted(file, end)
    elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
        stop = file.tell() + (8 if kind == _EIGHT_BYTES else 4)
    else:
        raise ValueError(f"byte {file.tell()} is nothing of a model")
    if stop > end:
        raise EOFError("it ends early")
    file.seek(stop)


def _end_of_counted(file: BinaryIO, end: int) -> int:
    length = _varint(file)
    stop = file.tell() + length
    if stop > end:
        raise EOFError("it ends early")
    return stop


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError("it ends early")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number in it is too long")
