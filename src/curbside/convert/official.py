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
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import ConfigError, DataError, LabelError
from ..files import read_json, write_bytes, write_json
from ..labels import IDD_ENCODINGS, idd_labels, space_of_encoding
from ..prepared import SPLITS
from ..processes import in_processes
from .engine import Problem, sum_counts
from .panoptic import categories, panoptic_png, segment_ids, segments
from .polygon_frame import Background, PolygonFrame, PolygonLabels
from .source import files_by_stem, subfolders, unique

__all__ = [
    "OUTPUTS",
    "AnnotatedFrame",
    "OfficialTree",
    "Output",
    "PipelineResult",
    "annotated_frames",
    "encodings_of",
    "polygon_labels",
    "run_pipeline",
]

Output = Literal["semantic", "instance", "color", "panoptic"]
OUTPUTS: tuple[Output, ...] = get_args(Output)

_TRUTH, _TRUTH_ENDING = "gtFine", "_gtFine_polygons"
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
        for drive in subfolders(root / _TRUTH / split):
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
        folder = self.root / _TRUTH / frame.split / frame.drive
        panoptic = self.root / _TRUTH / f"{frame.split}_panoptic"
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
        return all(map(_holds_bytes, self.files(frame).values()))

    def write(self, frame: AnnotatedFrame, drawn: PolygonFrame) -> None:
        """Write the files of a frame that are missing. Safe to call from several processes.

        Raises:
            StorageError: The place cannot be written.
        """
        if not (self.root / _NOTE).is_file():
            write_json(self.root / _NOTE, self._note)
        for (output, encoding), path in self.files(frame).items():
            if not _holds_bytes(path):
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
                if output == "panoptic" and _holds_bytes(path):
                    gathered.setdefault((frame.split, encoding), []).append(path)
        for (split, encoding), paths in gathered.items():
            ending = "" if encoding == _OFFICIAL_PANOPTIC else f"_{encoding}"
            path = self.root / _TRUTH / f"{split}_panoptic{ending}.json"
            data = _panoptic_json(sorted(paths, key=lambda path: path.name), encoding)
            if not path.is_file() or path.read_bytes() != data:
                write_bytes(path, data)
        for place in ("", f"{_TRUTH}/", f"{_TRUTH}/*/", f"{_TRUTH}/*/*/"):
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
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"{path} is no panoptic PNG made here ({error})",
            fix="remove it and run the same command again",
        ) from error


def _holds_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """What `run_pipeline` did."""

    out: Path
    """The folder with the official names."""
    frames: Mapping[str, int]
    """Per split, the frames of which everything asked is there."""
    drawn: int
    """Frames drawn by this run; the others were there already."""
    problems: tuple[Problem, ...]
    """Frames left out, in order of split and name."""
    unknown_labels: Mapping[str, int]
    """Labels that no table knows, and how many objects of the frames drawn were skipped for them."""
    seconds: float
    """Wall time of this run."""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {**asdict(self), "out": str(self.out), "seconds": round(self.seconds, 3)}


def run_pipeline(
    datadir: Path | str,
    out_basedir: Path | str,
    encoding: str,
    do_semantic: bool = True,
    do_instance: bool = True,
    do_color: bool = True,
    do_panoptic: bool = True,
    *,
    background: Background = "ignore",
    workers: int | None = None,
) -> PipelineResult:
    """Make the official tools' files of an IDD folder, from its annotations alone.

    Run again it does only what is missing; another call may add other encodings and outputs.

    Args:
        datadir: The folder that holds `gtFine/<split>/<drive>`.
        out_basedir: The folder to make; may be `datadir`.
        encoding: `level3Id` or `level3`, case does not matter; "all" for every encoding.
        do_semantic: Make `*_label<encoding>s.png`.
        do_instance: Make `*_instance<encoding>s.png`.
        do_color: Make `*_labelColors.png`.
        do_panoptic: Make `<split>_panoptic/` and its JSON.
        background: Pixels that no polygon covers: "ignore" is 255, "unlabeled" the official value.
        workers: Processes; as many as there are cores where not given. More than one needs the
            usual `if __name__ == "__main__":` around the caller's own script.

    Raises:
        DataError: There are no annotations, or none that can be drawn.
        LabelError: There is no such encoding.
        ConfigError: Nothing was asked, or files of other making are in the way.
        StorageError: The place cannot be written.
    """
    start = time.perf_counter()
    asked = zip(OUTPUTS, (do_semantic, do_instance, do_color, do_panoptic), strict=True)
    tree = OfficialTree(
        root=Path(out_basedir),
        encodings=encodings_of([encoding]),
        outputs=tuple(output for output, wanted in asked if wanted),
        background=background,
    )
    if not tree.outputs:
        raise ConfigError("no output was asked", fix="leave one of the do_... flags true")
    if background not in get_args(Background):
        raise ConfigError(f"background is {background!r}", fix="give 'ignore' or 'unlabeled'")
    frames = annotated_frames(Path(datadir))
    if not frames:
        raise DataError(
            f"{Path(datadir) / _TRUTH} holds no polygon files",
            fix=f"give the folder that holds {_TRUTH}/<split>/<drive>",
        )
    tree.check(frames)
    todo = [frame for frame in frames if not tree.complete(frame)]
    problems, unknown = [], []
    work = partial(_draw, tree=tree)
    with closing(in_processes(work, todo, workers, "drawing", unit="frames")) as results:
        for result in results:
            if isinstance(result, Problem):
                problems.append(result)
            else:
                unknown.append(result)
    if len(problems) == len(frames):
        raise DataError(
            f"not one of the {len(frames)} frames of {datadir} can be drawn, "
            f"the first because: {problems[0].message}",
            fix="repair the data, then run it again",
        )
    tree.finish(frames)
    bad = {(problem.split, problem.id) for problem in problems}
    return PipelineResult(
        out=tree.root,
        frames=dict(Counter(item.split for item in frames if (item.split, item.name) not in bad)),
        drawn=len(unknown),
        problems=tuple(problems),
        unknown_labels=sum_counts(unknown),
        seconds=time.perf_counter() - start,
    )


def _draw(frame: AnnotatedFrame, *, tree: OfficialTree) -> Mapping[str, int] | Problem:
    """Draw one frame; its unknown labels."""
    try:
        drawn = PolygonFrame.read(frame.polygons, polygon_labels(tree.background))
        tree.write(frame, drawn)
        return drawn.unknown_labels
    except (DataError, LabelError) as error:
        return Problem(id=frame.name, split=frame.split, message=str(error))
