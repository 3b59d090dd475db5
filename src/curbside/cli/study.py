"""Compare a student with its variants at equal compute, over several seeds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ._crews import add_crew_options, chosen_crew

if TYPE_CHECKING:
    from ..training import TrainConfig
    from ..training.study import Plan, Verdict

__all__ = ["main"]

_NEEDS_TEACHER = ("--distillation.", "--data.unlabelled")


def main(argv: list[str]) -> int:
    """Entry of `curbside study`: 0, or 1 where runs are missing."""
    names = list(takewhile(lambda word: not word.startswith("-"), argv))
    parser = _parser()
    chosen, overrides = parser.parse_known_args(argv[len(names) :])
    if not names:
        parser.print_help()
        return 0
    from ..evaluation.plots import require_matplotlib
    from ..training.study import (
        LocalCrew,
        RayCrew,
        check_section,
        judge,
        make_plan,
        run_jobs,
        write_section,
        write_study_report,
    )

    require_matplotlib()
    crew = chosen_crew(chosen, "runs", LocalCrew, RayCrew)
    variants, teachers = _configs(names, chosen, overrides)
    folder = chosen.out or Path("studies") / next(iter(variants))
    if chosen.results is not None:
        check_section(chosen.results, folder)
    plan = make_plan(
        folder,
        variants,
        teachers,
        seeds=chosen.seeds,
        budget=chosen.budget,
        split=chosen.split,
        by=chosen.by,
    )
    plan.write()
    _show_plan(plan)
    with crew:
        failed = run_jobs(
            plan, crew, lambda line: print(f"curbside study: {line}", file=sys.stderr)
        )
    verdict = judge(plan)
    report = write_study_report(plan, verdict, failed)
    if chosen.results is not None:
        write_section(chosen.results, plan, verdict, failed)
    if chosen.json:
        print(json.dumps({**verdict.to_dict(), "failed": failed, "report": str(report)}, indent=2))
    else:
        _show(plan, verdict, failed, report)
    return 1 if any(finding.missing for finding in verdict.findings.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="curbside study",
        usage="curbside study CONTROL [VARIANT ...] [options] [settings for all, as of curbside train]",
        description="Train a student alone and its variants with equal compute, over several seeds,"
        " score them all, and say which is better. CONTROL and VARIANT are recipes, or config.json of"
        " a run; the length of CONTROL is the budget. Run again, it does what is missing; variants and"
        " seeds may be added.",
        epilog="Settings such as --data.root DATA --steps 2000 --data.crop-hw 256 320 change all"
        " students; those that begin with --data, --accelerator, --devices or --precision change the"
        " recipes of --teachers, too, and those with --distillation or --data.unlabelled only what has"
        " a teacher.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--out", type=Path, help="folder of the study; studies/CONTROL where not given")
    add("--distill", action="append", default=[], metavar="LOSS[+LOSS...][@PATH[,PATH...]]",
        help="one more variant: the control taught with these losses, by the run folders or caches behind"
        " the @, else by --teacher; a loss may have settings, cwd:weight=3,temperature=2; may be repeated")  # fmt: skip
    add("--teacher", type=Path, nargs="+", default=[], metavar="PATH",
        help="run folders or caches that teach the variants of --distill without an @")  # fmt: skip
    add("--teachers", nargs="+", default=[], metavar="RECIPE",
        help="recipes to train once, first; a config that learns from runs/RECIPE learns from it")  # fmt: skip
    add("--seeds", type=int, default=3, help="number of seeds, from the control's own on (3)")
    add("--budget", choices=("flops", "time", "steps"), default="flops",
        help="what is equal: multiply-accumulates of students and teachers together (the default),"
        " seconds on this machine, or steps")  # fmt: skip
    add(
        "--split", default="val", choices=("train", "val", "test"), help="what is scored in the end"
    )
    add("--by", metavar="TAG", help="group the scores by a tag of the pictures, such as weather")
    add_crew_options(parser, "runs")
    add("--results", type=Path, metavar="FILE.md",
        help="write the tables into this file as well, between <!-- study NAME --> and"
        " <!-- /study NAME -->")  # fmt: skip
    add("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _configs(
    names: Sequence[str], chosen: argparse.Namespace, overrides: Sequence[str]
) -> tuple[dict[str, TrainConfig], dict[str, TrainConfig]]:
    """The students, the control first, and the teachers to train, by name."""
    variants = [(name, _overridden(config, overrides)) for name, config in map(_load, names)]
    control = variants[0][1]
    of_teachers = _only(overrides, _NEEDS_TEACHER)
    for text in chosen.distill:
        name, config = _taught(control, text, chosen.teacher)
        variants.append((name, _overridden(config, of_teachers)))
    if of_teachers and not any(config.distillation for _, config in variants):
        raise ConfigError(
            f"{of_teachers[0]} changes nothing: no variant has a teacher",
            fix="name a recipe that has one, or losses with --distill",
        )
    for_teachers = _only(overrides, ("--data.", "--accelerator", "--devices", "--precision"))
    teachers = [(n, _overridden(c, for_teachers)) for n, c in map(_load, chosen.teachers)]
    every = [name for name, _ in [*variants, *teachers]]
    twice = next((name for name in every if every.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} stands twice in the study", fix="name each run once")
    return dict(variants), dict(teachers)


def _taught(control: TrainConfig, text: str, teachers: Sequence[Path]) -> tuple[str, TrainConfig]:
    """The control taught with LOSSES by some teachers, or by those of LOSSES@TEACHER[,TEACHER...]; with
    the name it goes by, which is a folder's, too."""
    from ..training import distilled
    from ..training.study.lineage import teacher_title

    losses, at, named = text.partition("@")
    name = losses.replace(":", "-")
    if at:
        teachers = [Path(path) for path in named.split(",") if path]
        name += f"@{','.join(map(teacher_title, teachers))}"
    config = distilled(control, teachers, losses)
    return name, replace(config, name=f"{control.name}-{name}")


def _load(name: str) -> tuple[str, TrainConfig]:
    """A recipe, or the config of a run, with the name it goes by."""
    from ..recipes import load_recipe
    from ..training import TrainConfig, config_from_json
    from ..training.run_folder import read_description

    path = Path(name)
    if path.name == "config.json":
        about = read_description(path.parent)
        config = config_from_json(about["config"], where=name, kind=TrainConfig)
        return path.absolute().parent.name, config
    config = load_recipe(name, TrainConfig)
    return config.name, config


def _overridden(config: TrainConfig, overrides: Sequence[str]) -> TrainConfig:
    import tyro

    from ..training import TrainConfig

    if config.distillation is None:
        overrides = _only(overrides, _NEEDS_TEACHER, out=True)
    if not overrides:
        return config
    return tyro.cli(
        TrainConfig,
        args=list(overrides),
        prog="curbside study",
        default=config,
        config=(tyro.conf.AvoidSubcommands,),
    )


def _only(words: Sequence[str], prefixes: tuple[str, ...], *, out: bool = False) -> list[str]:
    """The options that begin with one of some prefixes, with their values; or all others."""
    kept, keep = [], False
    for word in words:
        if word.startswith("--"):
            keep = word.startswith(prefixes) != out
        if keep:
            kept.append(word)
    return kept


def _show_plan(plan: Plan) -> None:
    from rich.console import Console

    from ..training.study.tables import plan_table
    from ._tables import print_table

    print_table(Console(stderr=True), plan_table(plan))


def _show(plan: Plan, verdict: Verdict, failed: dict[str, str], report: Path) -> None:
    from rich.console import Console

    from ..training.study.tables import summary_table
    from ._tables import print_table

    print_table(Console(), summary_table(plan, verdict))
    for finding in verdict.findings.values():
        print(finding.sentence)
    for key, problem in failed.items():
        print(f"failed: {key}: {problem}")
    print(f"report: {report}")
