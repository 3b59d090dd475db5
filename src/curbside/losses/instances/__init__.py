"""What a network that finds objects learns from: which place is which object's, and how wrong each is."""

from .assignment import Assignment, TaskAlignedConfig, assign
from .boxes import complete_iou, distance_focal, pairwise_iou
from .masks import mask_losses, mask_targets
from .objects import InstanceLoss, InstanceLossConfig, Truth
from .places import Places, expected_distances

__all__ = [
    "Assignment",
    "InstanceLoss",
    "InstanceLossConfig",
    "Places",
    "TaskAlignedConfig",
    "Truth",
    "assign",
    "complete_iou",
    "distance_focal",
    "expected_distances",
    "mask_losses",
    "mask_targets",
    "pairwise_iou",
]
