"""Reading a prepared folder, and bare `images/` + `masks/` trees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import DataError
from ..files import inside
from ..imaging import image_size_hw, read_depth, read_ids, read_rgb
from ..labels import LabelMap, LabelSpace
from .layout import SPLITS, SampleRecord
from .listing import BareSample, list_folder
from .quarantine import read_quarantine
from .writer import check_ids

__all__ = ["PreparedFolder", "Sample", "evenly_spaced"]

Picture = TypeVar("Picture")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample of a prepared folder; its pixels are read when asked for."""

    root: Path
    """The prepared folder."""
    record: SampleRecord
    """Its line of `samples.jsonl`."""
    space: LabelSpace
    """What the ids of its mask mean."""
    labels: LabelMap | None = None
    """From the ids in the mask's file to those of `space`; None where they are the same."""

    @property
    def id(self) -> str:
        """Its name, unique within its split."""
        return self.record.id

    @property
    def image_path(self) -> Path:
        """The picture's file."""
        return inside(self.root, self.record.image)

    @property
    def annotated_ids(self) -> tuple[int, ...] | None:
        """Ids of the classes of `space` that were annotated on it; None where those are all.

        Of a mapped sample a class counts where all that becomes it was annotated, and nothing is
        ignored that may be it. What is annotated and lost in the map counts for nothing.
        """
        known = self.record.annotated
        if known is None or set(known) >= set(
            (self.labels.source if self.labels else self.space).names
        ):
            return None
        names = set(known) if self.labels is None else _annotated_after(self.labels, known)
        ids = tuple(item.id for item in self.space.classes if item.name in names)
        return None if len(ids) == len(self.space.classes) else ids

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
        ids = self._read_own_ids()
        return ids if self.labels is None else self.labels.apply(ids)

    def read_filled(self) -> np.ndarray | None:
        """Which labels of the mask are of networks that filled in what people had left open, (H, W) bool;
        None where all are of the one or of the other. Raises what `read_semantic` raises."""
        record = self.record
        if "semantic" not in record.pseudo or not record.by_people:
            return None
        table = np.zeros(256, bool)
        own = self.space if self.labels is None else self.labels.source
        table[[item.id for item in own.classes if item.name not in record.by_people]] = True
        return table[self._read_own_ids()]

    def _read_own_ids(self) -> np.ndarray:
        """The mask as its file has it, (H, W) uint8."""
        path = self.target_path("semantic")
        ids = self._sized(read_ids(path), path)
        check_ids(ids, self.space if self.labels is None else self.labels.source, str(path))
        return ids.astype(np.uint8, copy=False)

    def mapped(self, labels: LabelMap) -> Sample:
        """The same sample with its mask in another label space; instances keep their own ids.

        Args:
            labels: From the sample's space to the other.
        """
        whole = labels if self.labels is None else self.labels.compose(labels)
        return replace(self, space=labels.target, labels=whole)

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
    """A prepared folder, opened for reading. Samples in its `quarantine.jsonl` are left out.

    Args:
        root: The folder. With `dataset.json` it says everything itself; a bare tree of
            `<split>/images` and `<split>/masks` is accepted when `space` is given.
        space: The label space of a bare tree.

    Raises:
        DataError: There is no such folder, it is unfinished, or its files are not readable.
    """

    def __init__(self, root: Path, *, space: LabelSpace | None = None) -> None:
        self.root = Path(root)
        listing = list_folder(self.root, space)
        self.info = listing.info
        self.space = listing.space
        quarantine = read_quarantine(self.root)
        kept = [item for item in listing.samples if (item.split, item.id) not in quarantine]
        self.quarantined = len(listing.samples) - len(kept)
        """Number of samples that `quarantine.jsonl` sets aside; nothing else here counts them."""
        self._samples: dict[str, list[Sample]] = {split: [] for split in SPLITS}
        for item in kept:
            record = _bare_record(self.root, item) if isinstance(item, BareSample) else item
            self._samples[record.split].append(
                Sample(root=self.root, record=record, space=self.space)
            )

    def __len__(self) -> int:
        return sum(len(samples) for samples in self._samples.values())

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples per split, without those in quarantine."""
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
            has += f"; {self.quarantined} are in quarantine" if self.quarantined else ""
            what = f" with a {target} target" if target else ""
            raise DataError(
                f"split {split!r} of {self.root} has no sample{what}", fix=f"its splits hold {has}"
            )
        return found


def evenly_spaced(samples: Sequence[Picture], count: int) -> list[Picture]:
    """At most `count` of the samples, spread evenly over them, in their order."""
    count = min(count, len(samples))
    return [samples[index * len(samples) // count] for index in range(count)]


def _annotated_after(labels: LabelMap, known: Collection[str]) -> set[str]:
    """The classes of a map's target that were annotated, where these of its source were."""
    fed: set[str] = set()
    unsure: set[str] = set()
    for row in labels.classes:
        if row.target is not None and row.source in known:
            fed.add(row.target)
        else:  # what was not annotated, or is ignored since it may be any of several
            unsure.update(row.targets)
    return fed - unsure


def _bare_record(root: Path, bare: BareSample) -> SampleRecord:
    if bare.image is None or bare.mask is None:
        have, lack = ("image", "mask") if bare.image else ("mask", "image")
        raise DataError(
            f"{root / bare.split}: the {have} {bare.id} has no {lack}",
            fix=f"add {bare.split}/{lack}s/{bare.id}.png or remove the {have}; `curbside doctor "
            f"{root} --space SPACE` names all such, and sets them aside with --quarantine",
        )
    return SampleRecord(
        id=bare.id,
        split=bare.split,
        image=bare.image,
        size_hw=image_size_hw(root / bare.image),
        targets=("semantic",),
    )
