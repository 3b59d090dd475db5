"""The same number for the same object from frame to frame, by where its box is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...results import InstanceResult
from .config import TrackerConfig
from .fuse import Followed

__all__ = ["TrackedFrame", "Tracker"]

_SMOOTHING = 0.5
"""Share of a new speed in the one that is kept."""


class Tracker:
    """Follows objects by their boxes; call it with the objects of every frame, in order.

    Every known object is expected where its box would be at its last speed. Sure objects are
    matched to them first, in the order of their overlap; then what is left to the unsure ones, which
    can prolong a track but begin none.

    An object above the score is shown, and one that prolongs a track of which the last was shown, so
    that nothing flickers at the threshold.

    Args:
        config: What counts as the same object.
        score: Objects above this are sure.

    Source: Zhang et al. 2022, ByteTrack (sure and unsure detections in two passes).
    """

    def __init__(self, config: TrackerConfig | None = None, *, score: float = 0.5) -> None:
        self._config = config or TrackerConfig()
        self._score = score
        self._last = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of another clip; no number is given a second time."""
        self._tracks: list[_Track] = []
        self._size_hw: tuple[int, int] | None = None
        self._shown: frozenset[int] = frozenset()

    def expects(self, boxes_xyxy: np.ndarray, may_be: Sequence[Sequence[int]]) -> np.ndarray:
        """Whether each object of the next frame can be one that was shown in the frame before.

        Args:
            boxes_xyxy: (N, 4) left, top, right, bottom in frame pixels.
            may_be: The classes that each can be, N of them.

        Returns:
            (N,) bool.
        """
        shown = [track for track in self._tracks if track.number in self._shown]
        if not shown or not len(boxes_xyxy):
            return np.zeros(len(boxes_xyxy), bool)
        there = np.stack([track.box_xyxy + track.speed for track in shown])
        same = np.array([[track.class_id in ids for track in shown] for ids in may_be])
        overlap = _iou(boxes_xyxy.astype(np.float64), there)
        return np.any(overlap >= self._least(same), axis=1)

    def speeds(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """What each side of a box moves per frame, by the object that was last seen where it is.

        Args:
            boxes_xyxy: (N, 4) left, top, right, bottom in frame pixels.

        Returns:
            (N, 4) float64; 0 where no object that is followed was seen there.
        """
        if not self._tracks or not len(boxes_xyxy):
            return np.zeros((len(boxes_xyxy), 4))
        overlap = _iou(boxes_xyxy.astype(np.float64), np.stack([t.box_xyxy for t in self._tracks]))
        speeds = np.stack([track.speed for track in self._tracks])[overlap.argmax(axis=1)]
        return np.where(overlap.max(axis=1)[:, None] >= self._config.iou, speeds, 0.0)

    def __call__(self, found: InstanceResult, *, seen: bool = True, passed: int = 1) -> Followed:
        """The numbers of the objects of the next frame, from 1 on, and which of them are shown.

        An unsure object that prolongs no track has the number 0 and is not shown.

        Args:
            found: The objects.
            seen: Whether they were looked for; where they were only moved on from an earlier frame,
                nothing is learnt of them, and nothing that is missing is forgotten.
            passed: Frames since the last call; 0 where it is the same frame once more.
        """
        if found.size_hw != self._size_hw:  # another source: nothing is where it was
            self._tracks, self._shown = [], frozenset()
            self._size_hw = found.size_hw
        for track in self._tracks:
            track.box_xyxy += track.speed * passed
            track.unseen += passed
        numbers = np.zeros(len(found), np.int32)
        boxes = found.boxes_xyxy.astype(np.float64)
        sure = found.scores > self._score
        free = list(self._tracks)
        for places in (np.flatnonzero(sure), np.flatnonzero(~sure)):
            pairs = self._pairs(boxes[places], found.class_ids[places], free)
            for place, track in pairs:
                index = int(places[place])
                numbers[index] = track.number
                if seen:
                    track.see(boxes[index], int(found.class_ids[index]))
            taken = {id(track) for _, track in pairs}
            free = [track for track in free if id(track) not in taken]
        if seen:
            for index in np.flatnonzero(sure & (numbers == 0)).tolist():
                self._last += 1
                numbers[index] = self._last
                self._tracks.append(
                    _Track(self._last, boxes[index].copy(), int(found.class_ids[index]))
                )
            self._tracks = [t for t in self._tracks if t.unseen <= self._config.patience]
        shown = sure | np.isin(numbers, list(self._shown))
        self._shown = frozenset(numbers[shown].tolist())
        return Followed(numbers, shown)

    def _least(self, same_class: np.ndarray) -> np.ndarray:
        """The overlap from which on an object is one of before."""
        return np.where(same_class, self._config.iou, self._config.other_class_iou)

    def _pairs(
        self, boxes_xyxy: np.ndarray, class_ids: np.ndarray, tracks: list[_Track]
    ) -> list[tuple[int, _Track]]:
        """Places and the tracks that they continue: the largest overlap first, each once."""
        if not len(boxes_xyxy) or not tracks:
            return []
        overlap = _iou(boxes_xyxy, np.stack([track.box_xyxy for track in tracks]))  # (N, T)
        same = class_ids[:, None] == np.array([track.class_id for track in tracks])
        overlap[overlap < self._least(same)] = 0
        pairs = []
        for flat in np.argsort(-overlap, axis=None, kind="stable")[: np.count_nonzero(overlap)]:
            place, track = divmod(int(flat), len(tracks))
            if overlap[place, track]:
                overlap[place, :] = overlap[:, track] = 0
                pairs.append((place, tracks[track]))
        return pairs


class TrackedFrame:
    """A tracker at one frame, as the fusion calls it; see `Follower`.

    Args:
        tracker: The tracker.
        seen: Whether the objects of the frame were looked for; see `Tracker`.
        passed: Frames since the one before.
    """

    def __init__(self, tracker: Tracker, *, seen: bool, passed: int) -> None:
        self._tracker, self._seen, self._passed = tracker, seen, passed

    def expects(self, boxes_xyxy: np.ndarray, may_be: Sequence[Sequence[int]]) -> np.ndarray:
        """Whether each object can be one that was shown before."""
        return self._tracker.expects(boxes_xyxy, may_be)

    def __call__(self, found: InstanceResult) -> Followed:
        """The objects of the frame."""
        return self._tracker(found, seen=self._seen, passed=self._passed)


@dataclass
class _Track:
    """An object that is followed."""

    number: int
    box_xyxy: np.ndarray  # (4,) float64, where it was seen or is expected
    class_id: int
    unseen: int = 0  # frames since it was seen
    speed: np.ndarray = field(default_factory=lambda: np.zeros(4))  # of each side, pixels per frame

    def __post_init__(self) -> None:
        self._seen_xyxy = self.box_xyxy.copy()

    def see(self, box_xyxy: np.ndarray, class_id: int) -> None:
        """Here it is, in the frame that is expected."""
        if self.unseen:
            moved = (box_xyxy - self._seen_xyxy) / self.unseen
            known = self.speed.any()
            self.speed = self.speed + _SMOOTHING * (moved - self.speed) if known else moved
        self.box_xyxy, self._seen_xyxy = box_xyxy.copy(), box_xyxy.copy()
        self.class_id, self.unseen = class_id, 0


def _iou(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of all pairs: (N, 4) and (T, 4) to (N, T); 0 for boxes without area."""
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = [np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1) for b in (first_xyxy, second_xyxy)]
    union = areas[0][:, None] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
