"""Lovasz: the intersection over union itself, extended to what is neither right nor wrong."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...labels import IGNORE_ID
from ..base import LossOutput, SupervisedLoss, SupervisedLossConfig
from ..pixels import one_hot

__all__ = ["Lovasz", "LovaszConfig"]


@dataclass(frozen=True, kw_only=True)
class LovaszConfig(SupervisedLossConfig):
    """Lovasz-softmax; of one logit, the Lovasz hinge."""

    per_image: bool = False
    """Take each picture by itself, then their mean, where the score that matters is a mean over pictures;
    otherwise all pixels of a batch are taken together."""

    def build(self, num_classes: int) -> Lovasz:
        return Lovasz(self)


class Lovasz(SupervisedLoss):
    """The Lovasz extension of `1 - IoU` over the pixels with a label, mean over the classes that occur; 0
    where a batch has no label.

    A pixel's error is 1 - p for its class and p for the others, p being a softmax. Of one logit x it is
    `max(0, 1 - x)` where the id is 1 and `max(0, 1 + x)` where it is 0; without any pixel of id 1, the
    largest error remains.

    Source: Berman et al. 2018, The Lovasz-Softmax loss: a tractable surrogate for the optimization of the
    intersection-over-union measure in neural networks; Yu and Blaschko 2015, Learning submodular losses
    with the Lovasz hinge.
    """

    def __init__(self, config: LovaszConfig) -> None:
        super().__init__()
        self._per_image = config.per_image

    def forward(
        self, logits: Tensor, target: Tensor, border_weight: Tensor | None = None
    ) -> LossOutput:
        num_classes = logits.shape[1]
        logits = logits.float()
        hot, known = one_hot(target, num_classes), (target != IGNORE_ID)[:, None]
        if num_classes == 1:
            errors = (1 - torch.where(hot, logits, -logits)).relu()
            counted = known
        else:
            p = logits.softmax(dim=1)
            errors = torch.where(hot, 1 - p, p)
            counted = hot
        errors = errors * known
        groups = len(target) if self._per_image else 1
        occurs = counted.flatten(2).any(dim=2).view(groups, -1, num_classes).any(dim=1)  # (G, C)
        slopes = _slopes(errors.detach(), hot, occurs)
        per_class = (errors * slopes).sum(dim=(2, 3)).view(groups, -1, num_classes).sum(dim=1)
        per_group = per_class.sum(dim=1) / occurs.sum(dim=1).clamp(min=1)  # (G, C) -> (G,)
        loss = per_group.sum() / occurs.any(dim=1).sum().clamp(min=1)
        return LossOutput(total=loss, parts={"lovasz": loss.detach()})


@torch.no_grad()
def _slopes(errors: Tensor, hot: Tensor, occurs: Tensor) -> Tensor:
    """By how much the loss of each class rises with the error of each pixel.

    Args:
        errors: (B, C, H, W) float, 0 or more; 0 at pixels without a label, which so come last.
        hot: (B, C, H, W) bool, where each class is.
        occurs: (G, C) bool, which classes count in which group of pictures.

    Returns:
        (B, C, H, W) float; 0 for classes that do not count.
    """
    slopes = torch.zeros_like(errors)
    groups = len(occurs)
    for place, wanted in enumerate(occurs.any(dim=0).tolist()):
        if wanted:
            error, true = (x[:, place].reshape(groups, -1) for x in (errors, hot))
            found = _steps(error, true) * occurs[:, place, None]
            slopes[:, place] = found.view_as(slopes[:, place])
    return slopes


def _steps(errors: Tensor, true: Tensor) -> Tensor:
    """By how much `1 - IoU` rises as each pixel becomes wrong after all with a larger error.

    Args:
        errors: (G, P) float.
        true: (G, P) bool, the pixels of the class.

    Returns:
        (G, P) float.
    """
    order = errors.argsort(dim=1, descending=True)
    true = true.gather(1, order)
    missed = true.cumsum(dim=1, dtype=torch.int32)
    count = missed[:, -1:]
    wrong = torch.arange(1, true.shape[1] + 1, device=true.device, dtype=torch.int32)
    left = (count - missed).float()
    union = (count + wrong - missed).float()
    # One of the class leaves the intersection; another widens the union. The difference of two IoUs would
    # be lost in rounding where there are millions of pixels.
    steps = torch.where(true, 1 / union, left / union / (union - 1).clamp(min=1))
    steps[:, 0] = 1 / union[:, 0]
    return torch.zeros_like(errors).scatter_(1, order, steps)
