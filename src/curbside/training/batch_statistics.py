"""What batch normalisation subtracts and divides by: running, recalibrated, or a batch's own.

While a network trains, every batch is normalised by its own mean and variance, and a running average of
them is kept for later. That average is of networks of other weights, and of few pictures: where it is
bad, a network that trained well scores badly. A graph that needs the statistics of its batch is no way
out: it cannot be folded, quantised or asked about one picture. So the statistics are computed anew after
the training, from whole pictures as deployment sees them.

Source: Wu and Johnson 2021, Rethinking "Batch" in BatchNorm, section 3 (PreciseBN).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ConfigError

__all__ = [
    "check_statistics",
    "has_batch_statistics",
    "recalibrate",
    "using_batch_statistics",
]


def check_statistics(pictures: int) -> None:
    """Refuse a number of pictures that has no statistics.

    Raises:
        ConfigError: It is below 2.
    """
    if pictures < 2:
        raise ConfigError(
            f"statistics of {pictures} pictures are none", fix="give 2 or more, better a hundred"
        )


def has_batch_statistics(model: nn.Module) -> bool:
    """Whether a network normalises by statistics of batches at all."""
    return bool(_norms(model))


@contextmanager
def using_batch_statistics(model: nn.Module) -> Iterator[None]:
    """Let a network in evaluation mode normalise every batch by its own statistics; those that it keeps
    stay as they are."""
    norms = _norms(model)
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None  # nothing is averaged, nothing counted
        norm.train()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
            norm.eval()


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """Compute the statistics of a network anew, in place: the mean and variance over all pictures of what
    each normalisation sees while every batch is normalised by its own.

    Args:
        model: The network, in evaluation mode: dropout stays off.
        batches: (B, 3, H, W) float, normalised, of any number of batches; the larger they are, the
            nearer the result is to what the network learnt with.

    Returns:
        How many pictures there were.

    Raises:
        ConfigError: There was no picture, or the network has no such normalisation.
    """
    norms = _norms(model)
    if not norms:
        raise ConfigError(
            "the network has no batch normalisation, whose statistics could be computed anew",
            fix="leave out the recalibration",
        )
    seen = {norm: _Moments() for norm in norms}
    hooks = [norm.register_forward_pre_hook(seen[norm].add) for norm in norms]
    pictures = 0
    try:
        with using_batch_statistics(model):
            for batch in batches:
                model(batch)
                pictures += len(batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not pictures:
        raise ConfigError("there is no picture to recalibrate on", fix="name a split that has some")
    for norm, moments in seen.items():
        if moments.count:
            mean, variance = moments.summary()
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
    return pictures


class _Moments:
    """Mean and variance per channel over all that one normalisation has seen."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = torch.zeros(())

    def add(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Count what comes in, (B, C, ...)."""
        values = inputs[0].double() if inputs[0].dtype == torch.float64 else inputs[0].float()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        variance, mean = torch.var_mean(values, dim=axes, correction=0)
        variance, mean = variance.double(), mean.double()
        count = values.numel() // values.shape[1]
        if not self.count:
            self._mean, self._squares = torch.zeros_like(mean), torch.zeros_like(variance)
        # Chan et al. 1983: two parts' moments joined without the cancellation of large squares.
        both = self.count + count
        apart = mean - self._mean
        self._squares = self._squares + count * variance + apart**2 * (self.count * count / both)
        self._mean = self._mean + apart * (count / both)
        self.count = both

    def summary(self) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance, as training keeps it: (C,) each."""
        return self._mean, self._squares / max(1, self.count - 1)


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
