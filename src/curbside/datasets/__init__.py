"""The one torch dataset over prepared folders, its augmentation, and batches that can be resumed."""

from .augment import Augmentation, AugmentConfig
from .batches import ResumableBatches, SharedDraws
from .mixture import Mixture, Part, open_mixture
from .segmentation import SegmentationDataset, TrainItem, ValItem, collate_train, collate_val

__all__ = [
    "AugmentConfig",
    "Augmentation",
    "Mixture",
    "Part",
    "ResumableBatches",
    "SegmentationDataset",
    "SharedDraws",
    "TrainItem",
    "ValItem",
    "collate_train",
    "collate_val",
    "open_mixture",
]
