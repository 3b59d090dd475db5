"""What is counted while models are compared, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..imaging import top_class
from ..labels import IGNORE_ID, LabelSpace
from ..metrics import SegmentationScores
from .comparison_result import Change, Flow, PictureChange
from .scoring import Predictor

__all__ = ["BORDER_PX", "ModelTally", "PairTally", "near_borders"]

BORDER_PX = 4
"""A pixel nearer than this to a label border is near it."""

_FLOWS = 12


def near_borders(target: np.ndarray) -> np.ndarray:
    """Which pixels are nearer than `BORDER_PX` to one that touches another label.

    Args:
        target: (H, W) uint8; ignored pixels are a label like the others.

    Returns:
        (H, W) bool.
    """
    touches = np.zeros(target.shape, bool)
    across, down = target[:, 1:] != target[:, :-1], target[1:] != target[:-1]
    touches[:, 1:] |= across
    touches[:, :-1] |= across
    touches[1:] |= down
    touches[:-1] |= down
    if not touches.any():
        return touches
    distance = cv2.distanceTransform((~touches).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance < BORDER_PX


class ModelTally:
    """What one model did.

    Args:
        predictor: The model.
        space: What the ids of the masks mean.
    """

    def __init__(self, predictor: Predictor, space: LabelSpace) -> None:
        self.scores = SegmentationScores(space.num_classes)
        self.mious: list[float] = []
        """Mean IoU of each picture over the classes in its truth; nan where all is ignored."""
        self._predictor = predictor
        self._with_logits = predictor.manifest.output("logits") is not None
        self._classes: list[np.ndarray] = []
        self._places: list[np.ndarray] = []

    def update(self, frame_bgr: np.ndarray, target: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Predict a picture and count its pixels.

        Args:
            frame_bgr: (H, W, 3) uint8.
            target: (H, W) uint8.
            near: (H, W) bool, the pixels near a border that are not ignored.

        Returns:
            The predicted ids, (H, W) uint8.
        """
        result = self._predictor(frame_bgr, probabilities=self._with_logits)
        confidence = result.confidence
        if confidence is None and result.probabilities is not None:
            confidence = top_class(result.probabilities)[1]
        alone = self.scores.update(target, ids=result.ids, confidence=confidence)
        hits = alone.counts.diagonal()
        either = alone.truth + alone.counts.sum(axis=0) - hits
        self._classes.append(np.stack([hits, either - hits], axis=1))  # (C, 2)
        self.mious.append(alone.miou(over="truth"))
        right = result.ids == target
        sides = near, ~near & (target != IGNORE_ID)
        self._places.append(
            np.array([[np.sum(right & side), np.sum(side & ~right)] for side in sides])
        )
        return result.ids

    @property
    def classes(self) -> np.ndarray:
        """Of each picture and class, the pixels that truth and prediction share, and those that only one
        of them has: (N, C, 2) int64."""
        return np.stack(self._classes)

    @property
    def places(self) -> np.ndarray:
        """Of each picture, near borders and inside, the pixels that are right and those that are wrong:
        (N, 2, 2) int64."""
        return np.stack(self._places)

    @property
    def ece(self) -> float:
        """Expected calibration error over 15 bins; nan where the model gives no confidence."""
        return self.scores.calibration.ece()


class PairTally:
    """Where the pixels went from one model to another.

    Args:
        space: What the ids of the masks mean.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.pixels = 0
        """Pixels with a truth."""
        self.fixed = 0
        """Those that only the second model has right."""
        self.broken = 0
        """Those that only the first model has right."""
        self._names = [*space.names, "no class"]
        sides = len(self._names)
        self._flows = np.zeros((sides, sides, sides), np.int64)  # truth, first, second
        self._same = self._all = 0
        self._pictures: list[tuple[str, float, float]] = []

    def update(self, name: str, target: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        """Count the pixels of a picture.

        Args:
            name: Its id.
            target: (H, W) uint8.
            first: The first model's ids, (H, W) uint8.
            second: The second model's.
        """
        differ = first != second
        self._all += target.size
        self._same += target.size - int(np.count_nonzero(differ))
        moved = differ & (target != IGNORE_ID)
        truth, before, after = target[moved], first[moved], second[moved]
        no_class = len(self._names) - 1
        places = [np.minimum(ids, no_class).astype(np.intp) for ids in (truth, before, after)]
        index = np.ravel_multi_index(tuple(places), self._flows.shape)
        found, counts = np.unique(index, return_counts=True)
        self._flows.reshape(-1)[found] += counts
        pixels = int(np.count_nonzero(target != IGNORE_ID))
        fixed, broken = (int(np.count_nonzero(ids == truth)) for ids in (after, before))
        self.pixels += pixels
        self.fixed += fixed
        self.broken += broken
        self._pictures.append((name, fixed / max(1, pixels), broken / max(1, pixels)))

    @property
    def still_wrong(self) -> int:
        """Pixels that both models have wrong, in different ways."""
        return int(self._flows.sum()) - self.fixed - self.broken

    @property
    def agreement(self) -> float:
        """Share of all pixels, ignored ones included, to which both models give the same id."""
        return self._same / self._all

    def flows(self) -> tuple[Flow, ...]:
        """The most frequent changes, largest first."""
        order = np.argsort(-self._flows, axis=None, kind="stable")[:_FLOWS]
        return tuple(
            Flow(truth=self._names[t], before=self._names[a], after=self._names[b], pixels=int(n))
            for t, a, b in zip(*np.unravel_index(order, self._flows.shape), strict=True)
            if (n := self._flows[t, a, b])
        )

    def pictures(self, first: Sequence[float], second: Sequence[float]) -> list[PictureChange]:
        """The pictures, those that gained most first.

        Args:
            first: The first model's mean IoU in each.
            second: The second model's.
        """
        changes = [
            PictureChange(id=name, fixed=fixed, broken=broken, miou=Change.of(a, b))
            for (name, fixed, broken), a, b in zip(self._pictures, first, second, strict=True)
        ]
        return sorted(changes, key=lambda change: (-change.gain, change.id))
