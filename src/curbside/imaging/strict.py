"""Decoding that overlooks nothing: what a viewer would show with a grey corner is damaged here.

Pillow reports a JPEG that stops early, but neither a PNG with a wrong checksum, nor one that ends
without its last part, nor a JPEG whose tail is zeros, as files are after a power cut.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..files import require_file
from .reading import DAMAGED, check_png, first_scan, load_image, open_image

__all__ = ["StrictImage", "decode_luminance", "decode_numbers", "read_file"]

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read: an uncompressed picture of the largest size is not
much larger."""
_PREVIEW = 48
"""Pixels that the smaller side of a picture decoded for its luminance has at least."""


class StrictImage(NamedTuple):
    """An image file, decoded to its end."""

    format: str
    """As Pillow calls it: PNG, JPEG, ..."""
    mode: str
    """As Pillow calls it: L is 8-bit grey, I;16 (or I) 16-bit grey, P palette, RGB, ..."""
    size_hw: tuple[int, int]
    """Height and width of the picture in the file."""
    pixels: np.ndarray
    """What was asked for."""


def read_file(path: Path | str) -> bytes:
    """The bytes of a file of reasonable size.

    Raises:
        FileNotFoundError: There is none.
        DataError: It cannot be read, or is larger than any picture.
    """
    try:
        require_file(path)
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise DataError(f"{path} has more than {MAX_BYTES:,} bytes", fix=DAMAGED)
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=DAMAGED) from error


def decode_numbers(data: bytes, path: Path | str) -> StrictImage:
    """The numbers in an image file as they are: palette files give their indices.

    Args:
        data: The file.
        path: What errors call it.

    Returns:
        With pixels of (H, W) or (H, W, channels), of the type that the file has.

    Raises:
        DataError: The file is no image, damaged, or larger than any camera's picture.
    """
    with open_image(path, data) as image:
        kind, mode, size = image.format or "", image.mode, image.size
        _check_container(kind, data, path)
        pixels = np.asarray(load_image(image, path))
    return StrictImage(kind, mode, size[::-1], pixels)


def decode_luminance(data: bytes, path: Path | str) -> StrictImage:
    """A picture decoded to its end, for its luminance alone; a JPEG at down to an eighth of its size.

    All of a JPEG's data are decoded; what is saved is the arithmetic of pixels that nobody looks at.

    Args:
        data: The file.
        path: What errors call it.

    Returns:
        With pixels of (h, w) uint8.

    Raises:
        DataError: The file is no image, damaged, or larger than any camera's picture.
    """
    with open_image(path, data) as image:
        kind, mode, size = image.format or "", image.mode, image.size
        _check_container(kind, data, path)
        image.draft("L", (max(_PREVIEW, size[0] // 8), max(_PREVIEW, size[1] // 8)))
        load_image(image, path)
        pixels = np.asarray(image if image.mode == "L" else image.convert("L"))
    return StrictImage(kind, mode, size[::-1], pixels)


def _check_container(kind: str, data: bytes, path: Path | str) -> None:
    if kind == "PNG":
        check_png(io.BytesIO(data), path)
    elif kind == "JPEG":
        _check_jpeg(data, path)


def _check_jpeg(data: bytes, path: Path | str) -> None:
    """The end marker must come after the start of the first scan: previews have one of their own."""
    _, place = first_scan(io.BytesIO(data))
    if data.rfind(b"\xff\xd9") < place:  # it stands at the end of nearly all files
        raise DataError(f"{path} is truncated: it has no end marker", fix=DAMAGED)
