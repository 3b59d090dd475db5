"""The torch datasets over prepared folders, their augmentation, and batches that can be resumed."""

from .augment import Augmentation, AugmentConfig
from .batches import ResumableBatches, SharedDraws
from .border_weights import BorderWeightConfig, BorderWeights
from .cache_format import CachedFolder, CacheSettings
from .cache_writer import CacheWriter
from .depth import DepthConfidence, DepthTargets, focal_at
from .mixture import Mixture, Part, open_mixture
from .object_folders import ObjectFolders, open_object_folders, true_objects
from .objects import (
    ObjectDataset,
    ObjectItem,
    ObjectPicture,
    collate_object_pictures,
    collate_objects,
)
from .segmentation import SegmentationDataset, TrainItem, ValItem, collate_train, collate_val
from .teacher_cache import CachedLogits, TeacherCache, is_cache

__all__ = [
    "AugmentConfig",
    "Augmentation",
    "BorderWeightConfig",
    "BorderWeights",
    "CacheSettings",
    "CacheWriter",
    "CachedFolder",
    "CachedLogits",
    "DepthConfidence",
    "DepthTargets",
    "Mixture",
    "ObjectDataset",
    "ObjectFolders",
    "ObjectItem",
    "ObjectPicture",
    "Part",
    "ResumableBatches",
    "SegmentationDataset",
    "SharedDraws",
    "TeacherCache",
    "TrainItem",
    "ValItem",
    "collate_object_pictures",
    "collate_objects",
    "collate_train",
    "collate_val",
    "focal_at",
    "is_cache",
    "open_mixture",
    "open_object_folders",
    "true_objects",
]
