"""Which place learns which object: those that already do best at class and box together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import ConfigError
from ..base import check_factor
from .boxes import pairwise_iou
from .places import Places

__all__ = ["Assignment", "TaskAlignedConfig", "assign"]


@dataclass(frozen=True, kw_only=True)
class TaskAlignedConfig:
    """How places are given to objects."""

    count: int = 13
    """Places of an object at most."""
    class_power: float = 1.0
    """Exponent of the class's probability in how well a place does."""
    box_power: float = 6.0
    """Exponent of the box's overlap with the true one."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(
                f"{self.count} places per object are impossible", fix="give 1 or more"
            )
        check_factor("power of the class", self.class_power)
        check_factor("power of the box", self.box_power)


class Assignment(NamedTuple):
    """What each of P places is to learn."""

    objects: Tensor
    """(P,) int64, number of the object, -1 for none."""
    quality: Tensor
    """(P,) float in 0..1: the score that its class is to get there, 0 for none."""


@torch.no_grad()
def assign(
    config: TaskAlignedConfig,
    places: Places,
    probabilities: Tensor,
    boxes_xyxy: Tensor,
    true_boxes: Tensor,
    true_classes: Tensor,
) -> Assignment:
    """Give places to the objects of one picture.

    Candidates of an object are the places whose point is in its box; a box narrower than the finest
    cell counts as that wide, so that every object has one. Of several objects that want a place, the
    one whose box overlaps most with the place's gets it. The best place of an object is to score as
    high as its best box overlaps, the others by how much worse they do.

    Args:
        config: The exponents.
        places: The P places.
        probabilities: (P, C) of every class, 0..1.
        boxes_xyxy: (P, 4) proposed boxes in pixels.
        true_boxes: (N, 4) in pixels.
        true_classes: (N,) int64.

    Source: Feng et al. 2021, TOOD: Task-aligned One-stage Object Detection.
    """
    count = len(places.strides)
    objects = torch.full((count,), -1, dtype=torch.int64, device=boxes_xyxy.device)
    quality = torch.zeros(count, device=boxes_xyxy.device)
    if not len(true_boxes):
        return Assignment(objects, quality)
    overlap = pairwise_iou(true_boxes, boxes_xyxy)  # (N, P)
    inside = _inside(true_boxes, places)
    scores = probabilities.T[true_classes]  # (N, P)
    done = scores**config.class_power * overlap**config.box_power
    best = done.masked_fill(~inside, -1).topk(min(config.count, count), dim=1).indices
    chosen = torch.zeros_like(inside).scatter_(1, best, True) & inside
    wanted = chosen.any(dim=0)
    owner = overlap.masked_fill(~chosen, -1).argmax(dim=0)  # (P,)
    objects[wanted] = owner[wanted]
    own = torch.zeros_like(inside)
    own[owner[wanted], wanted.nonzero()[:, 0]] = True
    done, overlap = done * own, overlap * own
    scale = overlap.amax(dim=1) / done.amax(dim=1).clamp(min=1e-12)
    quality[wanted] = (done * scale[:, None]).sum(dim=0)[wanted].clamp(max=1)
    return Assignment(objects, quality)


def _inside(boxes_xyxy: Tensor, places: Places) -> Tensor:
    """Whether each point is in each box, (N, P) bool; its left and upper edge belong to a box."""
    finest = places.strides.min()
    missing = (finest - (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])).clamp(min=0) / 2
    low, high = (
        boxes_xyxy[:, None, :2] - missing[:, None],
        boxes_xyxy[:, None, 2:] + missing[:, None],
    )
    return ((places.points_xy >= low) & (places.points_xy < high)).all(dim=-1)
