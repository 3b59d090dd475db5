"""The pictures that a quantiser watches to find the range of every tensor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import ConfigError, DataError
from ..files import sha256_file
from ..prepared import PreparedFolder, Sample, evenly_spaced

__all__ = ["CalibrationSet"]

_FEWEST = 8


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Samples of one split, and where they are from; see `choose`.

    Raises:
        DataError: They are too few to calibrate on.
    """

    samples: tuple[Sample, ...]
    """The samples; their pictures alone are looked at."""
    source: str
    """What the prepared folder was made from."""

    def __post_init__(self) -> None:
        if len(self.samples) < _FEWEST:
            raise DataError(
                f"{len(self.samples)} pictures are too few to calibrate on",
                fix=f"give at least {_FEWEST}: another split with --split, or a larger folder",
            )

    @classmethod
    def choose(
        cls, folder: PreparedFolder, *, split: str = "train", count: int = 128
    ) -> CalibrationSet:
        """Pictures spread evenly over a split, the same ones every time.

        Args:
            folder: The prepared folder.
            split: Which of its splits.
            count: How many; all of them where the split has fewer.

        Raises:
            ConfigError: The count is too small.
            DataError: The split is empty or has too few pictures.
        """
        if count < _FEWEST:
            raise ConfigError(
                f"{count} pictures are too few to calibrate on",
                fix=f"give --count {_FEWEST} or more",
            )
        samples = evenly_spaced(folder.samples(split), count)
        return cls(samples=tuple(samples), source=str(folder.info.get("source", "unknown")))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the ids and the bytes of all pictures, in order."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.id}\0{sha256_file(sample.image_path)}\n".encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a Manifest says of the set."""
        first = self.samples[0]
        return {
            "dataset": first.root.resolve().name,
            "source": self.source,
            "split": first.record.split,
            "count": len(self.samples),
            "sha256": self.sha256,
        }
