"""Who teaches whom: the teachers of every run, trained in the study or there before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import chain, count
from pathlib import Path

from ...datasets import Mixture, TeacherCache, is_cache, open_mixture
from ...errors import ConfigError
from ...evaluation import require_same_space
from ...files import sha256_file
from ...labels import LabelSpace
from ...models import ModelConfig
from ...models.complexity import complexity
from ..config import TrainConfig
from ..loading import taught_samples, unlabelled_samples
from ..run_folder import load_run, read_description
from ..serialize import config_from_json
from ..teachers import open_cache, require_learnt
from .cost import Cost, count_macs
from .plan import Teacher, run_key, teacher_key
from .timing import Timed

__all__ = ["Draft", "draft_runs", "steps_of", "teacher_title"]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What is known of a teacher."""

    model: ModelConfig
    cache: Path | None = None
    """The cache, where the network itself does not run beside the student."""
    asked_hw: tuple[int, int] = (0, 0)
    """The size that it saw pictures at when the cache was made."""
    passes: int = 0
    """How many it saw."""
    once: int = 0
    """MACs of that."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A run whose teachers are found."""

    config: TrainConfig
    """The run, with the paths that its teachers will have."""
    space: LabelSpace
    """The label space of the study."""
    needs: tuple[str, ...]
    """Jobs that make its teachers."""
    sources: tuple[_Source, ...]
    """What is known of each."""

    @property
    def cost(self) -> Cost:
        """What a step of it costs."""
        return count_macs(
            self.config,
            self.space.num_channels,
            tuple(None if one.cache else one.model for one in self.sources),
            once=sum(one.once for one in self.sources),
        )

    @property
    def timed(self) -> Timed:
        """It, ready to be timed."""
        return Timed(
            config=self.config,
            teachers=[one.cache or one.model for one in self.sources],
            before=[(one.model, one.asked_hw, one.passes) for one in self.sources if one.cache],
        )


def draft_runs(
    folder: Path,
    variants: Mapping[str, TrainConfig],
    teachers: Mapping[str, TrainConfig],
    seed: int,
    held: Mapping[str, Teacher],
) -> tuple[dict[str, Draft], dict[str, Teacher]]:
    """Find the teachers of all runs.

    A teacher whose path is the run folder of another run of the study, or lies in it, is made by that
    one: of a variant, the run with the first seed, and only where there is nothing at the path yet.

    Args:
        folder: Where the study lies.
        variants: The students by name, the control first.
        teachers: Runs that only teach, by name.
        seed: The first seed.
        held: Teachers that have a name already.

    Returns:
        The students, and all teachers that are no students.

    Raises:
        ConfigError: A teacher is missing, one learns depth alone, or runs teach each other in a circle.
        LabelError: The runs do not have the same label space.
    """
    configs = {**variants, **teachers}
    keys = {name: run_key(name, seed) for name in variants}
    keys |= {name: teacher_key(name) for name in teachers}
    homes = {config.run_folder.absolute(): name for name, config in configs.items()}
    control = next(iter(variants.values()))
    space = open_mixture(control.data.root, control.data.space).space
    drafts: dict[str, Draft] = {}
    found: dict[str, Teacher] = {}
    taught_by: dict[str, set[str]] = {name: set() for name in configs}
    for name, config in configs.items():
        data = open_mixture(config.data.root, config.data.space)
        require_same_space(data.space, space)
        paths, sources = [], []
        for path in config.distillation.teacher if config.distillation else ():
            home = next((h for h in homes if path.absolute().is_relative_to(h)), None)
            if home is not None and homes[home] in variants and path.exists():
                home = None
            if home is None:
                source, teacher = _outside(path, config, data)
                known = {**held, **found}
                named = {one.path.resolve(): other for other, one in known.items()}
                title = named.get(teacher.path.resolve())
                found[title or _unused(teacher.path, {*configs, *known})] = teacher
            else:
                taught_by[name].add(homes[home])
                if config.distillation and config.distillation.depth:
                    require_learnt(
                        path, configs[homes[home]], "depth", since="its depth is compared"
                    )
                source = _Source(model=configs[homes[home]].model)
                path = _moved(path, home, folder / keys[homes[home]])
            paths.append(path)
            sources.append(source)
        if config.distillation is not None:
            config = replace(
                config, distillation=replace(config.distillation, teacher=tuple(paths))
            )
        drafts[name] = Draft(
            config=replace(config, out=None),
            space=space,
            needs=tuple(keys[other] for other in sorted(taught_by[name])),
            sources=tuple(sources),
        )
    for name in _in_order(taught_by):
        if name in teachers:
            found[name] = _made_here(folder, name, drafts[name])
    return {name: drafts[name] for name in variants}, found


def _moved(path: Path, home: Path, folder: Path) -> Path:
    """A path inside a run folder, when that lies elsewhere."""
    inner = path.absolute().relative_to(home)
    if inner.parts and inner.suffix != ".safetensors":
        raise ConfigError(
            f"{path} lies in a run that this study makes, and it makes no caches",
            fix="name the run itself, or train the teacher before and name its cache",
        )
    return folder / inner


def _in_order(taught_by: Mapping[str, set[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(taught_by).static_order())
    except CycleError as error:
        circle = " <- ".join(error.args[1])
        raise ConfigError(
            f"these runs teach each other in a circle: {circle}",
            fix="let one of them learn from labels alone",
        ) from None


def _made_here(folder: Path, name: str, draft: Draft) -> Teacher:
    cost = draft.cost
    return Teacher(
        path=folder / teacher_key(name),
        config=draft.config,
        needs=draft.needs,
        training_macs=cost.spent("flops", steps_of(draft.config)),
    )


def _outside(path: Path, student: TrainConfig, data: Mixture) -> tuple[_Source, Teacher]:
    """What is known of a teacher that was there before, and itself, to be scored."""
    space = data.space
    if not path.exists():
        raise ConfigError(
            f"there is no teacher at {path}",
            fix="train it first, or name its recipe with --teachers",
        )
    run = _cached_run(path) if is_cache(path) else path
    about = read_description(run.parent.parent if run.is_file() else run)
    require_same_space(LabelSpace.from_dict(about["label_space"]), space)
    config = config_from_json(about["config"], where=str(run), kind=TrainConfig)
    require_learnt(path, config, "semantic", since="a study compares by classes")
    if student.distillation and student.distillation.depth:
        require_learnt(path, config, "depth", since="its depth is compared")
    cost = count_macs(replace(config, distillation=None), space.num_channels, ())
    steps = config.length(about.get("dataset", {}).get("train", 0))
    teacher = Teacher(path=run, training_macs=cost.spent("flops", steps))
    if run == path:
        load_run(run)  # damaged weights are told of now
        return _Source(model=config.model), teacher
    train = data.samples(student.data.train_split, student.targets)
    alone = unlabelled_samples(student, space)
    cache = open_cache(path, space, taught_samples(student, train, alone))
    settings = cache.settings
    passes = sum(folder.pictures for folder in cache.folders) * (2 if settings.flip else 1)
    macs = complexity(config.model, space.num_channels, settings.input_hw).macs[settings.input_hw]
    return _Source(
        model=config.model,
        cache=path,
        asked_hw=settings.input_hw,
        passes=passes,
        once=passes * macs,
    ), teacher


def _cached_run(cache: Path) -> Path:
    """The run that a cache was made of: the folder that it lies in, else the one of its recipe."""
    teacher = TeacherCache(cache).settings.teacher
    for run in (cache.parent, cache.with_suffix(".safetensors"), Path("runs") / teacher["recipe"]):
        weights = run / "model.safetensors" if run.is_dir() else run
        if weights.is_file() and sha256_file(weights) == teacher["weights_sha256"]:
            return run
    raise ConfigError(
        f"the teacher of the cache {cache} is not at hand, so nobody knows what it costs",
        fix=f"bring its run folder to runs/{teacher['recipe']}",
    )


def _unused(path: Path, names: set[str]) -> str:
    """A name for a teacher that no other has."""
    plain = teacher_title(path)
    numbered = (f"{plain}-{number}" for number in count(2))
    return next(name for name in chain([plain], numbered) if name not in names)


def teacher_title(path: Path) -> str:
    """What a teacher is called by its path: its run folder, and what is meant of it.

    Args:
        path: A run folder, a cache, or weights that a run kept.
    """
    path = path.absolute()
    if path.suffix == ".safetensors":
        return f"{path.parent.parent.name}-{path.stem}"
    return f"{path.parent.name}-cache" if path.name == "cache" else path.name


def steps_of(config: TrainConfig) -> int:
    """How many optimiser steps a run has."""
    if config.steps is not None:
        return config.steps
    data = open_mixture(config.data.root, config.data.space)
    return config.length(sum(map(len, data.samples(config.data.train_split, config.targets))))
