"""Networks: one file per architecture over shared encoders, one `forward` for all.

Every network is built by its config, `SomeConfig(...).build(num_classes)`, and returns a
`ModelOutput`. `model_configs()` finds the configs by listing this folder.
"""

from .base import (
    FeatureSpec,
    ModelConfig,
    ModelOutput,
    SegmentationModel,
    model_configs,
    normalize,
    upsample,
)
from .deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from .encoder import EncoderConfig, TimmEncoder
from .lraspp import LRASPP, LRASPPConfig
from .upernet import UPerNet, UPerNetConfig

__all__ = [
    "LRASPP",
    "DeepLabV3Plus",
    "DeepLabV3PlusConfig",
    "EncoderConfig",
    "FeatureSpec",
    "LRASPPConfig",
    "ModelConfig",
    "ModelOutput",
    "SegmentationModel",
    "TimmEncoder",
    "UPerNet",
    "UPerNetConfig",
    "model_configs",
    "normalize",
    "upsample",
]
