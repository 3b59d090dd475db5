"""Making a cache of a teacher's outputs, or adding to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError
from ..prepared import Sample
from .cache_entries import entry_path, read_entry, write_entry
from .cache_format import ABOUT, CacheAbout, CachedFolder, CacheSettings, read_about, write_about

__all__ = ["CacheWriter"]

_WORDS = {
    "input_hw": "input size",
    "label_space": "label space",
    "top_k": "--top-k",
    "flip": "choice of --flip",
}


class CacheWriter:
    """A cache being made, or a finished one to which folders are added.

    Args:
        root: The folder to make.
        settings: What shapes it; other ones than those of a cache that is there are refused.
        folders: The folders with pictures.
        split: The split to be taken of each.

    Raises:
        ConfigError: The folder holds something else or another cache, or two folders have one name.
        DataError: What it says of itself is damaged.
    """

    def __init__(
        self, root: Path, settings: CacheSettings, folders: Sequence[Path], split: str
    ) -> None:
        self.root, self.settings, self._split = Path(root), settings, split
        self._folders = self._claim()
        for folder in folders:
            place = folder.resolve()
            for held in self._folders.values():
                moved = not Path(held.root).is_dir()
                if held.name == place.name and held.root != str(place) and not moved:
                    raise ConfigError(
                        f"two folders are called {place.name}: {held.root} and {place}",
                        fix="rename one, or give it a cache of its own with --out",
                    )
            new = CachedFolder(name=place.name, root=str(place), split=split)
            self._folders.setdefault((place.name, split), new)
        self._write_about(complete=False)

    def _claim(self) -> dict[tuple[str, str], CachedFolder]:
        """The folders that a cache at this place holds already."""
        if not (self.root / ABOUT).is_file():
            if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
                raise ConfigError(
                    f"{self.root} is not empty and holds no cache", fix="choose another --out"
                )
            return {}
        for leftover in (self.root / "logits").rglob(".partial-*"):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        held = read_about(self.root)
        before = held.settings.to_dict()
        for key, value in self.settings.to_dict().items():
            if before[key] != value:
                raise ConfigError(
                    f"{self.root} is a cache with another {_WORDS.get(key, key)}",
                    fix="choose another --out, or remove that folder first",
                )
        return {(folder.name, folder.split): folder for folder in held.folders}

    def holds(self, sample: Sample) -> bool:
        """Whether there is a sound entry of a sample."""
        try:
            read_entry(self.root, self.settings, sample)
        except DataError:
            return False
        return True

    def write(self, sample: Sample, log_probs: np.ndarray) -> None:
        """Write the entry of a sample. Safe to call from several threads.

        Args:
            sample: The sample.
            log_probs: (C, h, w) float32, what the teacher said of it.
        """
        write_entry(self.root, self.settings, sample, log_probs)

    def finish(
        self, samples: Mapping[Path, Sequence[Sample]], precision: str
    ) -> list[CachedFolder]:
        """Say that the cache is complete.

        Args:
            samples: Those of each folder that have an entry.
            precision: What the teacher computed in.

        Returns:
            What it holds of these folders.
        """
        done = []
        for folder, held in samples.items():
            place = folder.resolve()
            done.append(
                CachedFolder(
                    name=place.name,
                    root=str(place),
                    split=self._split,
                    pictures=len(held),
                    bytes=sum(entry_path(self.root, sample).stat().st_size for sample in held),
                    picture_bytes=sum(sample.image_path.stat().st_size for sample in held),
                    precision=precision,
                )
            )
            self._folders[place.name, self._split] = done[-1]
        self._write_about(complete=True)
        return done

    def _write_about(self, *, complete: bool) -> None:
        folders = tuple(folder for _, folder in sorted(self._folders.items()))
        write_about(self.root, CacheAbout(self.settings, folders, complete))
