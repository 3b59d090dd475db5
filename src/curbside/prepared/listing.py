"""What a folder says it holds: `dataset.json` and `samples.jsonl`, or the files of a bare tree."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import DataError, LabelError
from ..files import read_json, require_file
from ..labels import LabelSpace
from .layout import FORMAT, PSEUDO_LABELS, SPLITS, SampleRecord

__all__ = ["IMAGE_SUFFIXES", "BareSample", "Listing", "list_folder", "require_folder"]

_CONVERT = "make it with: curbside convert SOURCE ROOT OUT"
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True, kw_only=True)
class BareSample:
    """The files of one name in a bare tree of `<split>/images` and `<split>/masks`."""

    split: str
    """`train`, `val` or `test`."""
    id: str
    """The stem of the files."""
    image: str | None
    """The picture, relative to the root; None where there is only a mask."""
    mask: str | None
    """The mask, relative to the root; None where there is only a picture."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder says it holds; none of the files has been opened."""

    info: Mapping[str, Any]
    """`dataset.json`; for a bare tree, its source in a word."""
    space: LabelSpace
    """What the ids of the masks mean."""
    samples: Sequence[SampleRecord | BareSample]
    """In order of split and id: records of a prepared folder, or what a bare tree holds."""


def list_folder(root: Path, space: LabelSpace | None = None) -> Listing:
    """List a prepared folder, or a bare tree.

    Args:
        root: The folder.
        space: The label space of a bare tree.

    Raises:
        DataError: There is no such folder, it is unfinished or empty, or its two files are not
            readable.
        LabelError: Its label space is none.
    """
    require_folder(root)
    if (root / "dataset.json").is_file():
        info = _read_info(root)
        space = _own_space(root, info)
        made = info.get("source") == PSEUDO_LABELS and not _keeps_targets(info)
        records = _read_records(root, made_by_networks=made)
        return Listing(info=info, space=space, samples=records)
    if space is not None:
        found = _bare_samples(root)
        if not found:
            raise DataError(f"{root} has no <split>/images with <split>/masks", fix=_CONVERT)
        return Listing(info={"source": "bare tree", "options": {}}, space=space, samples=found)
    raise DataError(
        f"{root} has no dataset.json",
        fix=f"{_CONVERT}, or name the label space of a bare images/ + masks/ tree with --space",
    )


def require_folder(root: Path, *, fix: str = _CONVERT) -> None:
    """Refuse what is no folder, or one that is still being prepared.

    Args:
        root: The folder.
        fix: What to do where there is none.

    Raises:
        DataError: It is one of these.
    """
    if not root.is_dir():
        raise DataError(f"the folder {root} does not exist", fix=fix)
    if (root / ".journal.jsonl").is_file() and not (root / "dataset.json").is_file():
        raise DataError(
            f"{root} is only half prepared",
            fix="run the same convert command again: it goes on where it stopped",
        )


def _bare_samples(root: Path) -> list[BareSample]:
    found = []
    for split in SPLITS:
        images = {
            path.stem: path
            for path in sorted((root / split / "images").glob("*"))
            if path.suffix.lower() in IMAGE_SUFFIXES
        }
        masks = {path.stem: path for path in sorted((root / split / "masks").glob("*.png"))}
        for stem in sorted(images.keys() | masks.keys()):
            image, mask = (
                f"{split}/{name}/{files[stem].name}" if stem in files else None
                for name, files in (("images", images), ("masks", masks))
            )
            found.append(BareSample(split=split, id=stem, image=image, mask=mask))
    return found


def _read_info(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    info = read_json(path, fix=_CONVERT)
    if (
        not isinstance(info, dict)
        or info.get("format") != FORMAT["format"]
        or "label_space" not in info
    ):
        raise DataError(f"{path} does not describe a prepared folder", fix=_CONVERT)
    version = info.get("version")
    if not isinstance(version, int) or version > FORMAT["version"]:  # type: ignore[operator]
        raise DataError(
            f"{path} has format version {reprlib.repr(version)}",
            fix="update curbside: pip install -U curbside",
        )
    return info


def _own_space(root: Path, info: Mapping[str, Any]) -> LabelSpace:
    try:
        return LabelSpace.from_dict(info["label_space"])
    except LabelError as error:
        raise LabelError(f"{root / 'dataset.json'}: {error.what}", fix=_CONVERT) from error


def _keeps_targets(info: Mapping[str, Any]) -> bool:
    """Whether labels that a picture had were kept beside those of networks."""
    options = info.get("options")
    return isinstance(options, dict) and bool(options.get("keep_targets"))


def _read_records(root: Path, *, made_by_networks: bool) -> list[SampleRecord]:
    """The records of a folder. Where networks made it, and it is older than the note of that in its
    records, all targets are theirs."""
    path = root / "samples.jsonl"
    try:
        require_file(path)
        lines = path.read_bytes().splitlines()
        records = [SampleRecord.from_dict(json.loads(line)) for line in lines if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", fix=_CONVERT) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=_CONVERT) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON lines ({error})", fix=_CONVERT) from error
    except DataError as error:
        raise DataError(f"{path}: {error.what}", fix=error.fix) from error
    if made_by_networks:
        records = [
            record if record.pseudo else replace(record, pseudo=record.targets)
            for record in records
        ]
    records.sort(key=lambda record: record.key)
    for record, following in pairwise(records):
        if record.key == following.key:
            raise DataError(
                f"{root} lists the sample {record.id!r} twice in {record.split}", fix=_CONVERT
            )
    return records
