"""CVAT 1.1 "for images" XML: read image by image, with suspicion.

::

    <annotations>
      <meta> ... <labels><label><name>car</name> ... </meta>
      <image id name subset width height>
        <polygon label points="x,y;x,y;..." z_order occluded> <attribute name>value</attribute>
        <box label xtl ytl xbr ybr rotation ...>
        <mask label rle="3, 5, 7" left top width height ...>

`scan_cvat` walks a file once and notes where each `<image>` stands; `read_cvat_image` parses that
part alone, so that neither time nor memory grows with the rest of the file. Document types and
entities are refused. `<size>` in `<meta>` and the ids of the images mean nothing and are not read.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DataError
from ..files import require_file
from .cvat_shapes import CvatShape, ShapeReader

__all__ = ["CvatFile", "CvatImage", "CvatPlace", "read_cvat_image", "scan_cvat"]

MAX_BYTES = 256 * 2**20
"""Larger files are refused unread; real ones have a few megabytes."""
MAX_IMAGES = 100_000
"""More in one file are refused."""
MAX_DEPTH = 64
"""Elements inside each other beyond are refused."""
MAX_TAG_BYTES = 4 * 2**20
"""A longer tag or comment is refused: until it ends, the parser begins anew with every chunk."""
MAX_IMAGE_BYTES = 32 * 2**20
"""An image with more text is refused."""
MAX_WORDS = 10_000
"""More different tags, attributes and labels in one file are refused."""
_CHUNK = 2**20
_FIX = "export the annotations again as CVAT for images 1.1, or remove the file"


@dataclass(frozen=True, kw_only=True)
class CvatImage:
    """One annotated image."""

    name: str
    """Its name as the file spells it: not to be trusted as a path."""
    size_hw: tuple[int, int]
    """Height and width in pixels."""
    shapes: tuple[CvatShape, ...]
    """In the order of the file."""


@dataclass(frozen=True, kw_only=True)
class CvatPlace:
    """Where an image stands in its file."""

    name: str
    """Its name as the file spells it: not to be trusted as a path."""
    subset: str = ""
    """The subset of a project that it belongs to, as the file spells it."""
    start: int
    """Offset of its element, in bytes."""
    stop: int
    """Where the next one begins, or the file ends."""


@dataclass(frozen=True, kw_only=True)
class CvatFile:
    """What a file holds, without its shapes."""

    labels: tuple[str, ...]
    """The labels that annotators could choose from, of `<meta>`; empty where it does not say."""
    used: tuple[str, ...]
    """The labels that shapes have, sorted."""
    kinds: tuple[str, ...]
    """The kinds of its shapes, sorted."""
    images: tuple[CvatPlace, ...]
    """Its images, in the order of the file."""


def scan_cvat(path: Path) -> CvatFile | None:
    """Walk a file and note its images; None where it is well-formed so far but no CVAT file.

    Raises:
        DataError: The file is missing, too large, no XML, or holds a document type or no image.
    """
    scan = _Scan(path)
    parser = _parser(scan)
    scan.position = lambda: int(parser.parser.CurrentByteIndex)
    try:
        require_file(path)
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} allowed", fix=_FIX
            )
        with open(path, "rb") as file:
            _feed(parser, path, _chunks(file, scan))
    except _Finished:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=_FIX) from error
    starts = [start for *_, start in scan.images]
    if not starts:
        raise DataError(f"{path} holds no image, as CVAT for video does not", fix=_FIX)
    return CvatFile(
        labels=tuple(dict.fromkeys(scan.labels)),
        used=tuple(sorted(scan.used)),
        kinds=tuple(sorted(scan.kinds)),
        images=tuple(
            CvatPlace(name=name, subset=subset, start=start, stop=stop)
            for (name, subset, start), stop in zip(scan.images, [*starts[1:], size], strict=True)
        ),
    )


def read_cvat_image(path: Path, place: CvatPlace) -> CvatImage:
    """Read one image of a file.

    Raises:
        DataError: The file has changed since it was scanned, or says something impossible.
    """
    size = place.stop - place.start
    if size > MAX_IMAGE_BYTES:
        raise DataError(
            f"{path} has {size:,} bytes on the image {reprlib.repr(place.name)}, more than the "
            f"{MAX_IMAGE_BYTES:,} allowed",
            fix=_FIX,
        )
    try:
        with open(path, "rb") as file:
            file.seek(place.start)
            data = file.read(size)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=_FIX) from error
    reading = _Reading(f"{path}, image {reprlib.repr(place.name)}")
    with suppress(_Finished):
        _feed(_parser(reading), path, [data])
    if reading.image is None or reading.image.name != place.name:
        raise DataError(f"{path} has changed since it was opened", fix="run the same command again")
    return reading.image


def _chunks(file: BinaryIO, scan: _Scan) -> Iterator[bytes]:
    while data := file.read(_CHUNK):
        yield data
        if file.tell() - scan.position() > MAX_TAG_BYTES:
            raise DataError(f"{scan.path} has a tag of more than {MAX_TAG_BYTES:,} bytes", fix=_FIX)


class _Finished(Exception):
    """Nothing more is wanted of the file."""


def _parser(target: Any) -> Any:
    from defusedxml.ElementTree import XMLParser

    return XMLParser(target=target, forbid_dtd=True)


def _feed(parser: Any, path: Path, chunks: Iterable[bytes]) -> None:
    """Parse to the end, or until the target raises `_Finished`."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError

    try:
        for chunk in chunks:
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException as error:
        raise DataError(
            f"{path} holds a document type or entities, which annotations have no need of", fix=_FIX
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path} is not valid XML ({error})", fix=_FIX) from error


class _Scan:
    """Notes the labels, the names of the images and where they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = lambda: 0
        self.labels: list[str] = []
        self.used: set[str] = set()
        self.kinds: set[str] = set()
        self.images: list[tuple[str, str, int]] = []
        self._words: set[str] = set()
        self._open: list[str] = []
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag != "annotations":
            raise _Finished
        self._words.update((tag, *attributes))
        if len(self._words) + len(self.used) + len(self.labels) > MAX_WORDS:
            what = f"more than {MAX_WORDS:,} different tags, attributes and labels"
            raise DataError(f"{self.path} holds {what}", fix=_FIX)
        depth = len(self._open)
        if depth == 1 and tag == "image":
            if len(self.images) == MAX_IMAGES:
                raise DataError(f"{self.path} holds more than {MAX_IMAGES:,} images", fix=_FIX)
            name, subset = attributes.get("name", ""), attributes.get("subset", "")
            self.images.append((name, subset, self.position()))
        elif depth == 2 and self._open[1] == "image":
            self.kinds.add(tag)
            self.used.add(attributes.get("label", ""))
        elif depth == MAX_DEPTH:
            raise DataError(f"{self.path} nests elements more than {MAX_DEPTH} deep", fix=_FIX)
        self._open.append(tag)
        self._text.clear()

    def data(self, text: str) -> None:
        if self._open[-1] == "name":
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._open[1:2] == ["meta"] and self._open[-3:] == ["labels", "label", "name"]:
            self.labels.append("".join(self._text).strip())
        self._open.pop()

    def close(self) -> None:
        pass


class _Reading:
    """Reads one `<image>` element and then raises `_Finished`."""

    def __init__(self, where: str) -> None:
        self.image: CvatImage | None = None
        self._where = where
        self._name = ""
        self._reader: ShapeReader | None = None
        self._shapes: list[CvatShape] = []
        self._shape: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._attribute = ""
        self._text: list[str] = []
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == 0:
            self._name = attributes.get("name", "")
            self._reader = ShapeReader(self._where, attributes)
        elif self._depth == 1:
            self._shape, self._said = attributes, {}
        elif self._depth == 2 and tag == "attribute":
            self._attribute = attributes.get("name", "")
        self._depth += 1
        self._text.clear()

    def data(self, text: str) -> None:
        if self._depth == 3:
            self._text.append(text)

    def end(self, tag: str) -> None:
        self._depth -= 1
        assert self._reader is not None
        if self._depth == 0:
            size_hw = self._reader.size_hw
            self.image = CvatImage(name=self._name, size_hw=size_hw, shapes=tuple(self._shapes))
            raise _Finished
        if self._depth == 2 and tag == "attribute":
            self._said[self._attribute] = "".join(self._text).strip()
        elif self._depth == 1:
            self._shapes.append(self._reader.read(tag, self._shape, self._said))

    def close(self) -> None:
        pass
