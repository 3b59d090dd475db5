"""Reading a prepared folder, and bare `images/` + `masks/` trees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import inside, read_json
from ..imaging import image_size_hw, read_depth, read_ids, read_rgb
from ..labels import LabelSpace
from .layout import FORMAT, SPLITS, SampleRecord
from .writer import check_ids

__all__ = ["PreparedFolder", "Sample", "evenly_spaced"]

_CONVERT = "make it with: curbside convert SOURCE ROOT OUT"
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample of a prepared folder; its pixels are read when asked for."""

    root: Path
    """The prepared folder."""
    record: SampleRecord
    """Its line of `samples.jsonl`."""
    space: LabelSpace
    """What the ids of its mask mean."""

    @property
    def id(self) -> str:
        """Its name, unique within its split."""
        return self.record.id

    @property
    def image_path(self) -> Path:
        """The picture's file."""
        return inside(self.root, self.record.image)

    def read_rgb(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB.

        Raises:
            DataError: The file is missing, damaged, or not of the size that was recorded.
        """
        return self._sized(read_rgb(self.image_path), self.image_path)

    def read_bgr(self) -> np.ndarray:
        """The picture as a camera's frame, (H, W, 3) uint8 BGR; raises what `read_rgb` raises."""
        return np.ascontiguousarray(self.read_rgb()[..., ::-1])

    def read_semantic(self) -> np.ndarray:
        """The mask, (H, W) uint8 class ids, 255 = ignore.

        Raises:
            DataError: The file is missing, damaged or of another size than the picture.
            LabelError: It holds an id outside the label space.
        """
        path = self.target_path("semantic")
        ids = self._sized(read_ids(path), path)
        check_ids(ids, self.space, str(path))
        return ids.astype(np.uint8, copy=False)

    def read_instances(self) -> np.ndarray:
        """The instance map, (H, W) uint16, class * 1000 + index.

        Raises:
            DataError: The file is missing, damaged or of another size than the picture.
        """
        path = self.target_path("instances")
        return self._sized(read_ids(path), path).astype(np.uint16, copy=False)

    def read_depth_m(self) -> np.ndarray:
        """The depth, (H, W) float32 metres, 0 = unknown.

        Raises:
            DataError: The file is missing, damaged or of another size than the picture.
        """
        path = self.target_path("depth")
        return self._sized(read_depth(path), path)

    def read_confidence(self) -> np.ndarray:
        """How far the depth is to be trusted, (H, W) uint8: 255 = most, 0 = not at all.

        Raises:
            DataError: The file is missing, damaged or of another size than the picture.
        """
        path = self.target_path("confidence")
        return self._sized(read_ids(path), path).astype(np.uint8, copy=False)

    def target_path(self, target: str) -> Path:
        """The file of a target.

        Raises:
            DataError: The sample does not have that target.
        """
        if target not in self.record.targets:
            raise DataError(
                f"sample {self.id} of {self.root} has no {target} target",
                fix=f"it has {', '.join(self.record.targets) or 'none'}: choose samples that have it",
            )
        return inside(self.root, self.record.target_path(target))

    def _sized(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        height, width = self.record.size_hw
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, its sample is {width} x {height}",
                fix="picture and targets must have one size: convert the dataset again",
            )
        return pixels


class PreparedFolder:
    """A prepared folder, opened for reading.

    Args:
        root: The folder. With `dataset.json` it says everything itself; a bare tree of
            `<split>/images` and `<split>/masks` is accepted when `space` is given.
        space: The label space of a bare tree.

    Raises:
        DataError: There is no such folder, it is unfinished, or its files are not readable.
    """

    def __init__(self, root: Path, *, space: LabelSpace | None = None) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(f"the folder {self.root} does not exist", fix=_CONVERT)
        if (self.root / "dataset.json").is_file():
            self.info: dict[str, Any] = self._read_info()
            self.space = LabelSpace.from_dict(self.info["label_space"])
            records = self._read_records()
        elif space is not None:
            self.info = {"source": "bare tree", "options": {}}
            self.space = space
            records = self._scan()
        elif (self.root / ".journal.jsonl").is_file():
            raise DataError(
                f"{self.root} is only half prepared",
                fix="run the same convert command again: it goes on where it stopped",
            )
        else:
            raise DataError(
                f"{self.root} has no dataset.json",
                fix=f"{_CONVERT}, or name the label space of a bare images/ + masks/ tree with --space",
            )
        self._samples: dict[str, list[Sample]] = {split: [] for split in SPLITS}
        seen: set[tuple[int, str]] = set()
        for record in sorted(records, key=lambda record: record.key):
            if record.key in seen:
                raise DataError(
                    f"{self.root} lists the sample {record.id!r} twice in {record.split}",
                    fix=_CONVERT,
                )
            seen.add(record.key)
            self._samples[record.split].append(
                Sample(root=self.root, record=record, space=self.space)
            )

    def __len__(self) -> int:
        return sum(len(samples) for samples in self._samples.values())

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples per split."""
        return {split: len(samples) for split, samples in self._samples.items()}

    def samples(self, split: str, *, target: str | None = None) -> list[Sample]:
        """The samples of a split, in order of their ids.

        Args:
            split: `train`, `val` or `test`.
            target: Only those that have this target.

        Raises:
            DataError: The split is unknown or holds no such sample.
        """
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}", fix=f"splits are {', '.join(SPLITS)}")
        found = [s for s in self._samples[split] if target is None or target in s.record.targets]
        if not found:
            has = ", ".join(f"{name} {count}" for name, count in self.counts.items())
            what = f" with a {target} target" if target else ""
            raise DataError(
                f"split {split!r} of {self.root} has no sample{what}", fix=f"its splits hold {has}"
            )
        return found

    def _read_info(self) -> dict[str, Any]:
        path = self.root / "dataset.json"
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
                f"{path} has format version {version}",
                fix="update curbside: pip install -U curbside",
            )
        return info

    def _read_records(self) -> list[SampleRecord]:
        path = self.root / "samples.jsonl"
        try:
            lines = path.read_bytes().splitlines()
            return [SampleRecord.from_dict(json.loads(line)) for line in lines if line.strip()]
        except FileNotFoundError:
            raise DataError(f"{path} does not exist", fix=_CONVERT) from None
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})", fix=_CONVERT) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is not valid JSON lines ({error})", fix=_CONVERT) from error

    def _scan(self) -> list[SampleRecord]:
        records = []
        for split in SPLITS:
            images = {
                p.stem: p
                for p in sorted((self.root / split / "images").glob("*"))
                if p.suffix.lower() in _IMAGE_SUFFIXES
            }
            masks = {p.stem: p for p in sorted((self.root / split / "masks").glob("*.png"))}
            for stem in sorted(images.keys() ^ masks.keys()):
                have, lack = ("image", "mask") if stem in images else ("mask", "image")
                raise DataError(
                    f"{self.root / split}: the {have} {stem} has no {lack}",
                    fix=f"add {split}/{lack}s/{stem}.png or remove the {have}",
                )
            records += [
                SampleRecord(
                    id=stem,
                    split=split,
                    image=f"{split}/images/{path.name}",
                    size_hw=image_size_hw(path),
                    targets=("semantic",),
                )
                for stem, path in images.items()
            ]
        if not records:
            raise DataError(f"{self.root} has no <split>/images with <split>/masks", fix=_CONVERT)
        return records


def evenly_spaced(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` of the samples, spread evenly over them, in their order."""
    count = min(count, len(samples))
    return [samples[index * len(samples) // count] for index in range(count)]
