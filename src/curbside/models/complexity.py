"""How large a network is and how much it computes, without memory for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .base import FeatureSpec, Model, ModelConfig, SegmentationModel

__all__ = ["Complexity", "complexity", "deployed_parameters", "on_meta"]


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """What a network takes; see `complexity`."""

    parameters: int
    """Weights of the form that is deployed, BatchNorm's two per channel among them."""
    training_parameters: int
    """Weights of the form that is trained: with the heads that only training mode runs."""
    macs: Mapping[tuple[int, int], int]
    """Multiply-accumulates of one picture, by its height and width."""
    features: tuple[FeatureSpec, ...]
    """What the network shows of its inside."""


def complexity(config: ModelConfig, num_classes: int, *sizes_hw: tuple[int, int]) -> Complexity:
    """Count a network's weights and its work, in evaluation mode.

    Counted as work are convolutions, transposed convolutions, matrix products and attention, by the
    shapes of what goes in: one multiplication with its addition is one. Not counted are normalisation,
    activations, pooling, resizing, `grid_sample` and sums of tensors, which are a few percent of the
    arithmetic, though not always of the time. The logits are counted at the decoder's stride, without
    the resize to the picture.

    Args:
        config: The network's settings.
        num_classes: How many classes it tells apart.
        sizes_hw: Heights and widths of the pictures to count for, none for the weights alone.

    Raises:
        ConfigError: The settings do not fit each other.
    """
    model = on_meta(config, num_classes).eval()
    return Complexity(
        parameters=deployed_parameters(model),
        training_parameters=_parameters(model),
        macs={size_hw: _macs(model, size_hw) for size_hw in sizes_hw},
        features=model.feature_specs,
    )


def deployed_parameters(model: Model) -> int:
    """Weights of the form of a network that is deployed."""
    idle = sum(_parameters(model.get_submodule(name)) for name in model.training_only)
    return _parameters(model) - idle


def on_meta(config: ModelConfig, num_classes: int) -> SegmentationModel:
    """The network on the meta device: shapes without values."""
    config = config.from_random()
    try:
        with torch.device("meta"):
            return config.build(num_classes)
    except (RuntimeError, NotImplementedError):
        # Some constructors read values back, such as drop rates from a linspace: meta has none.
        return config.build(num_classes).to("meta")


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _macs(model: SegmentationModel, size_hw: tuple[int, int]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, *size_hw, device="meta"))
    return counter.get_total_flops() // 2
