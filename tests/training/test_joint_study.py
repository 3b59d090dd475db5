"""Studies of networks that learn classes and depth: compared by classes, at the cost of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders_apart import apart_folder, apart_run

from curbside.errors import ConfigError
from curbside.training import DistillationConfig, TaskWeightingConfig, TrainConfig, fit
from curbside.training.study import Cost, judge, lineage, make_plan, timing
from curbside.training.study.notes import notes
from curbside.training.study.work import scored_samples


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    apart_folder(home / "data", train=8, val=4)
    return home


def _plan(folder: Path, variants: dict[str, TrainConfig], **more):
    settings = {"teachers": {}, "seeds": 1, "budget": "time", "split": "val"}
    return make_plan(folder, variants, **{**settings, **more})


def test_a_joint_recipe_is_timed_and_judged_by_its_classes(home, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "_ROUNDS", 1)
    monkeypatch.setattr(timing, "_STEPS", 1)
    count, plain = lineage.count_macs, Cost(pictures=4, student=1, losses=0, teacher=0, once=0)
    monkeypatch.setattr(  # what costs the most time here is counting the same network again
        lineage, "count_macs", lambda c, *a, **k: count(c, *a, **k) if c.distillation else plain
    )
    timed = []
    turn = timing._Bench.turn
    monkeypatch.setattr(timing._Bench, "turn", lambda self: timed.append(self) or turn(self))
    teacher = home / "runs/teacher"
    fit(apart_run(home / "data", teacher))
    control = apart_run(home / "data", tmp_path / "x", steps=None, epochs=1.0)
    mix = (("semantic", 1.0), ("depth", 1.0))
    taught = replace(
        control,
        weighting=TaskWeightingConfig(kind="uncertainty"),
        data=replace(control.data, mix=mix),
        distillation=DistillationConfig(teacher=(teacher,), depth=1.0),
    )
    plan = _plan(tmp_path / "s", {"joint": control, "taught": taught})
    assert plan.variants["joint"].steps == 2  # 8 pictures, 4 at a time: all, not those with a mask
    assert plan.variants["taught"].cost.teacher > 0
    assert all(one.cost.seconds and one.cost.seconds > 0 for one in plan.variants.values())
    for bench in timed:  # a step that was timed had the losses of both
        assert {"train/semantic", "train/depth"} <= bench._task.latest.keys()
    assert "train/depth-kd" in timed[-1]._task.latest
    assert [sample.record.targets for sample in scored_samples(plan)] == [("semantic",)] * 2
    (said,) = (line for line in notes(plan, judge(plan), {}) if "Depth" in line)
    assert said.startswith("Depth is not judged, though joint and taught learn it")


def test_depth_alone_is_no_study(home, tmp_path):
    both = apart_run(home / "data", tmp_path / "x")
    deep = replace(both, tasks="depth")
    mask = replace(both, tasks="semantic")
    fit(apart_run(home / "data", tmp_path / "deep", tasks="depth", steps=1, validate_every=1))
    asked = replace(mask, distillation=DistillationConfig(teacher=(tmp_path / "deep",)))
    for variants, teachers, name in (
        ({"deep": deep, "both": both}, {}, "deep"),
        ({"both": both, "deep": deep}, {}, "deep"),
        ({"both": both, "mask": mask}, {"deep": deep}, "deep"),
        ({"both": both, "asked": asked}, {}, str(tmp_path / "deep")),
    ):
        with pytest.raises(ConfigError, match="compares by classes") as caught:
            _plan(tmp_path / "s", variants, teachers=teachers, budget="steps")
        assert str(caught.value).startswith(name) and "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_a_teacher_of_depth_that_does_not_learn_it_is_refused_before_anything_is_trained(
    home, tmp_path
):
    both = apart_run(home / "data", tmp_path / "x")
    mask = replace(both, tasks="semantic", out=tmp_path / "mask")
    taught = replace(both, distillation=DistillationConfig(teacher=(tmp_path / "mask",), depth=1.0))
    variants = {"both": both, "taught": taught}
    with pytest.raises(ConfigError, match=r"mask learns classes alone"):
        _plan(tmp_path / "s", variants, teachers={"mask": mask}, budget="steps")
    fit(replace(mask, steps=1, validate_every=1))
    with pytest.raises(ConfigError, match=r"mask learns classes alone"):
        _plan(tmp_path / "s", variants, budget="steps")
    assert not (tmp_path / "s").exists()
