"""Reading pictures, masks and depth: the size is checked before memory is taken, damage is named."""

from __future__ import annotations

import io
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from ..errors import DataError
from ..files import require_file

__all__ = ["image_size_hw", "read_depth", "read_ids", "read_rgb", "verify_image"]

MAX_PIXELS = 150_000_000
"""Larger pictures are refused before decoding: no camera of this field makes them, bombs do."""

MAX_SCANS = 100
"""A JPEG of more is refused, as each goes over all the pixels and may take but a few bytes; real ones
have ten or so."""

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
"""What pictures are. Pillow would open anything by its first bytes, and run PostScript."""
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")
"""Pillow's words for grey of 16 bits; it has opened 16-bit PNG files as the last one, too."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers of frame headers
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})

_GONE = "restore the file or remove the sample from its split"
DAMAGED = "fetch the file again or remove the sample from its split"


def open_image(path: Path | str, data: bytes | None = None) -> Image.Image:
    """The file with its header read and its size checked, not yet decoded.

    Args:
        path: Where it lies; only a name where `data` are given.
        data: The bytes of the file, where they have been read.

    Raises:
        DataError: The file is missing, no image, or larger than any camera's picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images; ours are checked here
            if data is None:
                require_file(path)
            image = Image.open(path if data is None else io.BytesIO(data), formats=_FORMATS)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", fix=_GONE) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large to be a picture ({error})", fix=DAMAGED) from error
    except OSError as error:
        if not isinstance(error, UnidentifiedImageError) and error.strerror:
            raise DataError(f"{path} cannot be read ({error.strerror})", fix=DAMAGED) from error
        raise DataError(f"{path} is not an image that can be read", fix=DAMAGED) from error
    except Exception as error:  # what else Pillow stumbles over in a header
        raise DataError(f"{path} is not an image that can be read", fix=DAMAGED) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{path} says it is {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed",
            fix=DAMAGED,
        )
    return image


def load_image(image: Image.Image, path: Path | str) -> Image.Image:
    """Decode what `open_image` opened.

    Raises:
        DataError: The file is truncated or damaged, or a JPEG that would take for ever.
    """
    try:
        if isinstance(image, JpegImageFile) and image.fp is not None:
            _check_scans(image.fp, path)
        image.load()
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise DataError(f"{path} is truncated or damaged ({error})", fix=DAMAGED) from error
    return image


def _check_scans(file: IO[bytes], path: Path | str) -> None:
    several, place = first_scan(file)
    file.seek(place)
    if several and file.read().count(b"\xff\xda") > MAX_SCANS:
        raise DataError(f"{path} has more than {MAX_SCANS} scans", fix=DAMAGED)


def first_scan(file: IO[bytes]) -> tuple[bool, int]:
    """Whether a JPEG has several scans, and where the first one begins, or the file is no more a JPEG."""
    place, components, progressive = 2, 0, False
    while True:
        file.seek(place)
        head = file.read(10)
        if len(head) < 10 or head[0] != 0xFF:
            return True, place
        marker = head[1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker == 0xDA:
            return progressive or head[4] < components, place
        if marker in _FRAMES:
            components, progressive = head[9], marker in _PROGRESSIVE
        place += 2 + int.from_bytes(head[2:4], "big")


def image_size_hw(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header alone.

    Raises:
        DataError: The file is missing or no image.
    """
    with open_image(path) as image:
        return image.size[1], image.size[0]


def read_rgb(path: Path, *, upright: bool = False) -> np.ndarray:
    """A picture as (H, W, 3) uint8, RGB; of grey of 16 bits the upper eight.

    Args:
        path: The file.
        upright: Turn it as its EXIF tag says that the camera was held. Masks are drawn on the pixels
            as they are stored, so that this is off for datasets.

    Raises:
        DataError: The file is missing, damaged, larger than any camera's picture, or holds numbers of
            32 bits, which are no brightness.
    """
    with open_image(path) as image:
        wide = image.mode in SIXTEEN_BITS and (image.mode != "I" or image.format == "PNG")
        if image.mode in ("I", "F") and not wide:
            raise DataError(
                f"{path} holds numbers of 32 bits, no picture",
                fix="give a picture of 8 or 16 bits",
            )
        loaded = load_image(image, path)
        if upright:
            with suppress(Exception):  # a damaged tag is none
                loaded = ImageOps.exif_transpose(loaded)
        if wide:
            grey = (np.asarray(loaded) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        return np.asarray(loaded if loaded.mode == "RGB" else loaded.convert("RGB"))


def verify_image(path: Path) -> None:
    """Read a picture to its end: a PNG by the checksums that cover all of its bytes, which is ten
    times as fast as decoding; anything else is decoded, a JPEG at an eighth of its size.

    Raises:
        DataError: The file is missing, damaged or truncated.
    """
    with open_image(path) as image:
        if image.format == "PNG":
            with open(path, "rb") as file:
                check_png(file, path)
            return
        image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
        load_image(image, path)


def check_png(file: IO[bytes], path: Path | str) -> None:
    """Compare all bytes of a PNG file with its checksums, to its last part.

    Raises:
        DataError: It is damaged or truncated.
    """
    kinds: set[bytes] = set()
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
                fix=DAMAGED,
            )
    if b"IDAT" not in kinds:
        raise DataError(f"{path} is truncated or damaged (it has no pixels)", fix=DAMAGED)


def read_ids(path: Path) -> np.ndarray:
    """A mask of ids as (H, W), uint8 or (for 16-bit files) uint16. Palette files give their indices.

    Raises:
        DataError: The file is missing or damaged, or holds colours instead of ids.
    """
    with open_image(path) as image:
        mode = image.mode
        if mode not in ("L", "P", "1", *SIXTEEN_BITS):
            raise DataError(
                f"{path} holds {mode} pixels, not one id per pixel",
                fix="give a single-channel mask of 8 or 16 bits",
            )
        load_image(image, path)
        if mode == "1":
            return np.asarray(image.convert("L")) // 255
        pixels = np.asarray(image)
    if mode in ("L", "P"):
        return pixels
    if pixels.min(initial=0) < 0 or pixels.max(initial=0) > np.iinfo(np.uint16).max:
        raise DataError(
            f"{path} holds values outside 0..65535",
            fix="give a single-channel mask of 8 or 16 bits",
        )
    return pixels.astype(np.uint16)


def read_depth(path: Path) -> np.ndarray:
    """A prepared depth file as (H, W) float32 in metres; 0 where unknown (16-bit, metres * 256)."""
    return read_ids(path).astype(np.float32) / 256.0
