"""What a teacher said of every picture, kept on disk: written once, cut as the student's crops are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..errors import DataError
from ..imaging import Piece
from ..labels import LabelSpace
from ..prepared import Sample
from .cache_entries import check_entry, damaged, entry_path, read_entry
from .cache_format import ABOUT, CacheSettings, read_about
from .logit_codes import decode, log_probabilities

__all__ = ["CachedLogits", "TeacherCache", "is_cache"]


class CachedLogits:
    """What a teacher said of one picture.

    Args:
        codes: See `logit_codes.decode`.
        levels: Into how many steps its probabilities are divided.
        settings: Those of the cache.
        stride: Pixels of the canvas per value that `cut` gives.
    """

    def __init__(
        self, codes: np.ndarray, levels: int, settings: CacheSettings, stride: int
    ) -> None:
        self._codes, self._stride = codes, stride
        self._coded = (len(settings.space.classes), settings.top_k, levels)

    def whole(self) -> np.ndarray:
        """Its log-probabilities over the whole picture, (C, h, w) float32."""
        return log_probabilities(self._codes, *self._coded)

    def cut(self, piece: Piece) -> np.ndarray:
        """Its logits over a piece of the picture.

        Args:
            piece: The piece, on its canvas.

        Returns:
            (C, ceil(H / stride), ceil(W / stride)) float16, for a canvas of (H, W).
        """
        _, height, width, _ = self._codes.shape
        rows, columns = piece.sampling((height, width), self._stride)
        top, bottom = _used(rows)
        left, right = _used(columns)
        part = log_probabilities(self._codes[:, top:bottom, left:right], *self._coded)
        # By torch, whose threads a reader of batches has limited. (C, h, w) @ (w, W) -> (C, h, W)
        across = torch.from_numpy(part) @ torch.from_numpy(columns[:, left:right]).T
        return (torch.from_numpy(rows[:, top:bottom]) @ across).half().numpy()


def _used(weights: np.ndarray) -> tuple[int, int]:
    """First and last place, exclusively, that any weight is given to."""
    places = np.flatnonzero(weights.any(axis=0))
    return int(places[0]), int(places[-1]) + 1


class TeacherCache:
    """A folder of them, opened for reading.

    Args:
        root: The folder.
        stride: Pixels of a training picture per value, each way, in what is cut for it.

    Raises:
        DataError: It is no cache, is damaged or unfinished.
    """

    def __init__(self, root: Path, *, stride: int = 4) -> None:
        self.root = Path(root)
        about = read_about(self.root)
        if not about.complete:
            raise DataError(
                f"{self.root} is unfinished",
                fix="run the same curbside cache command again: it goes on where it stopped",
            )
        self.settings, self.folders, self._stride = about.settings, about.folders, stride

    @property
    def space(self) -> LabelSpace:
        """The label space of the teacher."""
        return self.settings.space

    def require(self, samples: Sequence[Sample]) -> None:
        """See that it was filled with some samples, before they are asked for one by one.

        Raises:
            DataError: It lacks some of them, or has them of other pictures or cut off.
        """
        lacking = []
        for sample in samples:
            try:
                check_entry(self.root, sample)
            except DataError as error:
                lacking.append((sample, error))
        if lacking:
            sample, first = lacking[0]
            raise DataError(
                f"{self.root} lacks {len(lacking)} of the {len(samples)} pictures to train on;"
                f" the first: {first.what}",
                fix=f"fill it, with the options it was made with: curbside cache RUN {sample.root}"
                f" --split {sample.record.split} --out {self.root}",
            )

    def read(self, sample: Sample) -> CachedLogits:
        """What the teacher said of a sample.

        Raises:
            DataError: There is nothing of it, or its entry is damaged, of another cache or of another
                picture.
        """
        entry = read_entry(self.root, self.settings, sample)
        try:
            codes = decode(entry.data, self.settings.planes, entry.map_hw)
        except ValueError as error:
            raise damaged(entry_path(self.root, sample)) from error
        return CachedLogits(codes, entry.levels, self.settings, self._stride)


def is_cache(path: Path) -> bool:
    """Whether a folder is a cache, rather than a run folder."""
    return (path / ABOUT).is_file()
