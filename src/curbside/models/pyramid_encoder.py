"""One encoder for several sizes of the same picture."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import torch
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from .encoder import EncoderConfig, TimmEncoder
from .keys import KeyMap

__all__ = ["LevelNorm", "PyramidEncoder"]


class PyramidEncoder(TimmEncoder):
    """An encoder of timm whose BatchNorms exist once per level of a pyramid, all else once.

    What a BatchNorm counts differs from scale to scale. Those on the shortcuts of ResNets are shared
    all the same, as in the authors' checkpoints. Stages of ResNets are shown before the activation
    that ends them, as sums, which is what most other families give anyway.

    Args:
        config: The encoder; every copy of a BatchNorm starts from its weights.
        levels: Pictures of the pyramid.
    """

    def __init__(self, config: EncoderConfig, levels: int) -> None:
        super().__init__(config)
        self._config = config
        self._norms = _split_norms(self.body, levels)
        if isinstance(self.body, nn.ModuleDict):
            _show_sums(self.body)

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        with torch.device("meta"):
            plain = TimmEncoder(replace(self._config, pretrained=False))
        names = "|".join(
            re.escape(name) for name, layer in self.named_modules() if isinstance(layer, LevelNorm)
        )
        first = (rf"^({names})\.(\w+)$", r"\1.0.\2")
        others = (rf"^({names})\.\d+\.(\w+)$", r"\1.0.\2")
        return tuple(
            replace(known, rules=(*known.rules, first), alike=(others,)) for known in plain.key_maps
        )

    def forward(self, image: Tensor, level: int = 0) -> list[Tensor]:
        """The stages of one picture.

        Args:
            image: (B, 3, H, W) float.
            level: Which BatchNorms to use, 0 for the largest picture.
        """
        for norm in self._norms:
            norm.level = level
        return super().forward(image)


class LevelNorm(nn.ModuleList):
    """One BatchNorm per level of a pyramid where the encoder had a single one.

    Attributes:
        level: Which of them counts.
    """

    level = 0

    def forward(self, x: Tensor) -> Tensor:
        return self[self.level](x)


def _split_norms(module: nn.Module, levels: int) -> list[LevelNorm]:
    made = []
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            norm = LevelNorm([child, *(copy.deepcopy(child) for _ in range(levels - 1))])
            setattr(module, name, norm)
            made.append(norm)
        elif name != "downsample":
            made += _split_norms(child, levels)
    return made


def _show_sums(body: nn.ModuleDict) -> None:
    """Move the activation behind each stage of a ResNet out of it, before the next stage."""
    layers = dict(body.items())
    body.clear()
    for name, layer in layers.items():
        body[name] = layer
        block = layer[-1] if isinstance(layer, nn.Sequential) else None
        if isinstance(block, BasicBlock | Bottleneck):
            setattr(block, "act3" if isinstance(block, Bottleneck) else "act2", nn.Identity())
            body[f"{name}_act"] = nn.ReLU()  # not in place: the sum is a feature
