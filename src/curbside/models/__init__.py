"""Networks: one file per architecture over shared encoders, one `forward` for all of a task.

Every network is built by its config, `SomeConfig(...).build(num_classes)`. A semantic one returns a
`ModelOutput`, one that finds objects an `InstanceOutput`. `model_configs()` and
`instance_model_configs()` find the configs by listing this folder; `networks()` and
`instance_networks()` give those that have a name, such as `deeplabv3plus-resnet18`.
"""

from .base import (
    FeatureSpec,
    Model,
    ModelConfig,
    ModelOutput,
    Network,
    NetworkConfig,
    SegmentationModel,
    best_class,
    load_network,
    model_configs,
    nearest,
    networks,
    normalize,
    two_sided,
    upsample,
)
from .deeplabv3 import DeepLabV3, DeepLabV3Config
from .deeplabv3plus import DeepLabV3Plus, DeepLabV3PlusConfig
from .encoder import Encoder, EncoderConfig
from .enet import ENet, ENetConfig
from .fpn import FPN, FPNConfig
from .hrnet import HRNet, HRNetConfig
from .inference import inference_form
from .instance_base import (
    InstanceModel,
    InstanceModelConfig,
    InstanceOutput,
    instance_model_configs,
    instance_networks,
    load_instance_network,
)
from .keys import KeyMap
from .lightweight_refinenet import LightWeightRefineNet, LightWeightRefineNetConfig
from .linknet import Linknet, LinknetConfig
from .lraspp import LRASPP, LRASPPConfig
from .manet import MAnet, MAnetConfig
from .pan import PAN, PANConfig
from .pidnet import PIDNet, PIDNetConfig
from .prototype_masks import PrototypeMasks, PrototypeMasksConfig
from .pspnet import PSPNet, PSPNetConfig
from .segformer import SegFormer, SegFormerConfig
from .sfnet import SFNet, SFNetConfig
from .sfnet_lite import SFNetLite, SFNetLiteConfig
from .swiftnet import SwiftNet, SwiftNetConfig
from .swiftnet_pyramid import SwiftNetPyramid, SwiftNetPyramidConfig
from .unet import Unet, UnetConfig
from .unetplusplus import UnetPlusPlus, UnetPlusPlusConfig
from .upernet import UPerNet, UPerNetConfig
from .weights import LoadedWeights, load_weights

__all__ = [
    "FPN",
    "LRASPP",
    "PAN",
    "DeepLabV3",
    "DeepLabV3Config",
    "DeepLabV3Plus",
    "DeepLabV3PlusConfig",
    "ENet",
    "ENetConfig",
    "Encoder",
    "EncoderConfig",
    "FPNConfig",
    "FeatureSpec",
    "HRNet",
    "HRNetConfig",
    "InstanceModel",
    "InstanceModelConfig",
    "InstanceOutput",
    "KeyMap",
    "LRASPPConfig",
    "LightWeightRefineNet",
    "LightWeightRefineNetConfig",
    "Linknet",
    "LinknetConfig",
    "LoadedWeights",
    "MAnet",
    "MAnetConfig",
    "Model",
    "ModelConfig",
    "ModelOutput",
    "Network",
    "NetworkConfig",
    "PANConfig",
    "PIDNet",
    "PIDNetConfig",
    "PSPNet",
    "PSPNetConfig",
    "PrototypeMasks",
    "PrototypeMasksConfig",
    "SFNet",
    "SFNetConfig",
    "SFNetLite",
    "SFNetLiteConfig",
    "SegFormer",
    "SegFormerConfig",
    "SegmentationModel",
    "SwiftNet",
    "SwiftNetConfig",
    "SwiftNetPyramid",
    "SwiftNetPyramidConfig",
    "UPerNet",
    "UPerNetConfig",
    "Unet",
    "UnetConfig",
    "UnetPlusPlus",
    "UnetPlusPlusConfig",
    "best_class",
    "inference_form",
    "instance_model_configs",
    "instance_networks",
    "load_instance_network",
    "load_network",
    "load_weights",
    "model_configs",
    "nearest",
    "networks",
    "normalize",
    "two_sided",
    "upsample",
]
