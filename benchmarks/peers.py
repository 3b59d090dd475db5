"""Our networks, each with the same architecture as others build it, for benchmarks to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import segmentation_models_pytorch
import torchvision
from torch import Tensor, nn

from curbside.models import (
    EncoderConfig,
    LRASPPConfig,
    ModelConfig,
    ModelOutput,
    SegmentationModel,
    networks,
)

__all__ = ["Group", "peer_groups"]

Group: TypeAlias = dict[str, ModelConfig]
"""One of our networks by its name, then those of others that it is compared with."""


def peer_groups() -> list[Group]:
    """All that can be measured; ours and its peers have the same layers, with the same widths.

    Where their counts differ: smp's PSPNet holds and runs deep stages that nothing reads (the exporter
    drops them), and torchvision's LR-ASPP resizes before its classifier, ours after. smp's PSPNet and
    UPerNet pool to grids of 3 and 6, which only pictures such as 384 x 384 can be exported with.
    """
    found: dict[str, Group] = {name: {name: item.config} for name, item in networks().items()}
    over_mobilenetv2 = {
        "unet": "Unet", "unetplusplus": "UnetPlusPlus", "manet": "MAnet", "linknet": "Linknet", "fpn": "FPN",
        "pspnet": "PSPNet", "pan": "PAN", "deeplabv3": "DeepLabV3",
    }  # fmt: skip
    peers = {
        f"{ours}-mobilenetv2": _smp(kind, "tu-mobilenetv2_100")
        for ours, kind in over_mobilenetv2.items()
    } | {
        "deeplabv3plus-mobilenetv2": _smp(
            "DeepLabV3Plus", "tu-mobilenetv2_100", decoder_atrous_rates=(6, 12, 18)
        ),
        "deeplabv3plus-resnet18": _smp(
            "DeepLabV3Plus", "resnet18", decoder_atrous_rates=(6, 12, 18)
        ),
        "deeplabv3plus-mobilenetv4-small": _smp(
            "DeepLabV3Plus", "tu-mobilenetv4_conv_small", decoder_atrous_rates=(6, 12, 18)
        ),
        "upernet-convnext-base": _smp("UPerNet", "tu-convnext_base"),
        "segformer-b0": _smp("Segformer", "mit_b0"),
        "segformer-b2": _smp("Segformer", "mit_b2", decoder_segmentation_channels=768),
    }
    for name, peer in peers.items():
        if name in found:
            found[name][f"smp {name}"] = peer
    # torchvision dilates the encoder and takes the detail from stride 8.
    encoder = EncoderConfig(name="mobilenetv3_large_100", output_stride=16)
    found["lraspp-mobilenetv3"] = {
        "lraspp-mobilenetv3": LRASPPConfig(encoder=encoder, detail_stride=8),
        "torchvision lraspp-mobilenetv3": _torchvision("lraspp_mobilenet_v3_large"),
    }
    return list(found.values())


@dataclass(frozen=True, kw_only=True)
class PeerConfig(ModelConfig):
    """Somebody else's network, to be exported and run as ours are."""

    make: Callable[..., nn.Module]
    """Gives it from random weights."""

    def build(self, num_classes: int) -> Peer:
        return Peer(self.make, num_classes)

    @property
    def title(self) -> str:
        return "a peer"


class Peer(SegmentationModel):
    """Somebody else's network behind our interface; its logits have the size of the picture."""

    def __init__(self, make: Callable[..., nn.Module], num_classes: int) -> None:
        super().__init__(num_classes)
        self.network = make(num_classes)

    def forward(self, image: Tensor) -> ModelOutput:
        given = self.network(image)
        return ModelOutput(logits=given["out"] if isinstance(given, dict) else given)


def _smp(kind: str, encoder: str, **options: Any) -> PeerConfig:
    build = getattr(segmentation_models_pytorch, kind)
    return PeerConfig(
        make=lambda classes: build(encoder, encoder_weights=None, classes=classes, **options)
    )


def _torchvision(kind: str) -> PeerConfig:
    build = getattr(torchvision.models.segmentation, kind)
    return PeerConfig(
        make=lambda classes: build(weights=None, weights_backbone=None, num_classes=classes)
    )
