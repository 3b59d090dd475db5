"""Variants of a training run that need no recipe of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError
from ..losses import DistillationLossConfig, distillation_losses, supervised_losses
from ..losses.pixels import ClassWeightedConfig
from .config import DistillationConfig, TrainConfig
from .serialize import read_as

__all__ = ["distilled", "with_loss", "with_teachers"]

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class _DepthConfig(DistillationLossConfig):
    """How the command line names `DistillationConfig.depth`, whose factor is its weight."""


def distilled(config: TrainConfig, teachers: Sequence[Path], losses: str) -> TrainConfig:
    """A run, with teachers.

    Args:
        config: The run; another distillation of its own gives way.
        teachers: Run folders or caches, at least one.
        losses: Distillation losses, with a + between them: `feature-l2+logit-kd`. A loss is its name,
            and what of it is not the default: `cwd:weight=3,temperature=2`. `depth` compares depths, by
            the run's own loss of depth.

    Returns:
        The same run with these losses, which are added to its name; its folder is that of its name.

    Raises:
        ConfigError: There is no teacher, no such loss, or no such setting.
    """
    if not teachers:
        raise ConfigError(f"{losses} has no teacher to learn from", fix="name it with --teacher")
    named = [_loss(text) for text in losses.split("+")]
    distillation = DistillationConfig(
        teacher=tuple(teachers),
        losses=tuple(loss for loss in named if not isinstance(loss, _DepthConfig)),
        depth=sum(loss.weight for loss in named if isinstance(loss, _DepthConfig)),
    )
    name = f"{config.name}-{losses.replace(':', '-')}"  # no file system refuses it
    return replace(config, name=name, distillation=distillation, out=None)


def with_teachers(config: TrainConfig, teachers: Sequence[Path]) -> TrainConfig:
    """A run that is distilled, with other teachers.

    Raises:
        ConfigError: It has no distillation.
    """
    if config.distillation is None:
        raise ConfigError(
            f"{config.name} compares nothing with a teacher", fix="name the losses with --distill"
        )
    distillation = replace(config.distillation, teacher=tuple(teachers), shares=())
    return replace(config, distillation=distillation)


def with_loss(config: TrainConfig, name: str) -> TrainConfig:
    """A run with another supervised loss, its settings the defaults; the name says so. Where it weighs no
    classes, none are counted.

    Raises:
        ConfigError: There is no such loss.
    """
    loss = _find("supervised loss", supervised_losses(), name)()
    balance = config.class_balance if isinstance(loss, ClassWeightedConfig) else "none"
    return replace(config, name=f"{config.name}-{name}", loss=loss, class_balance=balance)


def _loss(text: str) -> DistillationLossConfig:
    """A loss by `NAME[:SETTING=VALUE[,SETTING=VALUE...]]`."""
    name, _, listed = text.partition(":")
    known = {**distillation_losses(), "depth": _DepthConfig}
    kind = _find("distillation loss", known, name)
    types = {field.name: field.type for field in fields(kind)}
    settings: dict[str, object] = {}
    for part in listed.split(",") if listed else ():
        key, _, value = part.partition("=")
        _find(f"setting of {name}", types, key)
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    try:
        return read_as(kind, settings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the settings {listed} of {name} cannot be read ({error})",
            fix=f"give them as {name}:SETTING=VALUE, with a comma between several",
        ) from error


def _find(what: str, known: Mapping[str, Kind], name: str) -> Kind:
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise ConfigError(f"there is no {what} {name!r}", fix=hint)
    return known[name]
