"""Plans of studies: lengths at equal compute, who teaches whom, resuming, and what is refused."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.datasets import AugmentConfig
from curbside.errors import ConfigError, CurbsideError, DataError
from curbside.losses import CrossEntropyConfig, CWDConfig, LogitKDConfig
from curbside.models import LRASPPConfig
from curbside.models.complexity import complexity
from curbside.training import (
    DataConfig,
    DistillationConfig,
    ScheduleConfig,
    TrainConfig,
    fit,
    load_run,
)
from curbside.training.caching import cache_teacher
from curbside.training.study import Plan, lineage, make_plan, planning, read_plan
from curbside.training.study.timing import Timed, measure_seconds
from curbside.training.variants import distilled

CROP = (64, 96)
BIG = LRASPPConfig(channels=64)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of 12 pictures and a teacher that was trained before, with its cache."""
    home = tmp_path_factory.mktemp("home")
    data = blocks_folder(home / "data", val=2)
    teacher = home / "runs/teacher"
    fit(_config(home, name="teacher", model=BIG, steps=1, keep=(1.0,), out=teacher))
    cache_teacher(load_run(teacher), [data], teacher / "cache", device="cpu")
    return home


_COUNTED = functools.cache(lineage.count_macs)


@pytest.fixture(autouse=True)
def counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What costs the most time here is counting the same networks again and again."""
    monkeypatch.setattr(lineage, "count_macs", _COUNTED)


def _config(home: Path, **changes: object) -> TrainConfig:
    config = TrainConfig(
        name="alone",
        model=LRASPPConfig(channels=32),
        data=DataConfig(
            root=(home / "data",),
            batch_size=4,
            crop_hw=CROP,
            eval_hw=CROP,
            workers=0,
            augment=AugmentConfig(scale=(0.8, 1.0)),
        ),
        schedule=ScheduleConfig(warmup_steps=20),
        steps=200,
        validate_every=20,
        precision="fp32",
        accelerator="cpu",
    )
    return replace(config, **changes)


def _taught(home: Path, *teachers: Path, **changes: object) -> TrainConfig:
    return _config(
        home,
        distillation=DistillationConfig(teacher=teachers, losses=(LogitKDConfig(),)),
        **changes,
    )


def _plan(home: Path, folder: Path, variants: dict[str, TrainConfig], **more: object) -> Plan:
    settings = {"teachers": {}, "seeds": 2, "budget": "flops", "split": "val"}
    return make_plan(folder, variants, **{**settings, **more})  # type: ignore[arg-type]


def test_equal_flops_shorten_the_taught_and_all_of_their_schedule(home, tmp_path) -> None:
    variants = {"alone": _config(home), "kd": _taught(home, home / "runs/teacher", epochs=7)}
    variants["kd"] = replace(variants["kd"], steps=None)  # 7 epochs of 12 pictures: 21 steps
    plan = _plan(home, tmp_path / "s", variants)
    student = complexity(variants["alone"].model, 11, CROP).macs[CROP]
    teacher = complexity(BIG, 11, CROP).macs[CROP]
    assert plan.amount == 200 * 4 * 3 * student
    steps = round(200 * 3 * student / (3 * student + teacher))
    kd = plan.variants["kd"]
    assert 1 < steps < 190 and kd.steps == steps
    assert plan.validations == 10
    assert kd.config.validate_every == plan.variants["alone"].config.validate_every == 0.1
    assert plan.variants["alone"].config.schedule.warmup_steps == 20
    assert kd.config.schedule.warmup_steps == round(20 * steps / 21)
    assert kd.config.data == variants["alone"].data
    assert plan.teachers["teacher"].path == home / "runs/teacher"
    assert plan.teachers["teacher"].training_macs == 1 * 4 * 3 * teacher


def test_equal_steps_and_epochs(home, tmp_path) -> None:
    variants = {
        "alone": _config(home, steps=None, epochs=5.0, validate_every=None),
        "kd": _taught(home, home / "runs/teacher", steps=999),
    }
    plan = _plan(home, tmp_path / "s", variants, budget="steps")
    assert [one.steps for one in plan.variants.values()] == [15, 15]  # of 12 pictures, 4 at a time
    assert plan.validations == 5


def test_a_cache_is_paid_from_the_budget(home, tmp_path) -> None:
    cache = home / "runs/teacher/cache"
    plan = _plan(home, tmp_path / "s", {"alone": _config(home), "kd": _taught(home, cache)})
    student = complexity(LRASPPConfig(channels=32), 11, CROP).macs[CROP]
    once = 12 * complexity(BIG, 11, CROP).macs[CROP]
    cost = plan.variants["kd"].cost
    assert (cost.once, cost.teacher) == (once, 0)
    assert plan.variants["kd"].steps == round((200 * 12 * student - once) / (12 * student)) < 200
    assert plan.teachers["teacher"].path == home / "runs/teacher"  # which can be scored
    short = {"alone": _config(home, steps=1), "kd": _taught(home, cache, steps=1)}
    with pytest.raises(ConfigError, match=r"a single step of kd, with its .* times all that a run"):
        _plan(home, tmp_path / "short", short)


def test_a_cache_and_its_run_teach_in_one_study(home, tmp_path) -> None:
    run = home / "runs/teacher"
    variants = {
        "alone": _config(home),
        "kd@cache": _taught(home, run / "cache"),
        "kd": _taught(home, Path(os.path.relpath(run))),
    }
    plan = _plan(home, tmp_path / "s", variants)
    assert list(plan.teachers) == ["teacher"]  # scored once
    cached, online = (plan.variants[name] for name in ("kd@cache", "kd"))
    assert (cached.cost.teacher, online.cost.once) == (0, 0)
    assert cached.cost.once > 0 and online.cost.teacher > 0
    assert online.steps < cached.steps < 200


def test_equal_time_is_measured_once_and_later_variants_in_proportion(
    home, tmp_path, monkeypatch
) -> None:
    found = {"alone": (0.5, 0.0), "kd": (0.8, 10.0)}
    monkeypatch.setattr(planning, "measure_seconds", lambda runs: {k: found[k] for k in runs})
    cached = _taught(home, home / "runs/teacher/cache")
    variants = {"alone": _config(home), "kd": cached}
    plan = _plan(home, tmp_path / "s", variants, budget="time")
    assert plan.amount == 100
    assert plan.variants["kd"].steps == round((100 - 10) / 0.8)
    plan.write()
    with monkeypatch.context() as patch:
        patch.setattr(planning, "measure_seconds", lambda runs: pytest.fail("measured again"))
        again = _plan(home, tmp_path / "s", variants, budget="time")
    assert again == plan
    found |= {"alone": (1.0, 0.0), "late": (2.0, 0.0)}  # the machine is half as fast today
    variants["late"] = _taught(home, home / "runs/teacher")
    later = _plan(home, tmp_path / "s", variants, budget="time")
    assert later.variants["late"].steps == 100
    assert later.variants["kd"] == plan.variants["kd"]


def test_steps_are_timed_in_turns(home, monkeypatch) -> None:
    from curbside.training.study import timing

    turns = []
    turn = timing._Bench.turn
    monkeypatch.setattr(timing, "_ROUNDS", 2)
    monkeypatch.setattr(
        timing._Bench,
        "turn",
        lambda self: turns.append(self._config.distillation is None) or turn(self),
    )
    cache = home / "runs/teacher/cache"
    both = Timed(
        config=_taught(home, home / "nowhere", cache),
        teachers=(BIG, cache),
        before=((BIG, CROP, 12),),
    )
    alone = _config(home, data=replace(_config(home).data, accumulate=2))
    found = measure_seconds({"alone": Timed(config=alone, teachers=()), "both": both})
    assert turns == [True, False, True, False]
    assert found["alone"][0] > 0 and found["both"][0] > 0
    assert found["alone"][1] == 0 < found["both"][1]


def test_a_run_that_is_there_teaches_as_it_is(home, tmp_path) -> None:
    variants = {  # the control goes by the same folder
        "alone": _config(home, out=home / "runs/teacher", model=BIG),
        "kd": _taught(home, home / "runs/teacher", model=BIG),
    }
    plan = _plan(home, tmp_path / "s", variants)
    assert plan.teachers["teacher"].path == home / "runs/teacher"
    assert plan.variants["kd"].needs == ()
    assert plan.variants["kd"].steps == 150  # 3 forward passes a step against 4


def test_recipes_of_a_study_teach_each_other(home, tmp_path) -> None:
    assistant = _taught(home, Path("runs/big"), name="assistant")
    variants = {
        "alone": _config(home),
        "kd": _taught(home, Path("runs/assistant/kept/000005.safetensors"), Path("runs/second")),
        "second": _config(home, name="second"),
    }
    teachers = {"assistant": assistant, "big": _config(home, name="big", model=BIG, steps=7)}
    folder = tmp_path / "s"
    plan = _plan(home, folder, variants, teachers=teachers)
    assert list(plan.teachers) == ["big", "assistant"]
    assert plan.teachers["assistant"].needs == ("teachers/big",)
    assert plan.teachers["big"].config == replace(teachers["big"], out=None)  # its own length
    distillation = plan.variants["kd"].config.distillation
    assert distillation is not None and distillation.teacher == (
        folder / "teachers/assistant/kept/000005.safetensors",
        folder / "runs/second/seed-42",
    )
    assert plan.variants["kd"].needs == ("teachers/assistant", "runs/second/seed-42")
    plan.write()
    assert read_plan(folder) == plan
    jobs = plan.jobs
    assert list(jobs)[:3] == ["teachers/big", "teachers/assistant", "runs/alone/seed-42"]
    run = jobs["runs/kd/seed-43"].config
    assert run is not None and (run.seed, run.out) == (43, folder / "runs/kd/seed-43")


@pytest.mark.parametrize(
    ("teachers", "said"),
    [
        ({"a": "runs/b", "b": "runs/a"}, "teach each other in a circle: a <- b <- a|b <- a <- b"),
        ({"a": "runs/absent"}, "no teacher at runs/absent; train it first"),
        ({"a": "runs/alone/cache"}, "makes no caches"),
    ],
)
def test_teachers_that_cannot_be(home, tmp_path, teachers, said) -> None:
    variants = {
        "alone": _config(home),
        **{name: _taught(home, Path(path), name=name) for name, path in teachers.items()},
    }
    with pytest.raises(ConfigError, match=said):
        _plan(home, tmp_path / "s", variants)
    assert not (tmp_path / "s").exists()


def test_another_plan_is_refused_in_one_line_that_names_the_change(home, tmp_path) -> None:
    variants = {"alone": _config(home), "kd": _taught(home, home / "runs/teacher")}
    _plan(home, tmp_path / "s", variants).write()
    before = (tmp_path / "s/study.json").read_bytes()

    def refused(said: str, variants=variants, **more: object) -> None:
        with pytest.raises(ConfigError, match=f"holds a study with another {said}") as caught:
            _plan(home, tmp_path / "s", variants, **more)
        assert "\n" not in str(caught.value)

    refused(r"budget \(flops\)", budget="steps")
    refused(r"by \(None\)", by="weather")
    refused("control", {"kd": variants["kd"], "alone": variants["alone"]})
    smoother = replace(variants["alone"], loss=CrossEntropyConfig(label_smoothing=0.1))
    refused(r"loss.label_smoothing of alone \(0.0\)", {**variants, "alone": smoother})
    kd = replace(
        variants["kd"],
        distillation=DistillationConfig(
            teacher=(home / "runs/teacher",), losses=(LogitKDConfig(temperature=2),)
        ),
    )
    refused(r"distillation.losses.0.temperature of kd \(4.0\)", {**variants, "kd": kd})
    refused("steps of alone", {**variants, "alone": _config(home, steps=100)})
    assert (tmp_path / "s/study.json").read_bytes() == before


def test_variants_and_seeds_are_added(home, tmp_path) -> None:
    variants = {"alone": _config(home), "kd": _taught(home, home / "runs/teacher")}
    first = _plan(home, tmp_path / "s", variants, seeds=1)
    first.write()
    moved = {  # where it runs is nobody's business
        "alone": _config(home, accelerator="auto", devices=1, out=tmp_path / "elsewhere"),
        "late": _taught(home, home / "runs/teacher/kept/000001.safetensors", name="late"),
    }
    second = _plan(home, tmp_path / "s", moved, seeds=3)
    assert second.seeds == (42, 43, 44)
    assert list(second.variants) == ["alone", "kd", "late"]
    assert second.variants["kd"] == first.variants["kd"]
    assert list(second.teachers) == ["teacher", "teacher-000001"]
    second.write()
    assert _plan(home, tmp_path / "s", variants, seeds=1).seeds == (42, 43, 44)  # none is forgotten


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seeds": 0}, "is no comparison"),
        ({"split": "test"}, "test"),
        ({"by": "moon"}, "no sample has the tag 'moon'"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_training(home, tmp_path, more, said) -> None:
    variants = {"alone": _config(home), "kd": _taught(home, home / "runs/teacher")}
    with pytest.raises((ConfigError, DataError), match=said):
        _plan(home, tmp_path / "s", variants, **more)


def test_a_folder_with_something_else_is_left_alone(home, tmp_path) -> None:
    variants = {"alone": _config(home), "other": _config(home)}
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no study"):
        _plan(home, tmp_path, variants)
    for content in ("{", "[]", json.dumps({"format": "curbside-study", "budget": "flops"})):
        (tmp_path / "study.json").write_text(content)
        with pytest.raises(ConfigError, match=r"study\.json") as caught:
            _plan(home, tmp_path, variants)
        assert "\n" not in str(caught.value)


def test_variants_by_the_names_of_losses(home) -> None:
    control = _config(home)
    found = distilled(replace(control, out=home), [Path("runs/t")], "feature-l2+logit-kd")
    assert found.name == "alone-feature-l2+logit-kd" and found.out is None
    assert found.distillation is not None and found.distillation.teacher == (Path("runs/t"),)
    kinds = [type(loss).__name__ for loss in found.distillation.losses]
    assert kinds == ["FeatureL2Config", "LogitKDConfig"]
    assert replace(found, name="alone", distillation=None) == control
    text = "cwd:weight=3,temperature=2+logit-kd:standardize=true,resolution=input"
    found = distilled(control, [Path("runs/t")], text)
    assert found.name == f"alone-{text.replace(':', '-')}" and found.distillation is not None
    assert found.distillation.losses == (
        CWDConfig(weight=3, temperature=2),
        LogitKDConfig(standardize=True, resolution="input"),
    )
    for losses, teachers, said in (
        ("cwd:weigth=3", [Path("t")], "no setting of cwd 'weigth'; did you mean weight"),
        ("cwd:weight=much", [Path("t")], "weight=much of cwd cannot be read"),
        ("cwd:weight=NaN", [Path("t")], "weight of nan is impossible"),
        ("cwd:adapter=3", [Path("t")], "adapter=3 of cwd cannot be read"),
        ("logit-kd:resolution=fine", [Path("t")], "none of \\('input', 'logits'\\)"),
        ("logit-dk", [Path("t")], "did you mean logit-kd"),
        ("logit-kd", [], "name it with --teacher"),
    ):
        with pytest.raises(CurbsideError, match=said):
            distilled(control, teachers, losses)
