"""The pictures that a quantiser watches to find the range of every tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import ConfigError, DataError
from ..files import sha256_file
from ..labels import LabelSpace
from ..prepared import PreparedFolder, Sample, evenly_spaced, picture_samples
from .strata import choose_stratified

__all__ = ["CalibrationPicture", "CalibrationSet"]

_FEWEST = 8
TENSOR_SUFFIXES = (".npy", ".npz")


class CalibrationPicture(Protocol):
    """One picture to calibrate on; a `Sample` is one."""

    @property
    def id(self) -> str:
        """Its name within the set."""

    def read_bgr(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 BGR.

        Raises:
            DataError: It cannot be read.
        """


@dataclass(frozen=True, kw_only=True)
class _TensorPicture:
    """One picture of a file of tensors."""

    id: str
    rgb: np.ndarray

    def read_bgr(self) -> np.ndarray:
        return np.ascontiguousarray(self.rgb[..., ::-1])


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Pictures, and where they are from; see `choose` and `load`.

    Raises:
        DataError: They are too few to calibrate on.
    """

    samples: tuple[CalibrationPicture, ...]
    """The pictures."""
    source: str
    """What the prepared folder was made from, or the kind of file."""
    dataset: str
    """Name of the folder or file."""
    split: str | None = None
    """Which of a prepared folder's splits."""
    strata: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of pictures by class and by tag."""

    def __post_init__(self) -> None:
        _require_enough(self.samples)

    @classmethod
    def choose(
        cls, folder: PreparedFolder, *, split: str = "train", count: int = 128
    ) -> CalibrationSet:
        """Pictures of a split: every class in some of them, and every tag's values in proportion.

        Args:
            folder: The prepared folder.
            split: Which of its splits.
            count: How many; all of them where the split has fewer.

        Returns:
            The same pictures every time.

        Raises:
            ConfigError: The count is too small.
            DataError: The split is empty or has too few pictures.
        """
        _check_count(count)
        samples = folder.samples(split)
        _require_enough(samples)
        chosen = choose_stratified(samples, count)
        return cls(
            samples=tuple(chosen.samples),
            source=str(folder.info.get("source", "unknown")),
            dataset=folder.root.resolve().name,
            split=split,
            strata=chosen.strata,
        )

    @classmethod
    def load(
        cls, path: Path, *, split: str = "train", count: int = 128, space: LabelSpace | None = None
    ) -> CalibrationSet:
        """A set from whatever holds pictures.

        Args:
            path: A prepared folder; any folder with pictures; or tensors, (N, H, W, 3) uint8 RGB, in a
                `.npy` file or as the one array of an `.npz` file.
            split: Which of a prepared folder's splits.
            count: How many; all of them where there are fewer.
            space: Label space of a bare `images/` + `masks/` tree.

        Raises:
            ConfigError: The count is too small.
            DataError: There is nothing at the path, or nothing to calibrate on.
        """
        _check_count(count)
        if path.suffix.lower() in TENSOR_SUFFIXES and not path.is_dir():
            tensors = _read_tensors(path)
            places = np.arange(min(count, len(tensors))) * len(tensors) // min(count, len(tensors))
            pictures = [_TensorPicture(id=str(place), rgb=tensors[place]) for place in places]
            return cls(samples=tuple(pictures), source="tensors", dataset=path.name)
        masked = space is not None or (path / "dataset.json").is_file()
        if masked:
            return cls.choose(PreparedFolder(path, space=space), split=split, count=count)
        found = picture_samples(path, split, _NO_SPACE)
        name = path.resolve().name
        return cls(samples=tuple(evenly_spaced(found, count)), source="pictures", dataset=name)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the ids and the bytes of all pictures, in order."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.id}\0{_sha256_of(sample)}\n".encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a Manifest says of the set."""
        about = {
            "dataset": self.dataset,
            "source": self.source,
            "split": self.split,
            "count": len(self.samples),
            "strata": {name: dict(counts) for name, counts in self.strata.items()},
            "sha256": self.sha256,
        }
        return {key: value for key, value in about.items() if value}


_NO_SPACE = LabelSpace.from_dict(
    {"name": "none", "classes": [{"id": 0, "name": "anything", "color": (0, 0, 0)}]}
)


def _check_count(count: int) -> None:
    if count < _FEWEST:
        raise ConfigError(
            f"{count} pictures are too few to calibrate on", fix=f"give --count {_FEWEST} or more"
        )


def _require_enough(samples: Sequence[CalibrationPicture]) -> None:
    if len(samples) < _FEWEST:
        raise DataError(
            f"{len(samples)} pictures are too few to calibrate on",
            fix=f"give at least {_FEWEST}: another split with --split, or a larger folder",
        )


def _read_tensors(path: Path) -> np.ndarray:
    """The array of a file of tensors: (N, H, W, 3) uint8 RGB, read as it is needed where it can be."""
    fix = "give one array (N, H, W, 3) of uint8, RGB"
    try:
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays: Sequence[np.ndarray] = [found]
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                arrays = [found[name] for name in found.files]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", fix="check the path") from None
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise DataError(f"{path} holds no tensors ({error})", fix=fix) from error
    if (
        len(arrays) != 1
        or arrays[0].ndim != 4
        or arrays[0].shape[3] != 3
        or arrays[0].dtype != "u1"
    ):
        shapes = ", ".join(f"{array.shape} {array.dtype}" for array in arrays) or "nothing"
        raise DataError(f"{path} holds {shapes}", fix=fix)
    if not arrays[0].size:
        raise DataError(f"{path} holds {arrays[0].shape}, no picture", fix=fix)
    return arrays[0]


def _sha256_of(sample: CalibrationPicture) -> str:
    if isinstance(sample, Sample):
        return sha256_file(sample.image_path)
    return hashlib.sha256(sample.read_bgr().tobytes()).hexdigest()
