"""A class map and objects to one picture, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from ...errors import ConfigError
from ...labels import IGNORE_ID, LabelSpace
from ...results import Disagreement, InstanceResult, MaskCrop, PanopticResult, SemanticResult
from .classes import fused_classes
from .config import FusionConfig

__all__ = ["Followed", "Fusion"]


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
        follow: Callable[[InstanceResult], Followed] | None = None,
    ) -> PanopticResult:
        """One picture of both.

        Args:
            semantic: The class map.
            instances: The objects of the same frame.
            follow: Numbers what stands, down to the config's `followed_score`, and says what of it is
                shown; without it, what is above the config's `score` is shown, without numbers.

        Raises:
            ConfigError: The two results are of other label spaces than the rules, or differ in size.
        """
        self._check(semantic, instances)
        least = self.config.score if follow is None else self.config.followed_score
        standing, refused = self._standing(semantic, instances, least)
        objects = self._objects(standing, instances)
        if follow is None:
            followed = Followed(np.zeros(len(objects), np.int32), np.ones(len(objects), bool))
        else:
            followed = follow(objects)
        shown = np.flatnonzero(followed.shown)
        names = instances.names
        ids, disagreement = self._painted(semantic, [standing[i] for i in shown], refused)
        return PanopticResult(
            ids=ids,
            objects=objects.select(shown),
            found_as=tuple(names[standing[i].index] for i in shown),
            track_ids=followed.numbers[shown],
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

    def _order(
        self, semantic: SemanticResult, instances: InstanceResult
    ) -> tuple[np.ndarray, np.ndarray]:
        """The objects, best first, and the share of each on which the class map agrees: (N,) each."""
        shares = []
        for class_id, mask in zip(instances.class_ids.tolist(), instances.masks, strict=True):
            said = np.bincount(semantic.ids[mask.window][mask.inside], minlength=256)
            speaks = mask.area - said[IGNORE_ID]
            for_it = said @ self._classes.supports[class_id] - said[IGNORE_ID]
            shares.append(for_it / speaks if speaks else 1.0)
        agreed = np.array(shares)
        worth = instances.scores * (agreed if self.config.conflicts == "agreement" else 1)
        return np.argsort(-worth, kind="stable"), agreed

    def _standing(
        self, semantic: SemanticResult, instances: InstanceResult, least: float
    ) -> tuple[list[_Standing], list[MaskCrop]]:
        """The objects that pass the rules, best first, and the masks of those that do not."""
        order, agreed = self._order(semantic, instances)
        taken = np.zeros(semantic.size_hw, bool)
        standing: list[_Standing] = []
        refused: list[MaskCrop] = []
        for index in order.tolist():
            mask, instance_id = instances.masks[index], int(instances.class_ids[index])
            if instance_id not in self._classes.choices or not instances.scores[index] > np.float32(
                least
            ):
                continue
            there = semantic.ids[mask.window]
            supported = self._classes.supports[instance_id][there]
            own = mask.inside & ~taken[mask.window]
            if self.config.pixels == "agreed":
                own &= supported
            if not self._passes(
                mask, own, semantic.ids.size, agreed[index], instances.scores[index]
            ):
                refused.append(mask)
                continue
            taken[mask.window] |= own
            class_id = self._class(instance_id, there[own & supported])
            standing.append(_Standing(index, class_id, replace(mask, inside=own), ~supported))
        return standing, refused

    def _passes(
        self, mask: MaskCrop, own: np.ndarray, pixels: int, agreed: float, score: float
    ) -> bool:
        """Whether an object with these pixels left stands."""
        left = np.count_nonzero(own)
        if left == 0 or left < self.config.min_area * pixels:
            return False
        if left < self.config.min_visible * mask.area:
            return False
        return bool(agreed >= self.config.min_agreement or score >= self.config.sure_score)

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
