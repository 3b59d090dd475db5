"""What a teacher said of every picture, kept on disk: written once, cut as the student's crops are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..imaging import Piece
from ..labels import LabelSpace
from ..prepared import Sample

__all__ = ["CachedLogits", "TeacherCache", "is_cache"]


class CachedLogits:
    """What a teacher said of one picture."""

    def cut(self, piece: Piece) -> np.ndarray:
        """Its logits over a piece of the picture.

        Args:
            piece: The piece, on its canvas.

        Returns:
            (C, ceil(H / stride), ceil(W / stride)) float16, for a canvas of (H, W).
        """
        raise NotImplementedError


class TeacherCache:
    """A folder of them, opened for reading."""

    space: LabelSpace
    """The label space of the teacher."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, sample: Sample) -> CachedLogits:
        """What the teacher said of a sample."""
        raise NotImplementedError


def is_cache(path: Path) -> bool:
    """Whether a folder is a cache, rather than a run folder."""
    return (path / "cache.json").is_file()
