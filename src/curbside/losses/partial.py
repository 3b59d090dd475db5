"""Labels of pictures on which some of the classes alone were annotated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..labels import IGNORE_ID, LabelSpace
from .base import LossOutput, check_factor
from .pixels import weighted_mean

__all__ = ["PartialLabels", "PartialLabelsConfig"]

_APART = 30.0
"""A class whose score is so far below the largest one has no probability to speak of, and still costs
little where a loss asks all classes, as label smoothing does."""


@dataclass(frozen=True, kw_only=True)
class PartialLabelsConfig:
    """What the labels of a picture mean on which some of the classes alone were annotated."""

    hidden: Literal["things", "all", "none"] = "things"
    """Which classes that were not annotated may stand where a label is: `things`, before what is no thing
    itself, as cars on a pavement that was outlined whole; `all`; or `none`. They are left out of the
    comparison there, so that nothing is learnt about them."""
    against: float = 0.0
    """How much a label speaks against the classes that are hidden there, beside 1 for all others. 0 leaves
    open whether a pavement is one or a car; a tenth settles it where nothing else tells of a car."""
    rest: float = 1.0
    """Factor of the loss where such a picture has no label: it is one of the classes that were not
    annotated. 0 learns nothing there, for label spaces that do not name all there is."""

    def __post_init__(self) -> None:
        check_factor("factor of the rest", self.rest)
        check_factor("factor against hidden classes", self.against)

    def build(self, space: LabelSpace) -> PartialLabels:
        """What applies it to scores of these classes."""
        return PartialLabels(self, space)


class PartialLabels(nn.Module):
    """Keeps what a picture does not tell out of the losses, and learns what it does tell.

    Source: Shi et al. 2021, Marginal loss and exclusion loss for partially supervised multi-organ
    segmentation (the marginal loss).
    """

    _things: Tensor

    def __init__(self, config: PartialLabelsConfig, space: LabelSpace) -> None:
        super().__init__()
        self._config = config
        things = [item.has_instances for item in space.classes]
        self.register_buffer("_things", torch.tensor(things), persistent=False)

    def hide(self, logits: Tensor, target: Tensor, annotated: Tensor) -> Tensor:
        """Scores for any supervised loss, without those of classes that may be there all the same.

        Args:
            logits: (B, C, H, W) float.
            target: (B, H, W) int64 class ids, 255 where there is no label.
            annotated: (B, C) bool, the classes that were annotated on each picture.

        Returns:
            (B, C, H, W); the same tensor where nothing is hidden.
        """
        hidden = self._hidden(target, annotated) if logits.shape[1] > 1 else None
        if hidden is None:
            return logits
        top = logits.detach().masked_fill(hidden, float("-inf")).amax(dim=1, keepdim=True)
        return torch.where(hidden, (top - _APART).clamp(max=-_APART), logits)

    def forward(
        self, logits: Tensor, target: Tensor, annotated: Tensor, counts: Tensor
    ) -> LossOutput:
        """What such pictures tell beyond their labels, a mean over pixels each.

        `rest`: where there is no label, minus the logarithm of the summed probability of the classes that
        were not annotated, times `rest`. `against`: where there is one, minus the logarithm of the
        probability that none of the hidden classes is there, times `against`.

        Args:
            logits: (B, C, H, W) float.
            target: (B, H, W) int64 class ids, 255 where there is no label.
            annotated: (B, C) bool; a picture with all classes or with none says nothing.
            counts: (B, H, W) bool, what lies inside the picture.
        """
        told = annotated.any(dim=1) & ~annotated.all(dim=1)  # (B,)
        total, parts = logits.new_zeros((), dtype=torch.float32), dict[str, Tensor]()
        if logits.shape[1] == 1 or not bool(told.any()):
            return LossOutput(total, parts)
        scores, target, annotated = logits[told].float(), target[told], annotated[told]
        if self._config.rest:
            where = (target == IGNORE_ID) & counts[told]
            costs = _missing(scores, annotated[:, :, None, None])
            parts["rest"] = self._config.rest * weighted_mean(costs, where.float())
        hidden = self._hidden(target, annotated) if self._config.against else None
        if hidden is not None:
            costs = _missing(scores, hidden)
            found = weighted_mean(costs, hidden.any(dim=1).float())
            parts["against"] = self._config.against * found
        for part in parts.values():
            total = total + part
        return LossOutput(total, {name: part.detach() for name, part in parts.items()})

    def _hidden(self, target: Tensor, annotated: Tensor) -> Tensor | None:
        """Which classes may be where a label is all the same, (B, C, H, W) bool; None where none is."""
        unsaid = ~annotated
        if self._config.hidden == "things":
            unsaid = unsaid & self._things
        if self._config.hidden == "none" or not bool(unsaid.any()):
            return None
        known = target != IGNORE_ID
        before = known
        if self._config.hidden == "things":
            before = known & ~self._things[target * known]
        hidden = unsaid[:, :, None, None] & before[:, None]  # (B, C, 1, 1) & (B, 1, H, W)
        # What the label itself says is never hidden, should it contradict what was annotated.
        return hidden.scatter_(1, (target * known)[:, None], False)


def _missing(scores: Tensor, out: Tensor) -> Tensor:
    """Minus the logarithm of the probability that none of some classes is there: scores (B, C, H, W) and
    which classes, bool, to (B, H, W)."""
    return scores.logsumexp(dim=1) - scores.masked_fill(out, float("-inf")).logsumexp(dim=1)
