"""The one torch dataset over a prepared folder, its augmentation, and batches that can be resumed."""

from .augment import Augmentation, AugmentConfig
from .batches import ResumableBatches
from .segmentation import SegmentationDataset, TrainItem, ValItem, collate_train, collate_val

__all__ = [
    "AugmentConfig",
    "Augmentation",
    "ResumableBatches",
    "SegmentationDataset",
    "TrainItem",
    "ValItem",
    "collate_train",
    "collate_val",
]
