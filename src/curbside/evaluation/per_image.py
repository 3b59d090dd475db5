"""`per_image.npz`: the pixel counts of every picture, from which intervals and comparisons follow."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files import atomic_path

__all__ = ["read_per_image", "write_per_image"]

_NAME = "per_image.npz"
_MOST_BYTES = 2**32
_FIX = "write it again with: curbside evaluate MODEL DATA"


def write_per_image(folder: Path, ids: tuple[str, ...], counts: np.ndarray) -> None:
    """Write the counts beside the report.

    Args:
        folder: The folder of the report.
        ids: Ids of the N pictures.
        counts: (N, C, C + 1) int64; see `Evaluation.per_image`.

    Raises:
        StorageError: The place cannot be written.
    """
    with atomic_path(folder / _NAME) as temporary:
        np.savez_compressed(temporary, ids=np.asarray(ids, np.str_), counts=counts)


def read_per_image(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """The ids of the pictures and their counts, (N, C, C + 1) int64, that a report has beside it.

    Args:
        folder: The folder of the report.

    Raises:
        DataError: There is none, or it holds something else.
    """
    path = Path(folder) / _NAME
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"{size} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            ids, counts = arrays["ids"], arrays["counts"]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", fix=_FIX) from None
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not readable ({error})", fix=_FIX) from error
    fits = ids.dtype.kind == "U" and ids.ndim == 1 and counts.dtype == np.int64 and counts.ndim == 3
    if not fits or counts.shape != (len(ids), counts.shape[1], counts.shape[1] + 1):
        raise DataError(
            f"{path} holds {ids.shape} {ids.dtype} ids and {counts.shape} {counts.dtype} counts",
            fix=_FIX,
        )
    return tuple(ids.tolist()), counts
