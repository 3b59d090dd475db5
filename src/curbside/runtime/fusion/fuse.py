"""A class map and objects to one picture, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...errors import ConfigError
from ...labels import IGNORE_ID, LabelSpace
from ...results import Disagreement, InstanceResult, MaskCrop, PanopticResult, SemanticResult
from .classes import fused_classes
from .config import FusionConfig

__all__ = ["Fusion"]


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
        track_ids: np.ndarray | None = None,
        least_scores: np.ndarray | None = None,
    ) -> PanopticResult:
        """One picture of both.

        Args:
            semantic: The class map.
            instances: The objects of the same frame, best first.
            track_ids: Numbers that stay with them, (N,) int32; none where not given.
            least_scores: What the score of each must be above, (N,); the config's where not given.

        Raises:
            ConfigError: The two results are of other label spaces than the rules, or differ in size.
        """
        self._check(semantic, instances)
        pixels = semantic.ids.size
        order, agreed = self._order(semantic, instances)
        if least_scores is None:
            least_scores = np.full(len(instances), self.config.score)
        enough = instances.scores > least_scores.astype(np.float32)
        ids = semantic.ids.copy()
        disagreement = cv2.LUT(semantic.ids, self._countable)
        taken = np.zeros(semantic.size_hw, bool)
        kept: list[_Kept] = []
        refused: list[MaskCrop] = []
        for index in order.tolist():
            mask, instance_id = instances.masks[index], int(instances.class_ids[index])
            if instance_id not in self._classes.choices or not enough[index]:
                continue
            there = semantic.ids[mask.window]
            supported = self._classes.supports[instance_id][there]
            own = mask.inside & ~taken[mask.window]
            if self.config.pixels == "agreed":
                own &= supported
            if not self._stands(instances, index, agreed[index], mask, own, pixels):
                refused.append(mask)
                continue
            taken[mask.window] |= own
            class_id = self._class(instance_id, there[own & supported])
            ids[mask.window][own] = class_id
            against = own & ~supported
            disagreement[mask.window][own] = Disagreement.NONE
            disagreement[mask.window][against] = Disagreement.CLASS
            kept.append(_Kept(index, class_id, replace(mask, inside=own)))
        for mask in refused:
            disagreement[mask.window][mask.inside & ~taken[mask.window]] = Disagreement.REFUSED
        if self.config.min_stuff_area:
            self._leave_out_specks(ids, taken, pixels)
        return self._result(ids, disagreement, kept, instances, track_ids)

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

    def _stands(
        self,
        instances: InstanceResult,
        index: int,
        agreed: float,
        mask: MaskCrop,
        own: np.ndarray,
        pixels: int,
    ) -> bool:
        """Whether an object is shown."""
        left = np.count_nonzero(own)
        if left == 0 or left < self.config.min_area * pixels:
            return False
        if left < self.config.min_visible * mask.area:
            return False
        return (
            agreed >= self.config.min_agreement or instances.scores[index] >= self.config.sure_score
        )

    def _class(self, instance_id: int, supporting: np.ndarray) -> int:
        """What an object becomes: of the classes that it can be, the one most of its pixels show."""
        choices = self._classes.choices[instance_id]
        if len(choices) == 1:
            return choices[0]
        votes = np.bincount(supporting, minlength=256)
        return max(choices, key=lambda choice: votes[choice])  # the first of equal ones

    def _leave_out_specks(self, ids: np.ndarray, taken: np.ndarray, pixels: int) -> None:
        """Ignore classes with too few pixels outside the objects, in place."""
        counts = np.bincount(ids[~taken], minlength=256)
        specks = np.zeros(256, bool)
        for item in self.space.classes:
            few = counts[item.id] < self.config.min_stuff_area * pixels
            specks[item.id] = few and not item.has_instances
        if (counts * specks).any():
            ids[specks[ids] & ~taken] = IGNORE_ID

    def _result(
        self,
        ids: np.ndarray,
        disagreement: np.ndarray,
        kept: list[_Kept],
        instances: InstanceResult,
        track_ids: np.ndarray | None,
    ) -> PanopticResult:
        places = np.array([item.index for item in kept], np.int64)
        numbers = np.zeros(len(instances), np.int32) if track_ids is None else track_ids
        names = instances.names
        return PanopticResult(
            ids=ids,
            objects=InstanceResult(
                boxes_xyxy=instances.boxes_xyxy[places],
                scores=instances.scores[places],
                class_ids=np.array([item.class_id for item in kept], np.uint8),
                masks=tuple(item.mask for item in kept),
                space=self.space,
                size_hw=instances.size_hw,
            ),
            found_as=tuple(names[item.index] for item in kept),
            track_ids=numbers[places],
            disagreement=disagreement,
        )


@dataclass(frozen=True)
class _Kept:
    """An object that is shown."""

    index: int
    """Its place among those that were found."""
    class_id: int
    """Its class in the fused space."""
    mask: MaskCrop
    """The pixels that it owns."""
