"""A class map and objects to one picture, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from ...errors import ConfigError
from ...labels import IGNORE_ID, LabelSpace
from ...results import Disagreement, InstanceResult, MaskCrop, PanopticResult, SemanticResult
from .classes import fused_classes
from .config import FusionConfig

__all__ = ["Followed", "Follower", "Fusion"]


class Follower(Protocol):
    """Knows objects from frame to frame; see `Tracker`."""

    def expects(self, boxes_xyxy: np.ndarray, may_be: Sequence[Sequence[int]]) -> np.ndarray:
        """Whether each object, by its box and the classes that it can be, may be one shown before."""

    def __call__(self, found: InstanceResult) -> Followed:
        """The objects of the next frame."""


class Followed(NamedTuple):
    """What is known of objects from the frames before."""

    numbers: np.ndarray
    """Numbers that stay with them, (N,) int32; 0 for none."""
    shown: np.ndarray
    """Whether they are shown, (N,) bool."""


class Fusion:
    """The rules of a `FusionConfig` between two label spaces; call it with the results of a frame.

    Better objects come first. An object is refused where better ones cover most of it, where too
    little is left, or where the class map says what it cannot be and its score is not sure. What is
    left is of the class, among those that it can be, that the map shows on most of its pixels.

    Args:
        semantic: What the ids of class maps mean.
        instances: What the ids of objects mean.
        config: The rules.

    Raises:
        LabelError: No object of the one could ever be shown with the other.

    Source: Kirillov et al. 2019, Panoptic Segmentation (the greedy order and `min_visible`).
    """

    def __init__(
        self, semantic: LabelSpace, instances: LabelSpace, config: FusionConfig | None = None
    ) -> None:
        self.config = config or FusionConfig()
        self._classes = fused_classes(semantic, instances, self.config)
        self._semantic, self._instances = semantic, instances
        self._supports = self._classes.supports.astype(np.uint8)
        self._countable = self._classes.countable.astype(np.uint8) * np.uint8(
            Disagreement.NO_OBJECT
        )

    @property
    def space(self) -> LabelSpace:
        """What the ids of fused results mean."""
        return self._classes.space

    def __call__(
        self,
        semantic: SemanticResult,
        instances: InstanceResult,
        *,
        follower: Follower | None = None,
    ) -> PanopticResult:
        """One picture of both.

        Args:
            semantic: The class map.
            instances: The objects of the same frame.
            follower: Knows objects from the frames before; without it, what is above the config's
                `score` is shown, without numbers.

        Raises:
            ConfigError: The two results are of other label spaces than the rules, or differ in size.
        """
        self._check(semantic, instances)
        sure = instances.scores > np.float32(self.config.score)
        if follower is None:
            candidates = sure
        else:
            followed = instances.scores > np.float32(self.config.followed_score)
            may_be = [
                self._classes.choices.get(number, ()) for number in instances.class_ids.tolist()
            ]
            candidates = sure | (followed & follower.expects(instances.boxes_xyxy, may_be))
        standing, refused = self._standing(semantic, instances, candidates, sure)
        objects = self._objects(standing, instances)
        if follower is None:
            found = Followed(np.zeros(len(objects), np.int32), np.ones(len(objects), bool))
        else:
            found = follower(objects)
        shown = np.flatnonzero(found.shown)
        names = instances.names
        ids, disagreement = self._painted(semantic, [standing[i] for i in shown], refused)
        return PanopticResult(
            ids=ids,
            objects=objects.select(shown),
            found_as=tuple(names[standing[i].index] for i in shown),
            track_ids=found.numbers[shown],
            disagreement=disagreement,
        )

    def _check(self, semantic: SemanticResult, instances: InstanceResult) -> None:
        for given, made in ((semantic.space, self._semantic), (instances.space, self._instances)):
            if given != made:
                raise ConfigError(
                    f"a result of {given.name} came to rules made for {made.name}",
                    fix="make a Fusion for the label spaces of the two networks",
                )
        if semantic.size_hw != instances.size_hw:
            raise ConfigError(
                f"the class map is {semantic.size_hw[0]} x {semantic.size_hw[1]}, the objects are of"
                f" {instances.size_hw[0]} x {instances.size_hw[1]} (height x width)",
                fix="give both results of one frame at its size",
            )

    def _standing(
        self,
        semantic: SemanticResult,
        instances: InstanceResult,
        candidates: np.ndarray,
        sure: np.ndarray,
    ) -> tuple[list[_Standing], list[MaskCrop]]:
        """The candidates that pass the rules, sure and better ones first, and the masks of the others."""
        places = [
            place
            for place in np.flatnonzero(candidates).tolist()
            if int(instances.class_ids[place]) in self._classes.choices
        ]
        scores = instances.scores.tolist()
        worth = {place: scores[place] for place in places}
        if self.config.conflicts == "agreement":
            for place in places:
                worth[place] *= self._asked(semantic, instances, place).share
        taken = np.zeros(semantic.size_hw, bool)
        standing: list[_Standing] = []
        refused: list[MaskCrop] = []
        for place in sorted(places, key=lambda place: (not sure[place], -worth[place])):
            mask = instances.masks[place]
            own = mask.inside & ~taken[mask.window]
            enough = self._enough(
                own, mask, semantic.ids.size
            )  # before the map is asked: it is quick
            asked = self._asked(semantic, instances, place) if enough else None
            if asked is not None and self.config.pixels == "agreed":
                own &= asked.supported
                enough = self._enough(own, mask, semantic.ids.size)
            agreed = asked is not None and (
                asked.share >= self.config.min_agreement or scores[place] >= self.config.sure_score
            )
            if asked is None or not (enough and agreed):
                refused.append(mask)
                continue
            taken[mask.window] |= own
            there = semantic.ids[mask.window][own & asked.supported]
            class_id = self._class(int(instances.class_ids[place]), there)
            standing.append(_Standing(place, class_id, replace(mask, inside=own), ~asked.supported))
        return standing, refused

    def _asked(self, semantic: SemanticResult, instances: InstanceResult, place: int) -> _Asked:
        """What the class map says to an object."""
        mask = instances.masks[place]
        there = np.ascontiguousarray(semantic.ids[mask.window])
        if not there.size:
            return _Asked(np.zeros(there.shape, bool), 1.0)
        supported = cv2.LUT(there, self._supports[instances.class_ids[place]]).view(bool)
        silent = np.count_nonzero(mask.inside & (there == IGNORE_ID))
        speaks = mask.area - silent
        for_it = np.count_nonzero(mask.inside & supported) - silent
        return _Asked(supported, for_it / speaks if speaks else 1.0)

    def _enough(self, own: np.ndarray, mask: MaskCrop, pixels: int) -> bool:
        """Whether an object has enough pixels left."""
        left = np.count_nonzero(own)
        least = max(1.0, self.config.min_area * pixels, self.config.min_visible * mask.area)
        return bool(left >= least)

    def _class(self, instance_id: int, supporting: np.ndarray) -> int:
        """What an object becomes: of the classes that it can be, the one most of its pixels show."""
        choices = self._classes.choices[instance_id]
        if len(choices) == 1:
            return choices[0]
        votes = np.bincount(supporting, minlength=256)
        return max(choices, key=lambda choice: votes[choice])  # the first of equal ones

    def _objects(self, standing: list[_Standing], instances: InstanceResult) -> InstanceResult:
        """What stands, in the fused label space."""
        places = np.array([item.index for item in standing], np.int64)
        return InstanceResult(
            boxes_xyxy=instances.boxes_xyxy[places],
            scores=instances.scores[places],
            class_ids=np.array([item.class_id for item in standing], np.uint8),
            masks=tuple(item.mask for item in standing),
            space=self.space,
            size_hw=instances.size_hw,
        )

    def _painted(
        self, semantic: SemanticResult, shown: list[_Standing], refused: list[MaskCrop]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The classes with the objects over them, and where the two networks disagree."""
        ids = semantic.ids.copy()
        disagreement = cv2.LUT(semantic.ids, self._countable)
        taken = np.zeros(semantic.size_hw, bool)
        for item in shown:
            window, own = item.mask.window, item.mask.inside
            taken[window] |= own
            ids[window][own] = item.class_id
            disagreement[window][own] = Disagreement.NONE
            disagreement[window][own & item.against] = Disagreement.CLASS
        for mask in refused:
            disagreement[mask.window][mask.inside & ~taken[mask.window]] = Disagreement.REFUSED
        if self.config.min_stuff_area:
            self._leave_out_specks(ids, taken)
        return ids, disagreement

    def _leave_out_specks(self, ids: np.ndarray, taken: np.ndarray) -> None:
        """Ignore classes with too few pixels outside the objects, in place."""
        counts = np.bincount(ids[~taken], minlength=256)
        specks = np.zeros(256, bool)
        for item in self.space.classes:
            few = counts[item.id] < self.config.min_stuff_area * ids.size
            specks[item.id] = few and not item.has_instances
        if (counts * specks).any():
            ids[specks[ids] & ~taken] = IGNORE_ID


class _Asked(NamedTuple):
    """What the class map says to an object."""

    supported: np.ndarray
    """Where it says what the object can be, or nothing: (h, w) bool, like its mask."""
    share: float
    """Share of the object's pixels on which it does, of those on which it says anything."""


@dataclass(frozen=True)
class _Standing:
    """An object that passes the rules."""

    index: int
    """Its place among those that were found."""
    class_id: int
    """Its class in the fused space."""
    mask: MaskCrop
    """The pixels that it owns."""
    against: np.ndarray
    """Where the class map says what it cannot be, (h, w) bool like its mask."""
