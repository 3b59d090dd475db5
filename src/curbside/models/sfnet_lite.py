"""SFNet-lite: one flow each way between the deepest and the finest map, and a gate between the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from .base import FeatureSpec, ModelConfig, ModelOutput, Network, SegmentationModel
from .encoder import EncoderConfig
from .keys import KeyMap
from .sfnet import (
    ENCODER_RULES,
    PyramidPooling,
    auxiliary_head,
    conv_norm,
    dilate,
    resize,
    warp,
)

__all__ = ["SFNetLite", "SFNetLiteConfig"]


@dataclass(frozen=True, kw_only=True)
class SFNetLiteConfig(ModelConfig):
    """SFNet-lite over a timm encoder."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="resnet18"))
    """The encoder, of stride 32; the authors' is resnet18 with a deep stem."""
    channels: int = 128
    """Width of the decoder."""

    def build(self, num_classes: int) -> SFNetLite:
        return SFNetLite(self, num_classes)

    @property
    def title(self) -> str:
        return f"SFNet-lite {self.encoder.name}"

    @classmethod
    def networks(cls) -> tuple[Network, ...]:
        return (
            Network(
                name="sfnet-lite-resnet18",
                config=cls(encoder=EncoderConfig(name="resnet18", deep_stem=True)),
                published_m=12.3,
                published_in="Li et al. 2022",
                difference="theirs counts a lateral layer and an auxiliary head that never run",
                weights="SFNet authors', MIT",
            ),
        )


class SFNetLite(SegmentationModel):
    """Context at stride 32 and detail at stride 4, each moved to fit the other; logits at stride 4.

    Source: Li et al. 2022, SFNet: Faster and Accurate Semantic Segmentation via Semantic Flow.
    """

    training_only: ClassVar[tuple[str, ...]] = ("aux",)
    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="the authors of SFNet-lite",
            rules=(
                *ENCODER_RULES,
                (r"^head\.fpn_in\.0\.", "fine."),
                (r"^head\.fpn_in\.1\.", "middle."),
                (r"^head\.flow_align_module\.down_h\.", "alignment.coarse."),
                (r"^head\.flow_align_module\.down_l\.", "alignment.fine."),
                (r"^head\.flow_align_module\.flow_make\.", "alignment.flow."),
                (r"^head\.flow_align_module\.flow_gate\.0\.", "alignment.gate."),
            ),
            # Their forward never calls these two, so they hold random weights.
            dropped=(r"criterion\.", r"head\.fpn_in\.2\.", r"head\.dsn\."),
            fresh=("aux.",),
        ),
    )

    def __init__(self, config: SFNetLiteConfig, num_classes: int) -> None:
        super().__init__(num_classes)
        self.encoder = config.encoder.build()
        dilate(self.encoder)
        self.normalization = self.encoder.normalization
        self._stages = [self.encoder.stage(stride) for stride in (4, 16, 32)]
        fine, middle, deep = (self.encoder.specs[index].channels for index in self._stages)
        width = config.channels
        self.context = PyramidPooling(deep, width)
        self.fine = conv_norm(fine, width, 1, bias=True)
        self.middle = conv_norm(middle, width, 1, bias=True)
        self.alignment = _GatedAlignment(width)
        self.aux = auxiliary_head(width, num_classes)
        self.fuse = conv_norm(2 * width, width, 3)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.feature_specs = (
            *self.encoder.specs,
            FeatureSpec(name="aligned4", channels=width, stride=4),
            FeatureSpec(name="decoder", channels=width, stride=4),
        )

    def forward(self, image: Tensor) -> ModelOutput:
        features = self.encoder(image)
        fine, middle, deep = (features[index] for index in self._stages)
        aligned = self.alignment(self.fine(fine), self.context(deep))
        joined = torch.cat([aligned, resize(self.middle(middle), aligned.shape[-2:])], dim=1)
        decoded = self.fuse(joined)
        return ModelOutput(
            logits=self.head(decoded),
            aux=(self.aux(aligned),) if self.training else (),
            features=(*features, aligned, decoded),
        )


class _GatedAlignment(nn.Module):
    """Moves a coarse and a fine map onto each other and mixes them, place by place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.fine = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow = nn.Conv2d(channels // 2 * 2, 4, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(4, 1, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        deep = resize(self.coarse(coarse), fine.shape[-2:])
        of_coarse, of_fine = self.flow(torch.cat([deep, self.fine(fine)], dim=1)).split(2, dim=1)
        # The authors pool the narrowed coarse map but the fine one at its full width.
        pooled = [
            pool(x, dim=1, keepdim=True) for pool in (torch.mean, torch.amax) for x in (deep, fine)
        ]
        gate = self.gate(torch.cat(pooled, dim=1)).sigmoid()  # (B, 1, H, W)
        return warp(coarse, of_coarse) * gate + warp(fine, of_fine) * (1 - gate)
