"""What a teacher said of one picture, as a file.

The WebP data of `logit_codes`, and behind them 34 bytes: which picture they were made of, the size of
the map, into how many steps probabilities are divided, and a checksum that also covers the settings of
the cache. An entry is at most as large as its picture, as far as fewer steps can bring it there.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..files import inside, require_file, write_bytes
from ..imaging.strict import read_file
from ..prepared import Sample
from .cache_format import CacheSettings
from .logit_codes import LEVELS, encode

__all__ = ["Entry", "check_entry", "damaged", "entry_path", "read_entry", "write_entry"]

_TRAILER = struct.Struct("<8sQIIHHHI")
"""Mark; bytes of the picture; height and width of the picture and of the map; steps; checksum."""
_MARK = b"curbside"
_SEAL = struct.Struct("<I")


def entry_path(root: Path, sample: Sample) -> Path:
    """Where the entry of a sample lies.

    Raises:
        DataError: Its names lead out of the cache.
    """
    name = sample.root.resolve().name
    return inside(root / "logits", f"{name}/{sample.record.split}/{sample.id}.webp")


def write_entry(root: Path, settings: CacheSettings, sample: Sample, log_probs: np.ndarray) -> None:
    """Write the entry of a sample, in the finest steps that make it no larger than its picture.

    Args:
        root: The cache.
        settings: Its settings.
        sample: The sample.
        log_probs: (C, h, w) float32, what the teacher said of it.
    """
    size = _picture_bytes(sample)
    for levels in LEVELS:
        data = encode(log_probs, settings.top_k, levels)
        if len(data) + _TRAILER.size <= size:
            break
    frame_hw, map_hw = sample.record.size_hw, log_probs.shape[1:]
    about = _TRAILER.pack(_MARK, size, *frame_hw, *map_hw, levels, 0)[: -_SEAL.size]
    seal = _SEAL.pack(zlib.crc32(data + about, settings.seal))
    write_bytes(entry_path(root, sample), data + about + seal)


class Entry(NamedTuple):
    """What `read_entry` finds."""

    data: bytes
    """The WebP data."""
    map_hw: tuple[int, int]
    """Height and width of the map in it."""
    levels: int
    """Into how many steps its probabilities are divided."""


def read_entry(root: Path, settings: CacheSettings, sample: Sample) -> Entry:
    """The entry of a sample.

    Raises:
        DataError: There is none, or it is damaged, of another cache or of another picture.
    """
    path = entry_path(root, sample)
    try:
        whole = read_file(path)
    except FileNotFoundError:
        raise _missing(path, sample) from None
    data, about = whole[: -_TRAILER.size], whole[-_TRAILER.size :]
    trailer = _Trailer.read(path, about)
    if trailer.seal != zlib.crc32(data + about[: -_SEAL.size], settings.seal):
        raise damaged(path)
    trailer.require_picture(path, sample)
    return Entry(data, trailer.map_hw, trailer.levels)


def check_entry(root: Path, sample: Sample) -> None:
    """See that there is an entry of a sample, without reading all of it.

    Raises:
        DataError: There is none, it was cut off, or it is of another picture.
    """
    path = entry_path(root, sample)
    try:
        require_file(path)
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TRAILER.size))
            about = file.read()
    except FileNotFoundError:
        raise _missing(path, sample) from None
    except OSError as error:
        raise damaged(path) from error
    _Trailer.read(path, about).require_picture(path, sample)


class _Trailer(NamedTuple):
    picture_bytes: int
    frame_hw: tuple[int, int]
    map_hw: tuple[int, int]
    levels: int
    seal: int

    @classmethod
    def read(cls, path: Path, about: bytes) -> _Trailer:
        if len(about) < _TRAILER.size:
            raise damaged(path)
        mark, size, *frame_hw, height, width, levels, seal = _TRAILER.unpack(about)
        if mark != _MARK or height > frame_hw[0] or width > frame_hw[1] or levels not in LEVELS:
            raise damaged(path)
        return cls(size, (frame_hw[0], frame_hw[1]), (height, width), levels, seal)

    def require_picture(self, path: Path, sample: Sample) -> None:
        """Refuse the entry of another picture."""
        expected = tuple(sample.record.size_hw), _picture_bytes(sample)
        if (self.frame_hw, self.picture_bytes) != expected:
            raise DataError(
                f"{path} was made of a picture of {self.frame_hw[1]} x {self.frame_hw[0]} pixels in"
                f" {self.picture_bytes} bytes, which {sample.image_path} is not",
                fix="run curbside cache with that folder and split: it replaces what is outdated",
            )


def _missing(path: Path, sample: Sample) -> DataError:
    return DataError(
        f"{path} is missing: the teacher was not asked about {sample.image_path}",
        fix="run curbside cache with that folder and split: it adds what is missing",
    )


def _picture_bytes(sample: Sample) -> int:
    try:
        return sample.image_path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{sample.image_path} cannot be read ({error.strerror})", fix="restore the picture"
        ) from error


def damaged(path: Path) -> DataError:
    """The error of an entry that cannot be used."""
    return DataError(
        f"{path} is damaged, or belongs to another cache",
        fix="run the same curbside cache command again: it replaces what is damaged",
    )
