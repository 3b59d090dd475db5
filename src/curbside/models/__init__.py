"""Networks: one file per architecture over shared encoders, one `forward` for all.

Every network is built by its config, `SomeConfig(...).build(num_classes)`, and returns a
`ModelOutput`. `model_configs()` finds the configs by listing this folder; `networks()` gives those that
have a name, such as `deeplabv3plus-resnet18`.
"""

from .base import (
    FeatureSpec,
    ModelConfig,
    ModelOutput,
    Network,
    SegmentationModel,
    load_network,
    model_configs,
    networks,
    normalize,
    upsample,
)
from .deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from .encoder import Encoder, EncoderConfig
from .keys import KeyMap
from .lraspp import LRASPP, LRASPPConfig
from .upernet import UPerNet, UPerNetConfig
from .weights import LoadedWeights, load_weights

__all__ = [
    "LRASPP",
    "DeepLabV3Plus",
    "DeepLabV3PlusConfig",
    "Encoder",
    "EncoderConfig",
    "FeatureSpec",
    "KeyMap",
    "LRASPPConfig",
    "LoadedWeights",
    "ModelConfig",
    "ModelOutput",
    "Network",
    "SegmentationModel",
    "UPerNet",
    "UPerNetConfig",
    "load_network",
    "load_weights",
    "model_configs",
    "networks",
    "normalize",
    "upsample",
]
