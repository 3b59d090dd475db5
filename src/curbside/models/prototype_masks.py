"""Objects in one look: boxes and classes at every place of three maps, masks mixed from prototypes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .encoder import EncoderConfig
from .instance_base import InstanceModel, InstanceModelConfig, InstanceOutput

__all__ = ["PrototypeMasks", "PrototypeMasksConfig"]

_PRIOR = 0.01  # probability of an object at a place before anything is learnt


@dataclass(frozen=True, kw_only=True)
class PrototypeMasksConfig(InstanceModelConfig):
    """Anchor-free YOLACT over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="mobilenetv2_100"))
    """The encoder; it must have stages of the strides 4, 8, 16 and 32."""
    channels: int = 64
    """Width of the pyramid and of the heads."""
    depth: int = 2
    """3x3 convolutions in front of each head."""
    prototypes: int = 32
    """Masks to mix."""
    bins: int = 16
    """Bins of a distance: the largest is `bins - 1` cells, so that an object may be twice as wide."""

    def __post_init__(self) -> None:
        for name in ("channels", "prototypes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give 1 or more")
        if self.depth < 0 or self.bins < 2:
            raise ConfigError(
                f"heads of {self.depth} convolutions and {self.bins} bins are impossible",
                fix="give 0 or more convolutions, and 2 bins or more",
            )

    def build(self, num_classes: int) -> PrototypeMasks:
        return PrototypeMasks(self, num_classes)

    @property
    def title(self) -> str:
        return f"prototype masks {self.encoder.name}"

    @classmethod
    def networks(cls) -> Mapping[str, InstanceModelConfig]:
        encoders = {"mobilenetv2": "mobilenetv2_100", "mobilenetv4s": "mobilenetv4_conv_small"}
        return {
            f"prototype-masks-{name}": cls(encoder=EncoderConfig(name=encoder))
            for name, encoder in encoders.items()
        }


class PrototypeMasks(InstanceModel):
    """YOLACT without anchors.

    A feature pyramid at the strides 8, 16 and 32; at each, one branch scores the classes, another gives
    box and mask coefficients. Prototypes come from the finest map of the pyramid and the encoder's
    stage of stride 4. Convolutions, ReLU, sums and doublings by the nearest alone, so that any
    compiler takes it, and what comes out is what `curbside.runtime` decodes.

    Source: Bolya et al. 2019, YOLACT (prototypes and coefficients); Lin et al. 2017, Feature Pyramid
    Networks; Tian et al. 2019, FCOS (distances from points); Li et al. 2020, Generalized Focal Loss
    (distances as distributions).
    """

    strides = (8, 16, 32)

    def __init__(self, config: PrototypeMasksConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.bins, self.prototype_count = config.bins, config.prototypes
        self.encoder = config.encoder.build()
        self.normalization = self.encoder.normalization
        self._stages = [self.encoder.stage(stride) for stride in (4, *self.strides)]
        widths = [self.encoder.specs[stage].channels for stage in self._stages]
        width = config.channels
        self.laterals = nn.ModuleList(_layer(given, width, 1, act=False) for given in widths)
        self.smooth = nn.ModuleList(_layer(width, width, 3) for _ in self.strides)
        self.prototypes = nn.Sequential(
            _layer(width, width, 3), nn.Conv2d(width, config.prototypes, 1), nn.ReLU(inplace=True)
        )
        outputs = 4 * config.bins, config.prototypes
        self.objects = nn.ModuleList(
            _Branch(width, config.depth, (num_classes,)) for _ in self.strides
        )
        self.shapes = nn.ModuleList(_Branch(width, config.depth, outputs) for _ in self.strides)
        for branch in self.objects:
            nn.init.constant_(branch.last[0].bias, -math.log((1 - _PRIOR) / _PRIOR))  # type: ignore[union-attr,index,arg-type]

    def forward(self, image: Tensor) -> InstanceOutput:
        features = self.encoder(image)
        stages = [
            lateral(features[stage])
            for stage, lateral in zip(self._stages, self.laterals, strict=True)
        ]
        fine, *levels = stages
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + _doubled(levels[i])
        pyramid = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        prototypes = self.prototypes(F.relu(fine + _doubled(pyramid[0])))
        scores = [branch(level)[0] for branch, level in zip(self.objects, pyramid, strict=True)]
        shapes = [branch(level) for branch, level in zip(self.shapes, pyramid, strict=True)]
        return InstanceOutput(
            box_distribution=tuple(box for box, _ in shapes),
            class_scores=tuple(scores),
            mask_coefficients=tuple(mix for _, mix in shapes),
            prototypes=prototypes,
        )


class _Branch(nn.Module):
    """A few convolutions, then one for each of several outputs."""

    def __init__(self, width: int, depth: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_layer(width, width, 3) for _ in range(depth)))
        self.last = nn.ModuleList(nn.Conv2d(width, channels, 1) for channels in outputs)
        for layer in self.last:
            nn.init.normal_(layer.weight, std=0.01)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.layers(x)
        return [layer(x) for layer in self.last]


def _layer(given: int, made: int, kernel: int, *, act: bool = True) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(given, made, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(made),
    ]
    return nn.Sequential(*parts, nn.ReLU(inplace=True)) if act else nn.Sequential(*parts)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
