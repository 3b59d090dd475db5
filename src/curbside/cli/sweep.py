"""Try many settings of a recipe, and say which are the best and which matter."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ._crews import add_crew_options, chosen_crew
from ._recipe import read_run

if TYPE_CHECKING:
    from ..training import RunConfig
    from ..training.sweep import Sweep, Trials

__all__ = ["main"]

_TRIALS = 20


def main(argv: list[str]) -> int:
    """Entry of `curbside sweep`: 0, or 1 where no trial is complete."""
    parser = _parser()
    if not argv or argv[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    recipe = argv[0]
    if recipe.startswith("-"):
        raise ConfigError(f"{recipe} stands where the recipe should", fix="name a recipe first")
    chosen, words = parser.parse_known_args(argv[1:])
    from ..training.sweep import (
        LocalCrew,
        RayCrew,
        Trials,
        require_plotly,
        run_sweep,
        write_sweep_report,
    )

    require_plotly()
    crew = chosen_crew(chosen, "trials", LocalCrew, RayCrew)
    sweep = _sweep(recipe, chosen, words)
    total = _total(sweep, chosen.trials)
    trials = Trials(sweep, sweep.claim())
    try:
        with crew:
            run_sweep(sweep, trials, crew, total, lambda line: _say(sweep, trials, line))
    finally:
        report = write_sweep_report(sweep, trials)
    return _show(sweep, trials, report, as_json=chosen.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="curbside sweep",
        usage="curbside sweep RECIPE --space NAME=VALUES [NAME=VALUES ...] --trials N [options] [settings]",
        description="Train a recipe again and again with other values of some settings, each time in a"
        " run folder of its own, and find the best ones. NAME is any setting of the recipe, or network,"
        " loss or distill, as curbside train has them. VALUES are choices, 8,16,32 or 160x224,224x320;"
        " or a range, 1e-4..1e-2:log or 5..20:step=5. Killed, the same command goes on; given in"
        " several processes, or on several machines that see the folder, they work together.",
        epilog="Settings such as --data.root DATA --steps 2000 are those of curbside train, and the same"
        " in all trials. --seed decides the proposals, too.",
        allow_abbrev=False,
        formatter_class=argparse.HelpFormatter,
    )
    add = parser.add_argument
    add("--space", nargs="+", action="extend", default=[], metavar="NAME=VALUES",
        help="what is tried; may be repeated")  # fmt: skip
    add("--trials", type=int,
        help="how many there are to be in all, those of other processes and earlier calls counted (20, or"
        " as many as a space of few choices has)")  # fmt: skip
    add("--out", type=Path, help="folder of the sweep; sweeps/RECIPE where not given")
    add("--sampler", choices=("tpe", "random"), default="tpe",
        help="who proposes: the tree-structured Parzen estimator (the default), or chance")  # fmt: skip
    add("--pruner", choices=("median", "hyperband", "none"), default="median",
        help="what is broken off: whatever is worse than the median of the others at the same validation"
        " (the default), by Hyperband, or nothing")  # fmt: skip
    add("--storage", metavar="URL",
        help="database that keeps the trials, such as sqlite:///FILE or postgresql://...; a file in the"
        " folder where not given")  # fmt: skip
    add_crew_options(parser, "trials")
    add("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _sweep(recipe: str, chosen: argparse.Namespace, words: Sequence[str]) -> Sweep:
    from ..training.sweep import WHOLE, Sweep, base_key, read_space, split_items

    items = split_items(chosen.space)
    flags = [word.partition("=")[0][2:].replace("_", "-") for word in words if word[:2] == "--"]
    twice = next((name for name in items if name in flags), None)
    if twice is not None:
        raise ConfigError(
            f"{twice} stands in --space and as a setting of all trials", fix="leave out one of them"
        )
    if ":" in items.get("distill", ""):
        raise ConfigError(
            f"distill={items['distill']} has settings behind a name, which are no choices",
            fix="name losses alone, and try settings by their names: distillation.losses.0.weight=1..4",
        )
    parts = {name: text.split(",") for name, text in items.items() if name in WHOLE}
    bases: dict[str, RunConfig] = {}
    for values in itertools.product(*parts.values()):
        point = dict(zip(parts, values, strict=True))
        given = [word for name, value in point.items() for word in (f"--{name}", value)]
        bases[base_key(point)] = read_run(recipe, [*given, *words])
    return Sweep(
        folder=chosen.out or Path("sweeps") / recipe,
        bases=bases,
        space=read_space(items, bases),
        sampler=chosen.sampler,
        pruner=chosen.pruner,
        seed=next(iter(bases.values())).seed,
        storage=chosen.storage,
        words=(recipe, *words),
    )


def _total(sweep: Sweep, wanted: int | None) -> int:
    """How many trials there are to be."""
    points = sweep.space.points()
    most = math.inf if points is None else len(points)
    if wanted is None:
        return int(min(_TRIALS, most))
    if wanted < 1:
        raise ConfigError(f"{wanted} trials are none", fix="give --trials 1 or more")
    if wanted > most:
        raise ConfigError(
            f"the space has {most} points, so that {wanted} trials would do some again",
            fix=f"give --trials {most} or fewer",
        )
    return wanted


def _say(sweep: Sweep, trials: Trials, line: str) -> None:
    """Tell what a trial came to; the tables are as new as that."""
    from ..training.sweep import write_tables

    print(f"curbside sweep: {line}", file=sys.stderr, flush=True)
    write_tables(sweep, trials.all())


def _show(sweep: Sweep, trials: Trials, report: Path, *, as_json: bool) -> int:
    from rich.console import Console

    from ..training.sweep import best_of, command_line, failure_lines, trial_table, trials_json
    from ._tables import print_table

    known = trials.all()
    best = best_of(known)
    if as_json:
        print(json.dumps({**trials_json(sweep, known), "report": str(report)}, indent=2))
        return 0 if best else 1
    print_table(Console(), trial_table(sweep, known, narrow=True))
    for line in failure_lines(known):
        print(line)
    if best is not None:
        print(f"best: trial {best.number}; train it again with:")
        print(f"  {command_line(sweep, best)}")
    print(f"report: {report}")
    return 0 if best else 1
