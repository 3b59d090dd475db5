"""A recipe and flags as a run, for every verb that trains."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..training import RunConfig

__all__ = ["ABOUT_CHOICES", "read_run"]


def read_run(recipe: str, words: Sequence[str]) -> RunConfig:
    """The run that `curbside train RECIPE WORDS` trains.

    Args:
        recipe: Its name.
        words: Settings by their dotted names, and --network, --loss, --distill and --teacher.

    Raises:
        ConfigError: A setting, or the recipe, cannot be.
    """
    import tyro

    from ..recipes import load_recipe

    prog = f"curbside train {recipe}"
    parser = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False)
    parser.add_argument("--network")
    parser.add_argument("--loss")
    parser.add_argument("--distill")
    parser.add_argument("--teacher", nargs="+", type=Path, default=[])
    parser.add_argument("--tasks")
    chosen, rest = parser.parse_known_args(list(words))
    default = _changed(load_recipe(recipe), chosen)
    return tyro.cli(
        type(default),
        args=[*rest, *(["--tasks", chosen.tasks] if chosen.tasks else [])],
        prog=prog,
        description=_about(default),
        default=default,
        config=(tyro.conf.AvoidSubcommands,),
    )


_ABOUT_NETWORK = (
    "--network NAME trains another network by the same recipe; curbside models lists them. It starts"
    " from random weights unless --weights FILE or --model.encoder.pretrained says otherwise."
)
ABOUT_CHOICES = (
    f"{_ABOUT_NETWORK} --loss"
    " NAME trains with another supervised loss, --distill NAME[+NAME...] --teacher RUN [RUN ...] with"
    " teachers; their settings then show in --help, or stand behind a name: --distill"
    " cwd:weight=3,temperature=2+logit-kd. Among the names, depth compares depths."
)


def _about(config: RunConfig) -> str:
    """What can be chosen beside the settings of a recipe."""
    from ..models import instance_networks
    from ..training import InstanceTrainConfig, TrainConfig

    if isinstance(config, TrainConfig):
        return ABOUT_CHOICES
    if isinstance(config, InstanceTrainConfig):
        named = ", ".join(instance_networks())
        return _ABOUT_NETWORK.replace("curbside models lists them", f"there are {named}")
    return f"{config.title}: {config.name}"


def _changed(config: RunConfig, chosen: argparse.Namespace) -> RunConfig:
    """A recipe with another network, loss or teacher, and a name that says so."""
    from ..models import load_instance_network, load_network
    from ..training import InstanceTrainConfig, TrainConfig, distilled, with_loss, with_teachers
    from ..training.config import Tasks

    if not isinstance(config, TrainConfig):
        able = ("network",) if isinstance(config, InstanceTrainConfig) else ()
        given = [
            name for name in ("network", "loss", "distill", "teacher") if getattr(chosen, name)
        ]
        for name in given:
            if name not in able:
                raise ConfigError(
                    f"the recipe {config.name} ({config.title}) does not go with --{name}",
                    fix=f"leave it out, or see what it has: curbside train {config.name} --help",
                )
        if isinstance(config, InstanceTrainConfig) and chosen.network is not None:
            name = f"{config.name}-{chosen.network}"
            return replace(config, name=name, model=load_instance_network(chosen.network))
        return config
    if chosen.network is not None:
        model = load_network(chosen.network)
        # Phases train parts of the recipe's own network.
        phases = config.phases if type(model) is type(config.model) else ()
        name = f"{config.name}-{chosen.network}"
        config = replace(config, name=name, model=model, phases=phases)
    if chosen.tasks in get_args(Tasks):  # others are refused with the settings
        config = replace(config, tasks=chosen.tasks)
    if chosen.loss is not None:
        config = with_loss(config, chosen.loss)
    if chosen.distill is not None:
        config = distilled(config, chosen.teacher, chosen.distill)
    elif chosen.teacher:
        config = with_teachers(config, chosen.teacher)
    return config
