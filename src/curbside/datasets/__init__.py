"""The one torch dataset over prepared folders, its augmentation, and batches that can be resumed."""

from .augment import Augmentation, AugmentConfig
from .batches import ResumableBatches, SharedDraws
from .border_weights import BorderWeightConfig, BorderWeights
from .cache_format import CachedFolder, CacheSettings
from .cache_writer import CacheWriter
from .mixture import Mixture, Part, open_mixture
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
    "Mixture",
    "Part",
    "ResumableBatches",
    "SegmentationDataset",
    "SharedDraws",
    "TeacherCache",
    "TrainItem",
    "ValItem",
    "collate_train",
    "collate_val",
    "is_cache",
    "open_mixture",
]
