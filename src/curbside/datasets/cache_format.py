"""How a cache of a teacher's outputs lies on disk.

::

    cache.json                          the teacher, what the cache was made with, and of which folders
    logits/FOLDER/SPLIT/ID.webp         what the teacher said of one picture; see `cache_entries`
"""

from __future__ import annotations

import json
import reprlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, DataError, LabelError
from ..files import read_json, write_json
from ..labels import LabelSpace
from .logit_codes import plane_count

__all__ = [
    "ABOUT",
    "CacheAbout",
    "CacheSettings",
    "CachedFolder",
    "read_about",
    "write_about",
]

ABOUT = "cache.json"
_FORMAT = {"format": "curbside-teacher-cache", "version": 1}
_MAKE = "remove what is there, and make it with: curbside cache RUN DATA"


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """What shaped a cache, and so all of its entries."""

    space: LabelSpace
    """The label space of the teacher."""
    teacher: Mapping[str, Any]
    """Recipe, model, step and SHA-256 of the weights."""
    input_hw: tuple[int, int]
    """Height and width that the teacher saw every picture at."""
    stride: int
    """Pixels per value, each way, of the picture as the teacher saw it, or of the picture as it is where
    that is smaller; a map is never finer than what the teacher computed."""
    top_k: int | None = None
    """Number of classes per pixel that are kept apart; all where not given."""
    flip: bool = False
    """Whether it is the mean of what the teacher said of a picture and of its mirror image."""

    def __post_init__(self) -> None:
        classes = len(self.space.classes)
        if self.stride < 1:
            raise ConfigError(f"a stride of {self.stride} is impossible", fix="choose 4 or 8")
        if self.top_k is not None and not 0 < self.top_k < classes:
            raise ConfigError(
                f"the top {self.top_k} of {classes} classes cannot be kept apart",
                fix=f"choose 1 to {classes - 1}, or leave --top-k out to keep all",
            )

    @property
    def planes(self) -> int:
        """Number of maps in an entry."""
        return plane_count(len(self.space.classes), self.top_k)

    @property
    def seal(self) -> int:
        """A checksum of the settings, from which those of the entries go on."""
        return zlib.crc32(json.dumps(self.to_dict(), sort_keys=True).encode())

    def map_hw(self, native_hw: Sequence[int], frame_hw: Sequence[int]) -> tuple[int, int]:
        """Height and width of a picture's map.

        Args:
            native_hw: Height and width of the teacher's logits.
            frame_hw: Height and width of the picture.
        """
        height, width = (
            min(native, -(-min(seen, frame) // self.stride))
            for native, seen, frame in zip(native_hw, self.input_hw, frame_hw, strict=True)
        )
        return height, width

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            **_FORMAT,
            "label_space": self.space.to_dict(),
            "teacher": dict(self.teacher),
            "input_hw": list(self.input_hw),
            "stride": self.stride,
            "top_k": self.top_k,
            "flip": self.flip,
        }


@dataclass(frozen=True, kw_only=True)
class CachedFolder:
    """A folder with pictures, of which a cache holds a split."""

    name: str
    """Its own name, by which its entries are found."""
    root: str
    """Where it was."""
    split: str
    """The split."""
    pictures: int = 0
    """Number of entries."""
    bytes: int = 0
    """Their size."""
    picture_bytes: int = 0
    """The size of their pictures."""
    precision: str = ""
    """What the teacher computed in."""


class CacheAbout(NamedTuple):
    """What `cache.json` says."""

    settings: CacheSettings
    """What shaped the cache."""
    folders: tuple[CachedFolder, ...]
    """What it holds."""
    complete: bool
    """Whether everything that was asked for is there."""


def write_about(root: Path, about: CacheAbout) -> None:
    """Write `cache.json`."""
    folders = [asdict(folder) for folder in about.folders]
    data = {**about.settings.to_dict(), "data": folders, "complete": about.complete}
    write_json(root / ABOUT, data, durable=True)


def read_about(root: Path) -> CacheAbout:
    """Read `cache.json`.

    Raises:
        DataError: There is none, or it is damaged or of another version.
    """
    path = root / ABOUT
    about = read_json(path, fix=_MAKE)
    if not isinstance(about, dict) or about.get("format") != _FORMAT["format"]:
        raise DataError(f"{path} does not describe a teacher's cache", fix=_MAKE)
    if about.get("version") != _FORMAT["version"]:
        raise DataError(
            f"{path} has format version {reprlib.repr(about.get('version'))}, not {_FORMAT['version']}",
            fix="update curbside: pip install -U curbside; or make the cache again",
        )
    try:
        settings = CacheSettings(
            space=LabelSpace.from_dict(about["label_space"]),
            teacher=dict(about["teacher"]),
            input_hw=(int(about["input_hw"][0]), int(about["input_hw"][1])),
            stride=int(about["stride"]),
            top_k=None if about["top_k"] is None else int(about["top_k"]),
            flip=bool(about["flip"]),
        )
        folders = tuple(CachedFolder(**folder) for folder in about["data"])
        return CacheAbout(settings, folders, about["complete"] is True)
    except (LookupError, TypeError, ValueError, OverflowError, LabelError, ConfigError) as error:
        reason = reprlib.repr(" ".join(str(error).split()))
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {reason})", fix=_MAKE
        ) from error
