"""Which of a student's features goes with which of its teacher's, and what makes them fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..losses import AdapterConfig, FeatureLossConfig, LossOutput
from ..models import FeatureSpec

__all__ = ["FeatureComparison", "pair_features"]

_DECODER = "decoder"


def pair_features(
    student: Sequence[FeatureSpec],
    teacher: Sequence[FeatureSpec],
    wanted: Sequence[tuple[str, str]] = (),
) -> list[tuple[int, int]]:
    """Which feature of a teacher each feature of a student is compared with.

    What the classifiers see goes together. Any other feature of the student, a branch's included,
    goes with the teacher's that is nearest in stride, and the deepest of several.

    Args:
        student: What the student shows.
        teacher: What the teacher shows.
        wanted: Names that go together, in the place of that.

    Returns:
        Indices of both.

    Raises:
        ConfigError: A name is not there.
    """
    if wanted:
        return [(_find(student, ours), _find(teacher, theirs)) for ours, theirs in wanted]
    stages = [i for i, spec in enumerate(teacher) if spec.name != _DECODER]

    def nearest(spec: FeatureSpec) -> int:
        return min(stages, key=lambda i: (abs(math.log(teacher[i].stride / spec.stride)), -i))

    return [
        (i, _find(teacher, _DECODER) if spec.name == _DECODER or not stages else nearest(spec))
        for i, spec in enumerate(student)
    ]


def _find(specs: Sequence[FeatureSpec], name: str) -> int:
    names = [spec.name for spec in specs]
    if name not in names:
        raise ConfigError(
            f"there is no feature {name!r}", fix=f"the network shows {', '.join(names)}"
        )
    return names.index(name)


class FeatureComparison(nn.Module):
    """One loss over pairs of features, with what is learnt to bring them together: the mean of all.

    The two of a pair are compared at the coarser of their sizes.

    Args:
        config: The loss.
        student: What the student shows.
        teacher: What the teacher shows.

    Raises:
        ConfigError: The config names a feature that is not there.
    """

    def __init__(
        self,
        config: FeatureLossConfig,
        student: Sequence[FeatureSpec],
        teacher: Sequence[FeatureSpec],
    ) -> None:
        super().__init__()
        self._pairs = pair_features(student, teacher, config.pairs)
        self._names = [student[ours].name for ours, _ in self._pairs]
        self.losses = nn.ModuleList(config.build() for _ in self._pairs)
        self.adapters = nn.ModuleList(
            _Adapter(config.adapter, student[ours].channels, teacher[theirs].channels)
            if config.adapts
            else nn.Identity()
            for ours, theirs in self._pairs
        )

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> LossOutput:
        """Compare a student's features, (B, C, h, w) each, with its teacher's, (B, C', h', w')."""
        totals = []
        parts: dict[str, Tensor] = {}
        for (ours, theirs), name, loss, adapt in zip(
            self._pairs, self._names, self.losses, self.adapters, strict=True
        ):
            first, second = student[ours], teacher[theirs].detach()
            size = _coarser(first, second)
            found = loss(adapt(_at(first, size)), _at(second, size))
            totals.append(found.total)
            parts |= {f"{key}/{name}": value for key, value in found.parts.items()}
        return LossOutput(torch.stack(totals).mean(), parts)


def _coarser(first: Tensor, second: Tensor) -> tuple[int, int]:
    height, width = map(min, first.shape[-2:], second.shape[-2:])
    return height, width


def _at(feature: Tensor, size_hw: tuple[int, int]) -> Tensor:
    if tuple(feature.shape[-2:]) == size_hw:
        return feature
    return F.adaptive_avg_pool2d(feature, size_hw)


class _Adapter(nn.Module):
    """The mean of some 1x1 convolutions.

    Source: Romero et al. 2015, FitNets; several projections: Chen et al. 2022, Improved Feature
    Distillation via Projector Ensemble.
    """

    def __init__(self, config: AdapterConfig, channels: int, wanted: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, wanted, 1, bias=not config.norm),
                nn.BatchNorm2d(wanted) if config.norm else nn.Identity(),
            )
            for _ in range(config.count)
        )

    def forward(self, feature: Tensor) -> Tensor:
        projected = [projection(feature) for projection in self.projections]
        return sum(projected[1:], projected[0]) / len(projected)
