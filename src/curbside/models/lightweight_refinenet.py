"""Light-Weight RefineNet, and HydraNet: the same with a second head for depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import Encoder, EncoderConfig
from .keys import KeyMap

__all__ = ["LightWeightRefineNet", "LightWeightRefineNetConfig"]

_CHANNELS = 256
_FIRST_M = 10.0
"""The depth that an untrained network tells."""
_POOLINGS = 4


@dataclass(frozen=True, kw_only=True)
class LightWeightRefineNetConfig(ModelConfig):
    """Light-Weight RefineNet over a timm encoder; with depth it is HydraNet.

    Raises:
        ConfigError: The largest depth is not positive, or the encoder cannot be the authors'.
    """

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(name="mobilenetv2_100", every_block=True)
    )
    """The encoder; every group of its blocks from stride 4 on is read."""
    depth: Literal["none", "capped", "uncapped"] = "none"
    """`none`: segmentation alone; `capped`: also depth, as a share of the largest; `uncapped`: also
    depth, as large as it may be."""
    max_depth_m: float = 80.0
    """Depth in metres at which `capped` ends: whatever lies beyond is shown at it."""
    authors_encoder: bool = False
    """MobileNetV2 as the authors built it, with one 1x1 convolution more before its first block. Their
    weights need it; timm's, trained on ImageNet, need it off."""

    def __post_init__(self) -> None:
        if self.max_depth_m <= 0:
            raise ConfigError(
                f"a largest depth of {self.max_depth_m} m is impossible",
                fix="give metres above 0, such as --model.max-depth-m 80",
            )
        mobilenet = self.encoder.name.startswith("mobilenetv2") and self.encoder.every_block
        if self.authors_encoder and (not mobilenet or self.encoder.pretrained):
            raise ConfigError(
                f"{self.encoder.name} cannot be the authors' encoder",
                fix="choose mobilenetv2_100 with every block, not pretrained, or --model.no-authors-encoder",
            )

    def build(self, num_classes: int) -> LightWeightRefineNet:
        return LightWeightRefineNet(self, num_classes)

    @property
    def title(self) -> str:
        form = f"{'authors’ ' * self.authors_encoder}{self.encoder.name}"
        if self.depth == "none":
            return f"Light-Weight RefineNet {form}"
        return f"HydraNet {form}, depth {self.depth}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        alone = Network(
            name="refinenet-mobilenetv2",
            config=cls(),
            published_m=3.3,
            published_classes=21,
            published_in="Nekrasov et al. 2018",
        )
        joint = Network(
            name="hydranet-mobilenetv2",
            config=cls(depth="capped"),
            published_m=3.06,
            published_classes=24,
            published_in="HydraNet for SafeTrip-Q",
        )
        return (
            alone,
            replace(
                alone,
                name="refinenet-mobilenetv2-authors",
                config=cls(authors_encoder=True),
                weights="DrSleep/light-weight-refinenet, VOC; for academic use",
            ),
            joint,
            Network(
                name="hydranet-mobilenetv2-authors",
                config=cls(depth="uncapped", authors_encoder=True),
                published_m=3.07,
                published_classes=40,
                published_in="Nekrasov et al. 2019",
                weights="DrSleep/multi-task-refinenet, NYUv2 and KITTI; for academic use",
            ),
        )


class LightWeightRefineNet(SegmentationModel):
    """Stages joined from deep to fine, each after a chain of poolings; logits and depth at stride 4.

    No normalisation stands in the decoder. With depth, the finest chain convolves channel by channel,
    and each task has a light branch of its own before its classifier.

    Source: Nekrasov et al. 2018, Light-Weight RefineNet for Real-Time Semantic Segmentation; Nekrasov
    et al. 2019, Real-Time Joint Semantic Segmentation and Depth Estimation Using Asymmetric Annotations.
    """

    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="the authors' Light-Weight RefineNet",
            rules=(
                (r"^layer1\.0\.", "encoder.body.conv_stem."),
                (r"^layer1\.1\.", "encoder.body.bn1."),
                (r"^layer2\.0\.output\.0\.", "encoder.body.blocks.0.0."),
                (r"^layer2\.0\.output\.1\.0\.", "encoder.body.blocks.0.1.conv_dw."),
                (r"^layer2\.0\.output\.1\.1\.", "encoder.body.blocks.0.1.bn1."),
                (r"^layer2\.0\.output\.2\.0\.", "encoder.body.blocks.0.1.conv_pw."),
                (r"^layer2\.0\.output\.2\.1\.", "encoder.body.blocks.0.1.bn2."),
                *((rf"^layer{i}\.", f"encoder.body.blocks.{i - 2}.") for i in range(3, 9)),
                (r"\.output\.0\.0\.", ".conv_pw."),
                (r"\.output\.0\.1\.", ".bn1."),
                (r"\.output\.1\.0\.", ".conv_dw."),
                (r"\.output\.1\.1\.", ".bn2."),
                (r"\.output\.2\.0\.", ".conv_pwl."),
                (r"\.output\.2\.1\.", ".bn3."),
                *((rf"^conv{i}\.", f"reductions.{i - 3}.") for i in range(3, 9)),
                *((rf"^conv_adapt{i}\.", f"adaptions.{i - 2}.") for i in range(2, 5)),
                *((rf"^crp{i}\.0\.", f"chains.{i - 1}.convolutions.") for i in range(1, 5)),
                *((rf"\.{i}_outvar_dimred\.", f".{i - 1}.") for i in range(1, 5)),
                (r"^pre_segm\.", "segmentation.branch.0."),
                (r"^pre_depth\.", "depth.branch.0."),
                (r"^segm\.", "segmentation.classifier."),
                (r"^depth\.(weight|bias)$", r"depth.classifier.\1"),
            ),
            dropped=(r"pre_normal\.", r"normal\."),  # of the network with a third task
        ),
    )

    def __init__(self, config: LightWeightRefineNetConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        if config.authors_encoder:
            _add_expansion(self.encoder)
        self.normalization = self.encoder.normalization
        specs = self.encoder.specs
        joint = config.depth != "none"
        self._levels = _levels(self.encoder)
        self._first = self._levels[0][0]
        self.reductions = nn.ModuleList(
            nn.Conv2d(spec.channels, _CHANNELS, 1, bias=False) for spec in specs[self._first :]
        )
        self.chains = nn.ModuleList(
            ChainedPooling(grouped=joint and level == 0) for level in range(len(self._levels))
        )
        self.adaptions = nn.ModuleList(
            nn.Conv2d(_CHANNELS, _CHANNELS, 1, bias=False) for _ in self._levels[1:]
        )
        self.segmentation = TaskHead(num_classes, branch=joint)
        self.depth = TaskHead(1, branch=True) if joint else None
        self.depth_only = ("depth",) if joint else ()
        self.semantic_only = ("segmentation",) if joint else ()
        self.max_depth_m = config.max_depth_m if config.depth == "capped" else None
        if self.depth is not None:
            _start_at(self.depth.classifier, self._raw(_FIRST_M))
        # As the authors have it: with one task corners lie on corners, with several centres on centres.
        self._align_corners = not joint
        decoded = FeatureSpec(name="decoder", channels=_CHANNELS, stride=4)
        self.feature_specs = (*specs, decoded)

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        refined = self._refine(features)
        decoded = self.segmentation.branch(refined)
        return ModelOutput(
            logits=self.segmentation.classifier(decoded),
            depth=None if self.depth is None else self._metres(self.depth(refined)),
            features=(*features, decoded),
        )

    def _refine(self, features: Sequence[Tensor]) -> Tensor:
        """(B, 256, H / 4, W / 4) out of the encoder's stages."""
        refined = self._join(features, len(self._levels) - 1)
        for level in reversed(range(len(self._levels) - 1)):
            # The deeper level, at the size of this one.
            deeper = F.interpolate(
                self.adaptions[level](refined),
                size=features[self._levels[level][0]].shape[-2:],
                mode="bilinear",
                align_corners=self._align_corners,
            )
            refined = self._join(features, level, deeper)
        return refined

    def _join(self, features: Sequence[Tensor], level: int, *others: Tensor) -> Tensor:
        """The stages of one stride and whatever else, added up and pooled in a chain."""
        parts = [self.reductions[i - self._first](features[i]) for i in self._levels[level]]
        return self.chains[level](F.relu6(reduce(torch.add, [*parts, *others])))

    def _raw(self, metres: float) -> float:
        """What the head must give for a depth, or for half of the largest where that is nearer."""
        if self.max_depth_m is None:
            return math.log(math.expm1(metres))
        share = min(0.5, metres / self.max_depth_m)
        return math.log(share / (1 - share))

    def _metres(self, raw: Tensor) -> Tensor:
        """Depth out of what the head gives.

        Without a cap it is softplus: never negative, and beyond a few metres the head's own value, as
        the authors', so that an error of a metre weighs the same near and far, where an exponential
        would have it grow with the depth.
        """
        # Half precision would round metres.
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        if self.max_depth_m is None:
            return F.softplus(raw)
        return raw.sigmoid() * self.max_depth_m


class ByChannel(nn.Conv2d):
    """A 1x1 convolution channel by channel: a product, and computed as one, since torch would convolve
    each channel apart. In an exported graph it stays the convolution that compilers know, and on the meta
    device the one that `complexity` counts."""

    def __init__(self) -> None:
        super().__init__(_CHANNELS, _CHANNELS, 1, groups=_CHANNELS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or torch.onnx.is_in_onnx_export():
            return super().forward(x)
        return x * self.weight.to(x.dtype).view(1, -1, 1, 1)


class ChainedPooling(nn.Module):
    """Poolings and 1x1 convolutions in a chain, every link added up: context without dilation."""

    def __init__(self, *, grouped: bool) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            ByChannel() if grouped else nn.Conv2d(_CHANNELS, _CHANNELS, 1, bias=False)
            for _ in range(_POOLINGS)
        )

    def forward(self, x: Tensor) -> Tensor:
        link = x
        for convolution in self.convolutions:
            link = convolution(F.max_pool2d(link, 5, stride=1, padding=2))
            x = x + link
        return x


class TaskHead(nn.Module):
    """The classifier of one task, behind a light branch where several tasks share what is before."""

    def __init__(self, channels: int, *, branch: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(ByChannel(), nn.ReLU6()) if branch else nn.Identity()
        self.classifier = nn.Conv2d(_CHANNELS, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.branch(x))


def _start_at(classifier: nn.Conv2d, raw: float) -> None:
    """Let a fresh head begin near one value: drawn as wide as a classifier's, half of it would begin far
    below zero, where neither softplus nor sigmoid has a slope to learn by."""
    nn.init.normal_(classifier.weight, std=1e-3)
    assert classifier.bias is not None
    nn.init.constant_(classifier.bias, raw)


def _levels(encoder: Encoder) -> list[list[int]]:
    """Indices of the encoder's stages from stride 4 on, those of one stride together, finest first."""
    encoder.stage(4)
    strides = [spec.stride for spec in encoder.specs]
    return [
        [i for i, found in enumerate(strides) if found == stride]
        for stride in sorted(set(strides))
        if stride >= 4
    ]


def _add_expansion(encoder: Encoder) -> None:
    """The authors expand by a factor of 1 in the first block as well: a 1x1 convolution before it."""
    body: Any = encoder.body
    channels = body["conv_stem"].out_channels
    expansion = nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU6()
    )
    body["blocks"][0].insert(0, expansion)
