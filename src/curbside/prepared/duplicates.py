"""Pictures that stand in two splits, or twice in one: the same file, or all but the same picture.

The signature of a picture is its luminance at 24 x 24 pixels with the local mean taken off; the
similarity of two is the correlation of their signatures. It does not see size, compression,
brightness or contrast. On CamVid and IDD-Lite the same picture encoded again (JPEG quality 30), half
or twice as large, 25 grey levels brighter or darker, noisy or blurred reaches 0.97 and more, the next
frame of a 25 fps clip 0.9; other places on the same road stay under 0.75. Each picture is compared
with the mirrored ones, too.

What was cut by 2 % on each side, or shifted by 4 of 320 pixels, reaches 0.83 to 0.95, so one in fifty
is missed; what was cut or shifted by more, or turned, is not found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .findings import Finding
from .inspection import LUMINANCE_SIDE, Inspection

__all__ = ["ALIKE", "Leak", "leaks", "repeated"]

ALIKE = 0.85
"""Pictures of this similarity and more show the same place at almost the same time."""
_MEAN_OVER = 5  # pixels of the 24
_LEVELS = 127
_FLAT = 1.0  # grey levels; what varies less has no signature
_BLOCK = 512  # pictures compared with all others at once


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A picture that an earlier split holds, too."""

    split: str
    """The later of the two splits: `val` or `test`."""
    id: str
    """The sample there."""
    twin_split: str
    """The earlier split."""
    twin_id: str
    """The sample there that is most alike."""
    similarity: float
    """Of the two pictures, up to 1."""
    same_file: bool
    """Whether their files are the same, byte for byte."""
    mirrored: bool
    """Whether the one is the other's mirror image, left for right."""
    twins: int
    """Samples of earlier splits that are alike, this one included."""

    @property
    def key(self) -> tuple[str, str]:
        """Split and id of the sample in the later split."""
        return self.split, self.id

    def finding(self) -> Finding:
        """The leak as a finding."""
        how = "is the same file as" if self.same_file else f"is {self.similarity:.2f} like"
        how += " the mirrored" if self.mirrored else ""
        more = f", and {self.twins - 1} more are alike" if self.twins > 1 else ""
        message = f"{how} {self.twin_split}/{self.twin_id}{more}"
        return Finding(code="leak", message=message, split=self.split, id=self.id)

    def to_dict(self) -> dict[str, Any]:
        """The leak as JSON values."""
        return dict(vars(self))


def repeated(inspections: Sequence[Inspection]) -> list[Finding]:
    """Pictures that a split holds twice, as the same file."""
    first: dict[tuple[str, bytes], str] = {}
    found = []
    for item in inspections:
        if item.digest is not None:
            case = item.case
            twin = first.setdefault((case.split, item.digest), case.id)
            if twin != case.id:
                message = f"is the same file as that of {twin}"
                found.append(
                    Finding(
                        code="repeated",
                        message=message,
                        split=case.split,
                        id=case.id,
                        file=case.image,
                    )
                )
    return found


def leaks(later: Sequence[Inspection], earlier: Sequence[Inspection]) -> list[Leak]:
    """Pictures of a split that earlier ones hold, too; one entry per picture, with its nearest.

    Args:
        later: The samples of the later split.
        earlier: The samples of the earlier splits.
    """
    later = [item for item in later if item.digest is not None]
    earlier = [item for item in earlier if item.digest is not None]
    if not later or not earlier:
        return []
    by_file: dict[bytes | None, list[int]] = defaultdict(list)
    for index, item in enumerate(earlier):
        by_file[item.digest].append(index)
    theirs, ours = _signatures(earlier), _signatures(later)
    turned = ours.reshape(-1, LUMINANCE_SIDE, LUMINANCE_SIDE)[..., ::-1].reshape(ours.shape)
    lengths = [np.sqrt(np.einsum("nd,nd->n", part, part)) for part in (theirs, ours)]
    found = []
    for start in range(0, len(later), _BLOCK):
        block = slice(start, start + _BLOCK)
        scale = lengths[1][block, None] * lengths[0]  # (B, N)
        products, mirrored = ours[block] @ theirs.T, turned[block] @ theirs.T
        likeness = np.maximum(products, mirrored)
        alike = np.divide(likeness, scale, where=scale > 0, out=np.zeros_like(scale))
        nearest, counts = alike.argmax(axis=1), np.count_nonzero(alike >= ALIKE, axis=1)
        for row, item in enumerate(later[block]):
            same = by_file.get(item.digest, [])
            if not counts[row] and not same:
                continue
            index = same[0] if same else int(nearest[row])
            found.append(
                Leak(
                    split=item.case.split,
                    id=item.case.id,
                    twin_split=earlier[index].case.split,
                    twin_id=earlier[index].case.id,
                    similarity=1.0 if same else round(float(alike[row, index]), 3),
                    same_file=bool(same),
                    mirrored=bool(mirrored[row, index] > products[row, index]),
                    twins=max(int(counts[row]), len(same)),
                )
            )
    return found


def _signatures(items: Sequence[Inspection]) -> np.ndarray:
    """(N, 576) float32 whole numbers, so small that sums of their products are exact in any order;
    zeros for a picture without a signature. What they are made from is exact in the same way."""
    luminances = b"".join(item.luminance for item in items if item.luminance is not None)
    levels = np.frombuffer(luminances, np.uint8).reshape(-1, LUMINANCE_SIDE, LUMINANCE_SIDE)
    grey = levels.astype(np.float32)
    each = np.eye(LUMINANCE_SIDE, dtype=np.float32)
    sums = cv2.boxFilter(each, -1, (_MEAN_OVER, 1), normalize=False)  # of neighbours, by product
    found = (grey * _MEAN_OVER**2 - sums.T @ grey @ sums).reshape(len(grey), -1)
    found -= found.mean(axis=1, keepdims=True)
    found[found.std(axis=1) < _FLAT * _MEAN_OVER**2] = 0
    largest = np.abs(found).max(axis=1, keepdims=True)
    return np.rint(found * (_LEVELS / np.maximum(largest, 1)))
