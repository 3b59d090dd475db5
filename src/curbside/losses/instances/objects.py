"""The loss of a network that finds objects: classes, boxes, distances and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ConfigError
from ..base import LossOutput, check_factor
from .assignment import TaskAlignedConfig, assign
from .boxes import complete_iou, distance_focal
from .masks import mask_losses, mask_targets
from .places import Places, expected_distances

__all__ = ["InstanceLoss", "InstanceLossConfig", "Truth"]


@dataclass(frozen=True, kw_only=True)
class InstanceLossConfig:
    """What counts how much."""

    assignment: TaskAlignedConfig = field(default_factory=TaskAlignedConfig)
    """Which place learns which object."""
    class_weight: float = 1.0
    """Factor of the classes' loss."""
    focus: float = 2.0
    """Exponent by which a place counts less the nearer its score is already; 0 for plain cross-entropy."""
    box_weight: float = 2.0
    """Factor of the boxes' loss."""
    distance_weight: float = 0.5
    """Factor of the loss on the distributions of distances."""
    mask_weight: float = 1.0
    """Factor of the masks' cross-entropy."""
    dice_weight: float = 2.0
    """Factor of the masks' Dice loss."""
    detail: int = 2
    """Times that mixed masks are enlarged before they are compared, between the centres of cells as the
    runtime enlarges them: what is narrower than a cell of the prototypes can then be learnt."""
    masks: int = 100
    """Places of a picture that learn masks at most, the best ones: what memory bears."""

    def __post_init__(self) -> None:
        for name in ("class", "box", "distance", "mask", "dice"):
            check_factor(f"{name} weight", getattr(self, f"{name}_weight"))
        check_factor("focus", self.focus)
        for name in ("masks", "detail"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give 1 or more")

    def build(self, strides: Sequence[int]) -> InstanceLoss:
        """The loss for a network whose maps have these strides."""
        return InstanceLoss(self, strides)


class Truth(NamedTuple):
    """The objects of a batch of pictures."""

    boxes_xyxy: tuple[Tensor, ...]
    """(N, 4) float32 per picture: left, top, right, bottom in pixels."""
    classes: tuple[Tensor, ...]
    """(N,) int64 per picture, channels."""
    objects: Tensor
    """(B, H, W) int16: 0 for none, then number of the object + 1; -1 where nobody knows."""


class InstanceLoss(nn.Module):
    """Quality focal loss of the classes, complete IoU of the boxes, distribution focal loss of the
    distances, cross-entropy and Dice of the masks. All but the first count by a place's quality, and all
    are divided by the sum of qualities.

    Args:
        config: What counts how much.
        strides: Pixels per cell of each map.

    Source: Feng et al. 2021, TOOD; Li et al. 2020, Generalized Focal Loss; Zheng et al. 2020,
    Distance-IoU Loss; Bolya et al. 2019, YOLACT.
    """

    def __init__(self, config: InstanceLossConfig, strides: Sequence[int]) -> None:
        super().__init__()
        self._config, self._strides = config, tuple(strides)

    def forward(
        self,
        box_distribution: Sequence[Tensor],
        class_scores: Sequence[Tensor],
        mask_coefficients: Sequence[Tensor],
        prototypes: Tensor,
        truth: Truth,
    ) -> LossOutput:
        """Compare what a network proposes with the truth.

        Args:
            box_distribution: (B, 4 * bins, h, w) per map, with gradient, as are the others.
            class_scores: (B, C, h, w) per map, before the sigmoid.
            mask_coefficients: (B, K, h, w) per map.
            prototypes: (B, K, H / s, W / s), at any stride s.
            truth: The objects.
        """
        config = self._config
        places = Places.of(class_scores, self._strides)
        distributions, scores, mixes = map(
            Places.rows, (box_distribution, class_scores, mask_coefficients)
        )
        boxes = places.boxes(expected_distances(distributions))  # (B, P, 4)
        probabilities = scores.sigmoid()
        wanted = torch.zeros_like(scores)
        counts = torch.ones(scores.shape[:2], device=scores.device)
        sums = {name: scores.new_zeros(()) for name in ("class", "box", "distance", "mask", "dice")}
        norm = scores.new_zeros(())
        pictures = zip(truth.boxes_xyxy, truth.classes, truth.objects, strict=True)
        for number, (true_boxes, classes, objects) in enumerate(pictures):
            given = assign(
                config.assignment,
                places,
                probabilities[number].detach(),
                boxes[number].detach(),
                true_boxes,
                classes,
            )
            at = (given.objects >= 0).nonzero()[:, 0]
            own, quality = given.objects[at], given.quality[at]
            counts[number] = ~_unknown(objects, places)
            counts[number, at] = 1
            wanted[number, at, classes[own]] = quality
            norm = norm + quality.sum()
            found = 1 - complete_iou(boxes[number, at], true_boxes[own])
            sums["box"] = sums["box"] + (found * quality).sum()
            distances = places.take(at).distances(true_boxes[own])
            found = distance_focal(distributions[number, at], distances)
            sums["distance"] = sums["distance"] + (found * quality).sum()
            if len(at):
                best = quality.argsort(descending=True, stable=True)[: config.masks]
                masks = self._masks(
                    mixes[number, at[best]], prototypes[number], objects, own[best], true_boxes
                )
                # Where not all learn masks, those that do stand for all.
                share = quality[best] * (quality.sum() / quality[best].sum().clamp(min=1e-6))
                for name, found in zip(("mask", "dice"), masks, strict=True):
                    sums[name] = sums[name] + (found * share).sum()
        entropy = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        focus = (wanted - probabilities).abs() ** config.focus
        sums["class"] = (entropy * focus * counts[..., None]).sum()
        parts = {name: value / norm.clamp(min=1) for name, value in sums.items()}
        weighed = [getattr(config, f"{name}_weight") * value for name, value in parts.items()]
        return LossOutput(
            torch.stack(weighed).sum(), {name: value.detach() for name, value in parts.items()}
        )

    def _masks(
        self, mixes: Tensor, prototypes: Tensor, objects: Tensor, own: Tensor, true_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The losses of the masks at N places: of (N, K) coefficients, for the objects `own`."""
        mixed = torch.einsum("nk,khw->nhw", mixes, prototypes.float())
        if self._config.detail > 1:
            scale = float(self._config.detail)
            mixed = F.interpolate(
                mixed[:, None], scale_factor=scale, mode="bilinear", align_corners=False
            )[:, 0]
        cells_hw = mixed.shape[1], mixed.shape[2]
        numbers, place = own.unique(return_inverse=True)
        targets = mask_targets(objects, numbers + 1, cells_hw)[place]
        stride = objects.shape[0] / cells_hw[0]
        return mask_losses(mixed, targets, true_boxes[own] / stride)


def _unknown(objects: Tensor, places: Places) -> Tensor:
    """The places whose point is on a pixel that nobody knows, (P,) bool."""
    columns, rows = places.points_xy.long().unbind(1)
    return objects[rows, columns] < 0
