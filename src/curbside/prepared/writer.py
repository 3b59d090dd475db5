"""Writing a prepared folder: every file whole or absent, and unfinished work taken up where it stopped."""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, LabelError
from ..files import as_storage_error, holds_bytes, link_or_copy, read_json, write_bytes, write_json
from ..imaging import image_size_hw, write_ids, write_jpeg, write_png
from ..labels import LabelSpace
from .layout import FORMAT, SPLITS, TARGET_FOLDERS, SampleData, SampleRecord, check_focal_lengths

__all__ = ["PreparedWriter", "write_sample"]

_JOURNAL = ".journal.jsonl"
_PARTIAL = ".partial-"
_OTHER_FOLDER = "choose another folder, or remove that one first"


def write_sample(root: Path, data: SampleData, space: LabelSpace) -> SampleRecord:
    """Write the files of one sample and return its record. Safe to call from several processes.

    Args:
        root: The prepared folder.
        data: The sample.
        space: The label space that its ids must keep to.

    Raises:
        DataError: Sizes differ between the picture and a target, or a focal length is none.
        LabelError: A mask holds an unknown id, or a class that was annotated is none.
        StorageError: The place cannot be written.
    """
    from_file = isinstance(data.image, Path)
    size_hw = image_size_hw(data.image) if isinstance(data.image, Path) else data.image.shape[:2]
    name = str(data.image) if from_file else data.id
    targets = data.targets()
    for target, pixels in targets.items():
        if pixels.shape != tuple(size_hw):
            raise DataError(
                f"{name}: the picture is {size_hw[1]} x {size_hw[0]} pixels, its {target} target is "
                f"{pixels.shape[1]} x {pixels.shape[0]}",
                fix="give a picture and its annotation of one size",
            )
    unknown = sorted({*(data.annotated or ()), *data.by_people} - set(space.names))
    if unknown:
        raise LabelError(
            f"{name}: the annotated class {unknown[0]!r} is not one of {space.name}",
            fix="correct the converter: it names the classes of its label space",
        )
    check_focal_lengths(data.focal_xy_px, name)
    if data.semantic is not None:
        check_ids(data.semantic, space, name)
        targets["semantic"] = data.semantic.astype(np.uint8, copy=False)
    suffix = data.image.suffix.lower() if isinstance(data.image, Path) else ".jpg"
    record = SampleRecord(
        id=data.id,
        split=data.split,
        image=f"{data.split}/images/{data.id}{suffix}",
        size_hw=(int(size_hw[0]), int(size_hw[1])),
        targets=tuple(targets),
        annotated=data.annotated,
        tags=data.tags,
        unknown_labels=data.unknown_labels,
        dropped_labels=data.dropped_labels,
        known_objects=data.known_objects if data.unknown_labels else 0,
        focal_xy_px=data.focal_xy_px,
        pseudo=data.pseudo,
        by_people=data.by_people,
    )
    for target, pixels in targets.items():
        write = write_ids if target in ("semantic", "instances") else write_png
        write(root / record.target_path(target), pixels)
    if isinstance(data.image, Path):
        link_or_copy(data.image, root / record.image)
    else:
        write_jpeg(root / record.image, data.image)
    return record


def check_ids(ids: np.ndarray, space: LabelSpace, name: str) -> None:
    """Refuse a mask with ids outside its label space.

    Raises:
        LabelError: An id is neither a class nor 255; the error names it and its pixel count.
    """
    counts = np.bincount(ids.ravel(), minlength=256)
    unknown = [int(i) for i in np.flatnonzero(counts) if i > 255 or not space.known[i]]
    if unknown:
        raise LabelError(
            f"{name}: {counts[unknown[0]]} pixels hold the id {unknown[0]}, which {space.name} does not have",
            fix=f"its ids are {min(space.ids)}..{max(space.ids)} and 255 for ignore: "
            "choose the right label space or correct the mask",
        )


class PreparedWriter:
    """A prepared folder being made.

    Samples are journalled as they are written; `finish` sorts them into `samples.jsonl` and writes
    `dataset.json` last, so that a folder with `dataset.json` is complete. Opened again after a kill,
    with the same options, it knows what is `done` and ends with the same bytes. A finished folder may
    be opened to add what was missing; it stays valid meanwhile, and untouched where nothing is added.

    Args:
        root: The folder to make.
        space: The label space of the masks.
        source: Where the data come from, in a word ("idd", "camvid", "drawn scenes").
        options: What shaped the result; part of `dataset.json`. A different set of options on an
            unfinished or finished folder is refused.

    Raises:
        ConfigError: The folder holds something else, or the same made with other options.
        DataError: What lists the samples of the folder is damaged.
        StorageError: The place cannot be written.
    """

    def __init__(
        self,
        root: Path,
        *,
        space: LabelSpace,
        source: str,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = Path(root)
        self.space = space
        head = {
            **FORMAT,
            "source": source,
            "options": dict(options or {}),
            "label_space": space.to_dict(),
        }
        self._head = json.loads(json.dumps(head))  # as it will be read back: tuples become lists
        self._changed = False
        self._records: dict[tuple[str, str], SampleRecord] = {}
        self._journal = self.root / _JOURNAL
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._resume()
        except OSError as error:
            raise as_storage_error(error, self.root) or error from error

    def _resume(self) -> None:
        present = [path for path in self.root.iterdir() if not path.name.startswith(_PARTIAL)]
        finished = self.root / "dataset.json" in present
        journalled = self._journal in present
        if present and not finished and not journalled:
            raise ConfigError(
                f"{self.root} is not empty and holds no prepared data",
                fix="choose an empty or new folder",
            )
        lines: list[Any] = []
        if finished:
            self._same(read_json(self.root / "dataset.json", error=ConfigError, fix=_OTHER_FOLDER))
            lines += _read_lines(self.root / "samples.jsonl")
        if journalled:
            head, *rest = _read_lines(self._journal) or [self._head]
            self._same(head)
            lines += rest
        try:
            records = [SampleRecord.from_dict(line) for line in lines]
        except DataError as error:
            raise DataError(f"{self.root}: {error.what}", fix=_OTHER_FOLDER) from error
        for record in records:
            if all(holds_bytes(self.root / file) for file in record.files()):
                self._records[record.split, record.id] = record
            else:
                self._changed = True
        self._remove_partial()
        if journalled or not finished:
            self._write_journal()

    def _write_journal(self) -> None:
        """Make the journal anew, whole, so that a line cut off by a kill never stands in its middle."""
        self._changed = True
        body = b"".join(
            _line(item) for item in [self._head, *(r.to_dict() for r in self._records.values())]
        )
        write_bytes(self._journal, body)

    def _remove_partial(self) -> None:
        folders = (
            self.root / split / name
            for split in SPLITS
            for name in ("images", *TARGET_FOLDERS.values())
        )
        for folder in (self.root, *folders):
            for leftover in folder.glob(f"{_PARTIAL}*"):
                leftover.unlink(missing_ok=True)

    def _same(self, head: Any) -> None:
        """Refuse what was made otherwise."""
        if not isinstance(head, dict):
            raise ConfigError(f"{self.root} holds no prepared data", fix=_OTHER_FOLDER)
        for key, here in self._head.items():
            there = head.get(key)
            if there == here:
                continue
            what = f"data prepared with another {key}"
            if key == "source":
                what = f"data prepared from another source: {there!r}, not {here!r}"
            elif key == "label_space":
                name = there.get("name") if isinstance(there, dict) else there
                what = f"data of another label space: {reprlib.repr(name)}, not {here['name']!r}"
            elif key == "options":
                what = f"data prepared with other options: {_first_difference(there, here)}"
            raise ConfigError(f"{self.root} holds {what}", fix=_OTHER_FOLDER)

    def done(self, split: str, sample_id: str) -> bool:
        """Whether a sample is already there, whole."""
        return (split, sample_id) in self._records

    def add(self, record: SampleRecord) -> None:
        """Note a sample whose files `write_sample` has written.

        Raises:
            DataError: Its id is taken in its split.
        """
        if self.done(record.split, record.id):
            raise DataError(
                f"two samples of {record.split} share the id {record.id!r}",
                fix="give each its own name",
            )
        try:
            if not self._journal.is_file():
                self._write_journal()
            with open(self._journal, "ab") as journal:
                journal.write(_line(record.to_dict()))
        except OSError as error:
            raise as_storage_error(error, self._journal) or error from error
        self._records[record.split, record.id] = record

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> list[SampleRecord]:
        """The samples that are there, in the order of `samples.jsonl`."""
        return sorted(self._records.values(), key=lambda record: record.key)

    def finish(self) -> dict[str, dict[str, int]]:
        """Write `samples.jsonl` and `dataset.json`; the folder is complete after it.

        Returns:
            Per split, the number of samples and of each target.

        Raises:
            DataError: There is not one sample.
        """
        if not self._records:
            raise DataError(
                f"no sample was found for {self.root}",
                fix="check that the source folder has the layout its docs describe",
            )
        counts: dict[str, Counter[str]] = {}
        for record in self.records:
            counts.setdefault(record.split, Counter()).update(["samples", *record.targets])
        plain = {split: dict(sorted(counter.items())) for split, counter in counts.items()}
        if self._changed:
            self._remove_partial()
            lines = b"".join(_line(record.to_dict()) for record in self.records)
            write_bytes(self.root / "samples.jsonl", lines, durable=True)
            write_json(self.root / "dataset.json", {**self._head, "counts": plain}, durable=True)
            self._journal.unlink(missing_ok=True)
            self._changed = False
        return plain

    def abandon(self) -> None:
        """Take back the start of a folder that got no sample: the journal, and the folder if it is empty then."""
        self._journal.unlink(missing_ok=True)
        if not any(self.root.iterdir()):
            self.root.rmdir()


def _first_difference(there: Any, here: Mapping[str, Any]) -> str:
    """Which option has other values, and the two."""
    noted = there if isinstance(there, dict) else {}
    for name in {**here, **noted}:
        values = [
            reprlib.repr(options[name]) if name in options else "not given"
            for options in (noted, here)
        ]
        if noted.get(name) != here.get(name) or len({name in noted, name in here}) > 1:
            return f"{name} is {values[0]} there, {values[1]} here"
    return "none are noted"


def _read_lines(path: Path) -> list[Any]:
    """The JSON values of a file's lines; a last line cut off by a kill, and a missing file, count as nothing."""
    try:
        text = path.read_bytes() if path.is_file() else b""
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({error})", fix=_OTHER_FOLDER) from error


def _line(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode(
        "utf-8", "surrogatepass"
    )  # file names need not be UTF-8; json.loads takes them back
