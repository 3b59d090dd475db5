"""IDD's masks under the file names of the official tools, so that existing tools find them.

::

    <out>/gtFine/<split>/<drive>/<frame>_gtFine_label<encoding>s.png      8-bit class ids
    <out>/gtFine/<split>/<drive>/<frame>_gtFine_instance<encoding>s.png   16-bit, class * 1000 + index
    <out>/gtFine/<split>/<drive>/<frame>_gtFine_labelColors.png           RGBA, opaque
    <out>/gtFine/<split>_panoptic/<drive>_<frame>_gtFine_panoptic<encoding>s.png
    <out>/gtFine/<split>_panoptic.json                                    level3Id, the official one
    <out>/gtFine/<split>_panoptic_<encoding>.json                         other encodings
    <out>/curbside-official.json                                          what the background is

Encodings are spelled officially: `labellevel3Ids`. Pixels are those of the official tools, except
that a csId of 355 is 255, objects are counted per encoded class, ignored objects are plain 255 in
instance maps, unknown labels are skipped instead of ending the run, and panoptic maps keep the size
of the frame, which the official ones lose.

Panoptic PNGs (see `panoptic.py`) carry their segments in a text chunk. The JSON files are gathered
from them, so that a kill at any moment loses nothing.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import ConfigError, DataError
from ..files import holds_bytes, read_json, write_bytes, write_json
from ..labels import IDD_ENCODINGS, idd_labels, space_of_encoding
from ..prepared import SPLITS
from .panoptic import categories, panoptic_png, segment_ids, segments
from .polygon_frame import Background, PolygonFrame, PolygonLabels
from .source import files_by_stem, subfolders, unique

__all__ = [
    "OUTPUTS",
    "TRUTH",
    "AnnotatedFrame",
    "OfficialTree",
    "Output",
    "annotated_frames",
    "encodings_of",
    "polygon_labels",
]

Output = Literal["semantic", "instance", "color", "panoptic"]
OUTPUTS: tuple[Output, ...] = get_args(Output)

TRUTH, _TRUTH_ENDING = "gtFine", "_gtFine_polygons"
_NOTE = "curbside-official.json"
_OFFICIAL_PANOPTIC = "level3Id"
_KEYWORD = b"curbside segments\0"
_HEAD_BYTES = 33  # of a PNG: its signature and IHDR; text may stand after it
_OTHER_FOLDER = "choose another folder, or remove these files first"


@dataclass(frozen=True, kw_only=True)
class AnnotatedFrame:
    """A frame that has a polygon file."""

    split: str
    """`train`, `val` or `test`."""
    drive: str
    """Name of its drive folder."""
    frame: str
    """Its name within the drive."""
    name: str
    """`<drive>_<frame>`, with a number behind it where another frame of the split is called so."""
    polygons: Path
    """Its polygon file."""


def annotated_frames(root: Path) -> list[AnnotatedFrame]:
    """The frames of an IDD folder that have a polygon file, by split, drive and name."""
    frames = []
    for split in SPLITS:
        taken: set[str] = set()
        for drive in subfolders(root / TRUTH / split):
            files = files_by_stem(drive, ending=_TRUTH_ENDING, suffixes=(".json",))
            for frame, paths in sorted(files.items()):
                name = unique(f"{drive.name}_{frame}", taken)
                item = AnnotatedFrame(
                    split=split, drive=drive.name, frame=frame, name=name, polygons=paths[0]
                )
                frames.append(item)
    return frames


def encodings_of(names: Iterable[str]) -> tuple[str, ...]:
    """The official names of encodings, each once; "all" is every one.

    Raises:
        LabelError: There is no such encoding.
    """
    found: dict[str, None] = {}
    for name in names:
        wanted = IDD_ENCODINGS if name.lower() == "all" else (space_of_encoding(name)[0],)
        found |= dict.fromkeys(wanted)
    return tuple(found)


def polygon_labels(background: Background) -> PolygonLabels:
    """What IDD's labels become, with this background."""
    return PolygonLabels(labels=idd_labels(), spaces=IDD_ENCODINGS, background=background)


@dataclass(frozen=True, kw_only=True)
class OfficialTree:
    """A folder of official names being made; every file appears whole or not at all."""

    root: Path
    """The folder to make."""
    encodings: tuple[str, ...]
    """Encodings by their official names."""
    outputs: tuple[Output, ...]
    """What to make of each frame."""
    background: Background
    """What pixels are that no polygon covers."""

    def files(self, frame: AnnotatedFrame) -> dict[tuple[Output, str], Path]:
        """The files of a frame, by output and encoding; colours have no encoding."""
        folder = self.root / TRUTH / frame.split / frame.drive
        panoptic = self.root / TRUTH / f"{frame.split}_panoptic"
        found: dict[tuple[Output, str], Path] = {}
        for encoding in self.encodings:
            ending = f"{encoding}s.png"
            found["semantic", encoding] = folder / f"{frame.frame}_gtFine_label{ending}"
            found["instance", encoding] = folder / f"{frame.frame}_gtFine_instance{ending}"
            found["panoptic", encoding] = panoptic / f"{frame.name}_gtFine_panoptic{ending}"
        found["color", ""] = folder / f"{frame.frame}_gtFine_labelColors.png"
        return {key: path for key, path in found.items() if key[0] in self.outputs}

    def check(self, frames: Iterable[AnnotatedFrame]) -> None:
        """Refuse a folder that holds such files of other making.

        Raises:
            ConfigError: Files of these names are there, but not from here, or of another background.
        """
        note = self.root / _NOTE
        if note.is_file():
            if read_json(note, error=ConfigError, fix=_OTHER_FOLDER) != self._note:
                raise ConfigError(
                    f"{self.root} was made with another background", fix=_OTHER_FOLDER
                )
            return
        for frame in frames:
            for path in self.files(frame).values():
                if path.exists():
                    raise ConfigError(f"{path} is there, but was not made here", fix=_OTHER_FOLDER)

    @property
    def _note(self) -> dict[str, Any]:
        return {"format": "curbside-official", "version": 1, "background": self.background}

    def complete(self, frame: AnnotatedFrame) -> bool:
        """Whether every file of a frame is there."""
        return all(map(holds_bytes, self.files(frame).values()))

    def write(self, frame: AnnotatedFrame, drawn: PolygonFrame) -> None:
        """Write the files of a frame that are missing. Safe to call from several processes.

        Raises:
            StorageError: The place cannot be written.
        """
        if not (self.root / _NOTE).is_file():
            write_json(self.root / _NOTE, self._note)
        for (output, encoding), path in self.files(frame).items():
            if not holds_bytes(path):
                write_bytes(path, _png(output, encoding, drawn))

    def finish(self, frames: Iterable[AnnotatedFrame]) -> None:
        """Gather the panoptic JSON of every split and encoding; what is right already stays untouched.

        Raises:
            DataError: A panoptic PNG is damaged.
            StorageError: The place cannot be written.
        """
        gathered: dict[tuple[str, str], list[Path]] = {}
        for frame in frames:
            for (output, encoding), path in self.files(frame).items():
                if output == "panoptic" and holds_bytes(path):
                    gathered.setdefault((frame.split, encoding), []).append(path)
        for (split, encoding), paths in gathered.items():
            ending = "" if encoding == _OFFICIAL_PANOPTIC else f"_{encoding}"
            path = self.root / TRUTH / f"{split}_panoptic{ending}.json"
            data = _panoptic_json(sorted(paths, key=lambda path: path.name), encoding)
            if not path.is_file() or path.read_bytes() != data:
                write_bytes(path, data)
        for place in ("", f"{TRUTH}/", f"{TRUTH}/*/", f"{TRUTH}/*/*/"):
            for leftover in self.root.glob(f"{place}.partial-*"):  # of a run that was killed
                leftover.unlink(missing_ok=True)


def _png(output: Output, encoding: str, drawn: PolygonFrame) -> bytes:
    if output == "semantic":
        return drawn.areas.regions.png(drawn.areas.classes(encoding))
    if output == "color":
        return drawn.areas.regions.png(drawn.areas.colors())
    regions = drawn.lines.regions
    if output == "instance":
        return regions.png(drawn.lines.instances(encoding))
    ids = segment_ids(drawn.lines.classes(encoding), drawn.lines.indices(encoding))
    found = segments(regions, ids, space_of_encoding(encoding)[1])
    text = _KEYWORD + json.dumps(found).encode("ascii")
    check = zlib.crc32(b"tEXt" + text)
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", check)
    png = panoptic_png(regions, ids)
    return png[:_HEAD_BYTES] + chunk + png[_HEAD_BYTES:]


def _panoptic_json(paths: Sequence[Path], encoding: str) -> bytes:
    images, annotations = [], []
    for path in paths:
        (width, height), found = _read_segments(path)
        images.append({"id": path.name, "width": width, "height": height, "file_name": path.name})
        annotations.append({"image_id": path.name, "file_name": path.name, "segments_info": found})
    space = space_of_encoding(encoding)[1]
    data = {"images": images, "annotations": annotations, "categories": categories(space)}
    return json.dumps(data).encode("ascii") + b"\n"


def _read_segments(path: Path) -> tuple[tuple[int, int], Any]:
    """Width and height of a panoptic PNG, and the segments in its text chunk."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES + 8)
            size = struct.unpack_from(">II", head, 16)
            length, kind = struct.unpack_from(">I4s", head, _HEAD_BYTES)
            text = file.read(length)
        if kind != b"tEXt" or not text.startswith(_KEYWORD):
            raise ValueError("its segments are missing")
        return (size[0], size[1]), json.loads(text.removeprefix(_KEYWORD))
    except (OSError, ValueError, RecursionError, struct.error) as error:
        raise DataError(
            f"{path} is no panoptic PNG made here ({error})",
            fix="remove it and run the same command again",
        ) from error
