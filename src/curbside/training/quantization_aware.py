"""Fine-tuning a trained network for 8 bits: it learns with its weights and activations rounded.

torchao's fake quantisation rounds in the forward pass and lets gradients through; labels and the
network's own float self teach it. What comes out is a float network whose weights bear being rounded: it is exported,
calibrated and quantised as any other, for any target.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..datasets import Augmentation, ResumableBatches, SegmentationDataset, collate_train
from ..errors import ConfigError, MissingDependencyError
from ..losses import LogitKDConfig
from ..models import SegmentationModel, inference_form, normalize, two_sided, upsample
from ..prepared import Sample
from ..progress import track
from .run_folder import Run

__all__ = ["FineTuned", "QuantizationAwareConfig", "fine_tune_for_int8"]

_PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True, kw_only=True)
class QuantizationAwareConfig:
    """How a network is fine-tuned for 8 bits.

    Raises:
        ConfigError: A number cannot be.
    """

    epochs: float = 2.0
    """Passes over the training pictures."""
    lr: float = 1e-4
    """Learning rate at the start; it falls to nothing along a cosine."""
    self_weight: float = 1.0
    """Weight of the divergence from the float network's answers, beside the run's own loss."""
    seed: int = 0
    """Seeds order and augmentation."""

    def __post_init__(self) -> None:
        if not self.epochs > 0 or not self.lr > 0 or not self.self_weight >= 0:
            raise ConfigError(
                f"fine-tuning for {self.epochs} epochs at a rate of {self.lr} with the weight"
                f" {self.self_weight} is impossible",
                fix="give positive numbers",
            )


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """What fine-tuning came to."""

    model: SegmentationModel
    """The network in its inference form, in float, on the CPU, in evaluation mode."""
    about: dict[str, Any]
    """What a Manifest says of it."""


def fine_tune_for_int8(
    run: Run, samples: Sequence[Sample], config: QuantizationAwareConfig | None = None
) -> FineTuned:
    """Fine-tune a run's network with its weights and activations rounded to 8 bits.

    Args:
        run: The run; it is not changed.
        samples: What to learn from, with masks, in the run's label space.
        config: How.

    Raises:
        ConfigError: It diverged.
        MissingDependencyError: torchao is not installed.

    Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference.
    """
    config = config or QuantizationAwareConfig()
    data = run.config.data
    size = data.batch_size
    steps = max(1, round(config.epochs * len(samples) / size))
    dataset = SegmentationDataset(
        list(samples),
        size_hw=data.crop_hw,
        augmentation=Augmentation(data.augment, data.crop_hw),
        seed=config.seed,
    )
    batches = ResumableBatches(
        length=len(samples),
        batch_size=size,
        seed=config.seed,
        step=lambda: 0,
        pause=lambda _: steps,
    )
    teacher = inference_form(run.model).eval()
    model = inference_form(run.model).eval().requires_grad_(True)
    release = _round(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    supervised = run.config.loss.build(run.space.num_channels)
    own = LogitKDConfig(temperature=1.0, weight=config.self_weight).build()
    losses: list[float] = []
    # BatchNorm is folded into the weights, so evaluation mode differs in dropout alone.
    for keys in track(batches, total=steps, description="fine-tuning for 8 bits", unit="steps"):
        batch = collate_train([dataset[key] for key in keys])  # type: ignore[misc]
        image = normalize(batch.image, run.model.normalization)
        target = batch.target.long()
        with torch.no_grad():
            expected = upsample(teacher(image).logits, target.shape[-2:])
        try:
            logits = upsample(model(image).logits, target.shape[-2:])  # (B, C, H, W)
        except AssertionError as error:  # torchao's, where a range is no number
            raise _diverged(len(losses)) from error
        loss = (
            supervised(logits, target).total
            + own(two_sided(logits), two_sided(expected), batch.counts).total
        )
        if not torch.isfinite(loss):
            raise _diverged(len(losses))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    release()
    model.requires_grad_(False)
    about = {
        "steps": steps,
        "pictures": len(samples),
        "lr": config.lr,
        "self_weight": config.self_weight,
        "first_loss": float(np.mean(losses[: max(1, steps // 10)])),
        "last_loss": float(np.mean(losses[-max(1, steps // 10) :])),
    }
    return FineTuned(model=model, about=about)


def _diverged(step: int) -> ConfigError:
    return ConfigError(f"fine-tuning diverged at step {step}", fix="lower --finetune-lr")


def _round(model: SegmentationModel) -> Callable[[], None]:
    """Round the weights of every convolution and matrix product, per channel, and what they read, per
    tensor, to 8 bits, in place; ranges follow what is seen.

    Returns:
        Takes all that away again; the float weights stay as they have become.
    """
    logging.disable(logging.WARNING)  # torch tells torchao's makers what they should change
    try:
        from torchao.quantization.pt2e import (
            FakeQuantize,
            MovingAverageMinMaxObserver,
            MovingAveragePerChannelMinMaxObserver,
        )
    except ModuleNotFoundError:
        raise MissingDependencyError("torchao", extra="train") from None
    finally:
        logging.disable(logging.NOTSET)
    hooks = []
    layers = [module for module in model.modules() if isinstance(module, _PRODUCTS)]
    for layer in layers:
        weight = FakeQuantize(
            observer=MovingAveragePerChannelMinMaxObserver,
            quant_min=-127,
            quant_max=127,
            dtype=torch.int8,
            qscheme=torch.per_channel_symmetric,
            ch_axis=1 if isinstance(layer, nn.ConvTranspose2d) else 0,
        )
        parametrize.register_parametrization(layer, "weight", weight)
        read = FakeQuantize(
            observer=MovingAverageMinMaxObserver,
            quant_min=0,
            quant_max=255,
            dtype=torch.uint8,
            qscheme=torch.per_tensor_affine,
        )
        hooks.append(layer.register_forward_pre_hook(_rounding(read)))

    def release() -> None:
        for hook in hooks:
            hook.remove()
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)

    return release


def _rounding(read: nn.Module) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (read(inputs[0]), *inputs[1:])

    return hook
