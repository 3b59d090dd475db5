"""Reading pictures, masks and depth: the size is checked before memory is taken, damage is named."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import DataError

__all__ = ["image_size_hw", "read_depth", "read_ids", "read_rgb", "verify_image"]

MAX_PIXELS = 150_000_000
"""Larger pictures are refused before decoding: no camera of this field makes them, bombs do."""

_GONE = "restore the file or remove the sample from its split"
_DAMAGED = "fetch the file again or remove the sample from its split"


def _open(path: Path) -> Image.Image:
    """The file with its header read and its size checked, not yet decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; ours are checked here
            image = Image.open(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", fix=_GONE) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large to be a picture ({error})", fix=_DAMAGED) from error
    except (UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} is not an image that can be read", fix=_DAMAGED) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})", fix=_DAMAGED) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{path} says it is {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed",
            fix=_DAMAGED,
        )
    return image


def _load(image: Image.Image, path: Path) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise DataError(f"{path} is truncated or damaged ({error})", fix=_DAMAGED) from error
    return image


def image_size_hw(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header alone.

    Raises:
        DataError: The file is missing or no image.
    """
    with _open(path) as image:
        return image.size[1], image.size[0]


def read_rgb(path: Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8, RGB.

    Raises:
        DataError: The file is missing, damaged, or larger than any camera's picture.
    """
    with _open(path) as image:
        return np.asarray(_load(image, path).convert("RGB"))


def verify_image(path: Path) -> None:
    """Read a picture to its end: a PNG by the checksums that cover all of its bytes, which is ten
    times as fast as decoding; anything else is decoded, a JPEG at an eighth of its size.

    Raises:
        DataError: The file is missing, damaged or truncated.
    """
    with _open(path) as image:
        if image.format == "PNG":
            _verify_png(path)
            return
        image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
        _load(image, path)


def _verify_png(path: Path) -> None:
    kinds: set[bytes] = set()
    with open(path, "rb") as file:
        file.seek(8)
        while b"IEND" not in kinds:
            head = file.read(8)
            left, kind = int.from_bytes(head[:4], "big"), head[4:]
            kinds.add(kind)
            checksum = zlib.crc32(kind)
            while left and (piece := file.read(min(left, 1 << 20))):
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
            if left or file.read(4) != checksum.to_bytes(4, "big"):
                raise DataError(
                    f"{path} is truncated or damaged (in its part {kind.decode('latin-1')!r})",
                    fix=_DAMAGED,
                )
    if b"IDAT" not in kinds:
        raise DataError(f"{path} is truncated or damaged (it has no pixels)", fix=_DAMAGED)


def read_ids(path: Path) -> np.ndarray:
    """A mask of ids as (H, W), uint8 or (for 16-bit files) uint16. Palette files give their indices.

    Raises:
        DataError: The file is missing or damaged, or holds colours instead of ids.
    """
    with _open(path) as image:
        mode = image.mode
        _load(image, path)
        if mode in ("L", "P"):
            return np.asarray(image)
        if mode == "1":
            return np.asarray(image.convert("L")) // 255
        if mode in ("I;16", "I;16B", "I;16L", "I"):
            pixels = np.asarray(image)
            if pixels.min(initial=0) < 0 or pixels.max(initial=0) > np.iinfo(np.uint16).max:
                raise DataError(
                    f"{path} holds values outside 0..65535",
                    fix="give a single-channel mask of 8 or 16 bits",
                )
            return pixels.astype(np.uint16)
    raise DataError(
        f"{path} holds {mode} pixels, not one id per pixel",
        fix="give a single-channel mask of 8 or 16 bits",
    )


def read_depth(path: Path) -> np.ndarray:
    """A prepared depth file as (H, W) float32 in metres; 0 where unknown (16-bit, metres * 256)."""
    return read_ids(path).astype(np.float32) / 256.0
