"""Train a network by a recipe; any setting can be changed by its dotted name."""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..training import RunConfig

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """Entry of `curbside train`."""
    from ..recipes import load_recipe, recipes

    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: curbside train RECIPE [options]      curbside train RECIPE --help shows its settings\n"
        )
        for name, recipe in sorted(recipes().items()):
            print(f"  {name:<36} {(recipe.__doc__ or '').splitlines()[0]}")
        print(f"\n{_ABOUT_CHOICES}")
        return None
    import tyro

    from ..training import TrainConfig, fit

    parser = argparse.ArgumentParser(
        prog=f"curbside train {argv[0]}", add_help=False, allow_abbrev=False
    )
    parser.add_argument("--network")
    parser.add_argument("--loss")
    parser.add_argument("--distill")
    parser.add_argument("--teacher", nargs="+", type=Path, default=[])
    chosen, rest = parser.parse_known_args(argv[1:])
    default = _changed(load_recipe(argv[0]), chosen)
    config: RunConfig = tyro.cli(
        type(default),
        args=rest,
        prog=parser.prog,
        description=_about(default),
        default=default,
        config=(tyro.conf.AvoidSubcommands,),
    )
    with warnings.catch_warnings():
        warnings.showwarning = _say  # type: ignore[assignment]
        result = fit(config)
    if result.rank:
        return None
    if result.resumed_at >= result.steps:
        print(f"{result.folder} is finished: nothing to do", file=sys.stderr)
    elif result.resumed_at:
        print(f"went on from step {result.resumed_at}", file=sys.stderr)
    print(f"trained   {result.steps} steps in {result.seconds:.0f} s")
    score = f"{result.score_name} {100 * result.best_score:.2f} %"
    print(f"best      {score} on {config.data.val_split} at step {result.best_step}")
    print(f"run       {result.folder}")
    common = " --common" if isinstance(config, TrainConfig) and config.data.space else ""
    print(f"next      curbside evaluate {result.folder} {config.data.root[0]}{common}")
    return None


_ABOUT_NETWORK = (
    "--network NAME trains another network by the same recipe; curbside models lists them. It starts"
    " from random weights unless --weights FILE or --model.encoder.pretrained says otherwise."
)
_ABOUT_CHOICES = (
    f"{_ABOUT_NETWORK} --loss"
    " NAME trains with another supervised loss, --distill NAME[+NAME...] --teacher RUN [RUN ...] with"
    " teachers; their settings then show in --help, or stand behind a name: --distill"
    " cwd:weight=3,temperature=2+logit-kd."
)


def _about(config: RunConfig) -> str:
    """What can be chosen beside the settings of a recipe."""
    from ..models import instance_networks
    from ..training import InstanceTrainConfig, TrainConfig

    if isinstance(config, TrainConfig):
        return _ABOUT_CHOICES
    if isinstance(config, InstanceTrainConfig):
        named = ", ".join(instance_networks())
        return _ABOUT_NETWORK.replace("curbside models lists them", f"there are {named}")
    return f"{config.title}: {config.name}"


def _changed(config: RunConfig, chosen: argparse.Namespace) -> RunConfig:
    """A recipe with another network, loss or teacher, and a name that says so."""
    from ..models import load_instance_network, load_network
    from ..training import InstanceTrainConfig, TrainConfig, distilled, with_loss, with_teachers

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
        config = replace(config, name=f"{config.name}-{chosen.network}", model=model)
    if chosen.loss is not None:
        config = with_loss(config, chosen.loss)
    if chosen.distill is not None:
        config = distilled(config, chosen.teacher, chosen.distill)
    elif chosen.teacher:
        config = with_teachers(config, chosen.teacher)
    return config


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, without the place in the code that it came from."""
    print(f"curbside train: {message}", file=sys.stderr)
