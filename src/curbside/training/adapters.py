"""Which of a student's features goes with which of its teacher's, and what makes them fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..losses import AdapterConfig, FeatureLossConfig, LossOutput
from ..models import FeatureSpec

__all__ = ["FeatureComparison", "pair_features"]

_DECODER, _STAGE = "decoder", "stage"


def pair_features(
    student: Sequence[FeatureSpec],
    teacher: Sequence[FeatureSpec],
    wanted: Sequence[tuple[str, str]] = (),
) -> list[tuple[int, int]]:
    """Which feature of a teacher each feature of a student is compared with.

    What the classifiers see goes together. Any other feature of the student goes with the teacher's
    that is nearest in stride; of several, with one of its kind (a stage of the encoder or not), as
    many steps before the last of that kind as it is; at last, with the deepest.

    Args:
        student: What the student shows.
        teacher: What the teacher shows.
        wanted: Names that go together, in the place of that.

    Returns:
        Indices of both.

    Raises:
        ConfigError: A network shows nothing, or a name is not there.
    """
    if not student or not teacher:
        raise ConfigError(
            f"the {'teacher' if student else 'student'} shows no features to compare",
            fix="compare logits, or choose another network",
        )
    if wanted:
        return [
            (_find("student", student, ours), _find("teacher", teacher, theirs))
            for ours, theirs in wanted
        ]
    inside = [i for i, spec in enumerate(teacher) if spec.name != _DECODER]
    ours, theirs = _places(student), _places(teacher)

    def partner(i: int) -> int:
        if student[i].name == _DECODER or not inside:
            return _find("teacher", teacher, _DECODER)

        def distance(j: int) -> tuple[float, bool, int, int]:
            octaves = abs(math.log2(teacher[j].stride / student[i].stride))
            (kind, deeper), (other_kind, other_deeper) = ours[i], theirs[j]
            steps = abs(deeper - other_deeper) if kind == other_kind else 0
            return octaves, kind != other_kind, steps, -j

        return min(inside, key=distance)

    return [(i, partner(i)) for i in range(len(student))]


def _places(specs: Sequence[FeatureSpec]) -> list[tuple[bool, int]]:
    """Whether each feature is a stage of the encoder, and how many of its kind lie deeper."""
    kinds = [spec.name.startswith(_STAGE) for spec in specs]
    return [(kind, kinds[i + 1 :].count(kind)) for i, kind in enumerate(kinds)]


def _find(role: str, specs: Sequence[FeatureSpec], name: str) -> int:
    names = [spec.name for spec in specs]
    if name not in names:
        raise ConfigError(
            f"the {role} shows no feature {name!r}", fix=f"choose one of {', '.join(names)}"
        )
    return names.index(name)


class FeatureComparison(nn.Module):
    """One loss over pairs of features, with what is learnt to bring them together: the mean of all.

    The two of a pair are compared at the coarser of their sizes; the finer is averaged over areas. That
    asks nothing of a student between places that it does not tell apart, makes up no values between
    those of a coarse teacher, and is the cheaper way. Papers sum over pairs; the mean lets a weight
    mean the same for any two networks.

    Args:
        config: The loss.
        student: What the student shows.
        teacher: What the teacher shows.

    Raises:
        ConfigError: A network shows no features, or not one that the config names, or its channels do
            not fit and no adapter is asked for.
    """

    def __init__(
        self,
        config: FeatureLossConfig,
        student: Sequence[FeatureSpec],
        teacher: Sequence[FeatureSpec],
    ) -> None:
        super().__init__()
        self._pairs = pair_features(student, teacher, config.pairs)
        self._names = _names(self._pairs, student, teacher)
        self.losses = nn.ModuleList(
            config.build(teacher[theirs].channels) for _, theirs in self._pairs
        )
        self.adapters = nn.ModuleList(
            _adapter(config, student[ours], teacher[theirs]) for ours, theirs in self._pairs
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


def _names(
    pairs: Sequence[tuple[int, int]], student: Sequence[FeatureSpec], teacher: Sequence[FeatureSpec]
) -> list[str]:
    """What each pair is called in the log: by the student's feature, if that is in one pair only."""
    often = Counter(ours for ours, _ in pairs)
    return [
        student[ours].name + (f"-{teacher[theirs].name}" if often[ours] > 1 else "")
        for ours, theirs in pairs
    ]


def _coarser(first: Tensor, second: Tensor) -> tuple[int, int]:
    height, width = map(min, first.shape[-2:], second.shape[-2:])
    return height, width


def _at(feature: Tensor, size_hw: tuple[int, int]) -> Tensor:
    if tuple(feature.shape[-2:]) == size_hw:
        return feature
    return F.adaptive_avg_pool2d(feature, size_hw)


def _adapter(config: FeatureLossConfig, student: FeatureSpec, teacher: FeatureSpec) -> nn.Module:
    if config.adapts and config.adapter.count:
        return _Adapter(config.adapter, student.channels, teacher.channels)
    if config.adapts and student.channels != teacher.channels:
        raise ConfigError(
            f"the student's {student.name} has {student.channels} channels, the teacher's"
            f" {teacher.name} {teacher.channels}, and no adapter is asked for",
            fix="ask for one projection or more (adapter.count)",
        )
    return nn.Identity()


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
