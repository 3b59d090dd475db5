"""A class for every pixel of a frame, and what it means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np

from ..imaging import blend_classes, blend_doubt, mask_classes
from ..labels import IGNORE_ID, LabelSpace

__all__ = ["SemanticResult", "class_shares", "uncover"]


@dataclass(frozen=True, kw_only=True)
class SemanticResult:
    """A class for every pixel of a frame.

    Raises:
        ValueError: An array has the wrong shape or type.
    """

    ids: np.ndarray
    """Class ids, (H, W) uint8, at the frame's size."""
    space: LabelSpace
    """What the ids mean."""
    confidence: np.ndarray | None = None
    """Probability of the class shown, (H, W) float32 in 0..1, where the model file gives it."""
    probabilities: np.ndarray | None = None
    """Probability of every class, (C, H, W) float32, where it was asked for and the file gives logits."""

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.dtype != np.uint8:
            raise ValueError(f"ids must be (H, W) uint8, not {self.ids.shape} {self.ids.dtype}")
        if self.confidence is not None and self.confidence.shape != self.ids.shape:
            raise ValueError(f"confidence is {self.confidence.shape}, ids are {self.ids.shape}")
        if self.probabilities is not None and self.probabilities.shape[1:] != self.ids.shape:
            raise ValueError(
                f"probabilities are {self.probabilities.shape}, ids are {self.ids.shape}"
            )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.ids.shape[0], self.ids.shape[1]

    def draw(
        self, frame_bgr: np.ndarray, *, alpha: float = 0.5, hidden: Collection[str] = ()
    ) -> np.ndarray:
        """The frame with the class colours over it, a new (H, W, 3) uint8 BGR picture; of a binary label
        space with the colour of what is looked for alone.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: 0 shows the frame alone, 1 the colours alone.
            hidden: Names of classes whose pixels show the frame; others than the space's mean nothing.
        """
        picture = blend_classes(
            frame_bgr, self.ids, self.space.palette, alpha=alpha, ignore_id=IGNORE_ID
        )
        return uncover(picture, frame_bgr, self.ids, self.space, hidden)

    def draw_confidence(
        self, frame_bgr: np.ndarray, *, alpha: float = 0.7, hidden: Collection[str] = ()
    ) -> np.ndarray:
        """The frame in grey, glowing where the network is not sure of the class shown: dark where it is
        sure, through purple and orange, to yellow where it has no idea.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: How much the colours cover the frame, 0..1.
            hidden: Names of classes whose pixels show the grey frame.

        Returns:
            A new (H, W, 3) uint8 BGR picture.

        Raises:
            ValueError: There is no confidence.
        """
        if self.confidence is None:
            raise ValueError("this result has no confidence; decode it with confidence=True")
        wanted = _ids_of(self.space, hidden)
        return blend_doubt(frame_bgr, self.confidence, self.ids, alpha=alpha, hidden=wanted)

    def shares(self) -> dict[str, float]:
        """Share of the frame that each class covers, by name, largest first; absent classes left out."""
        return class_shares(self.ids, self.space)


def class_shares(ids: np.ndarray, space: LabelSpace) -> dict[str, float]:
    """Share of a map that each class covers, by name, largest first; 255 and absent classes left out.

    Args:
        ids: (H, W) uint8.
        space: What the ids mean.
    """
    counts = np.bincount(ids.ravel(), minlength=IGNORE_ID + 1)[:IGNORE_ID]
    present = sorted(np.flatnonzero(counts), key=lambda i: -counts[i])
    return {space.name_of(int(i)): float(counts[i] / ids.size) for i in present}


def uncover(
    picture: np.ndarray,
    frame_bgr: np.ndarray,
    ids: np.ndarray,
    space: LabelSpace,
    hidden: Collection[str],
) -> np.ndarray:
    """Put the frame back where classes are not to be shown, in the picture given, which is returned: those
    that are hidden, and those that a space does not paint.

    Args:
        picture: What was drawn over the frame, (H, W, 3) uint8.
        frame_bgr: The frame, (H, W, 3) uint8.
        ids: (H, W) uint8.
        space: What the ids mean.
        hidden: Names of classes; others than the space's mean nothing.
    """
    painted = {item.id for item in space.painted}
    wanted = [i for i in space.ids if i not in painted] + _ids_of(space, hidden)
    return cv2.copyTo(frame_bgr, mask_classes(ids, wanted), picture) if wanted else picture


def _ids_of(space: LabelSpace, names: Collection[str]) -> list[int]:
    return [item.id for item in space.classes if item.name in names] if names else []
