"""`curbside study` from the shell's point of view, with real runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.cli import main
from curbside.cli.study import _configs, _parser
from curbside.datasets import AugmentConfig
from curbside.errors import CurbsideError
from curbside.models import LRASPPConfig
from curbside.training import DataConfig, TrainConfig, fit
from curbside.training.study import Crew, Plan
from curbside.training.study.plan import Job
from curbside.training.study.work import do_job


def _config(home: Path, name: str, **changes: object) -> TrainConfig:
    config = TrainConfig(
        name=name,
        model=LRASPPConfig(channels=16),
        data=DataConfig(
            root=(home / "data",),
            batch_size=2,
            crop_hw=(64, 64),
            eval_hw=(64, 96),
            workers=0,
            augment=AugmentConfig(scale=(0.8, 1.0)),
        ),
        steps=2,
        validate_every=1,
        precision="fp32",
        accelerator="cpu",
        out=home / "runs" / name,
    )
    return replace(config, **changes)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and runs that can be a control, a variant or a teacher."""
    home = tmp_path_factory.mktemp("home")
    blocks_folder(home / "data", train=4, val=6)
    fit(_config(home, "student"))
    shutil.copytree(home / "runs/student", home / "runs/other")
    return home


def _times(study: Path) -> dict[Path, int]:
    files = [path for part in ("runs", "teachers") for path in (study / part).rglob("*")]
    return {path: path.stat().st_mtime_ns for path in files if path.is_file()}


class _Inside(Crew):
    """Does jobs in this process: what a process costs to start is paid in `test_study_run`."""

    def __init__(self, places: int) -> None:
        self.places = places

    def start(self, plan: Plan, job: Job) -> None:
        self._ended: tuple[str, str | None] = (job.key, None)
        try:
            do_job(plan, job)
        except CurbsideError as error:
            self._ended = (job.key, str(error))

    def stop(self, key: str) -> None: ...

    def ended(self) -> tuple[str, str | None]:
        return self._ended

    def __exit__(self, *_: object) -> None: ...


def _stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_study_from_plan_to_report(home, capsys, monkeypatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr("curbside.training.study.LocalCrew", _Inside)
    student, study = str(home / "runs/student/config.json"), home / "studies/small"
    common = [
        "--distill", "logit-kd", "--teacher", str(home / "runs/student"), "--out", str(study),
        "--by", "weather", "--steps", "8", "--validate-every", "4", "--results", str(home / "results.md"),
    ]  # fmt: skip
    assert main(["study", student, *common, "--seeds", "1"]) == 0
    said = capsys.readouterr()
    assert "logit-kd" in said.out and f"report: {study / 'report.html'}" in said.out
    assert "(3 of 3)" in said.err
    plan = json.loads((study / "study.json").read_text())
    # The teacher is the student itself, without a gradient: 4 forward passes a step instead of 3.
    assert plan["variants"]["student"]["config"]["steps"] == 8
    assert plan["variants"]["logit-kd"]["config"]["steps"] == 6
    before = _times(study)
    run = study / "runs/logit-kd/seed-42"
    for name in (
        "model.safetensors",
        "result.json",
        "eval-val/report.html",
        "eval-val/per_image.npz",
    ):
        assert run / name in before
    metrics = (run / "metrics.csv").read_text().splitlines()
    assert metrics[-1].startswith("6,")
    page = (study / "report.html").read_text()
    assert page.count("<svg") >= 6 and page.count("<img") == 24  # six pictures, four views
    assert "Where student and logit-kd differ most" in page

    in_the_way = study / "runs/logit-kd/seed-43/notes.txt"
    in_the_way.parent.mkdir()
    in_the_way.write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr("curbside.training.study.work.evaluate", _stopped)
        assert main(["study", student, *common, "--seeds", "2"]) == 130
    assert capsys.readouterr().err.strip().endswith("curbside study: stopped")
    checkpoint = study / "runs/student/seed-43/last.ckpt"
    trained = checkpoint.stat().st_mtime_ns

    assert main(["study", student, *common, "--seeds", "2"]) == 1
    said = capsys.readouterr()
    assert "runs/student/seed-43: done (1 of 2)" in said.err
    assert checkpoint.stat().st_mtime_ns == trained  # it was scored only
    assert "failed: runs/logit-kd/seed-43: " in said.out and "holds no run" in said.out
    report = json.loads((study / "report.json").read_text())
    assert report["findings"]["student"]["seeds"] == [42, 43]
    assert report["findings"]["logit-kd"]["missing"] == [43]
    assert "Failed: runs/logit-kd/seed-43: " in (study / "report.md").read_text()

    in_the_way.unlink()
    assert main(["study", student, *common, "--seeds", "2"]) == 0
    assert "runs/logit-kd/seed-43: done (1 of 1)" in capsys.readouterr().err
    after = _times(study)
    assert {path: after[path] for path in before} == before
    report = json.loads((study / "report.json").read_text())
    assert report["findings"]["logit-kd"]["seeds"] == [42, 43] and not report["failed"]
    assert report["teacher"] == "student-2"  # the run that was there before, by a name of its own
    for text in ((study / "report.md").read_text(), (home / "results.md").read_text()):
        assert "by Student's t over the seeds" in text and "steps 8 → 6" in text
        assert "| student | " in text and "mIoU, %, by weather" in text


def test_settings_of_distillation_reach_the_variants_by_name(home) -> None:
    words = ["--distill", "logit-kd", "--distill", "cwd:weight=3", "--teacher", "runs/t"]
    given = [*words, "--steps", "7", "--distillation.supervised", "0.25"]
    chosen, overrides = _parser().parse_known_args(given)
    student = str(home / "runs/student/config.json")
    variants, _ = _configs([student], chosen, overrides)
    assert list(variants) == ["student", "logit-kd", "cwd-weight=3"]
    assert all(config.steps == 7 for config in variants.values())
    assert variants.pop("student").distillation is None
    for name, config in variants.items():
        assert config.name == f"student-{name}" and config.distillation is not None
        assert config.distillation.supervised == 0.25


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{student}"], "is no comparison"),
        (["{student}", "{student}"], "student stands twice"),
        (["{student}", "--distill", "cwd"], "name it with --teacher"),
        (["{student}", "--distill", "cwd@", "--teacher", "{run}"], "name it with --teacher"),
        (["{student}", "--distill", "cwd@nowhere"], "no teacher at nowhere"),
        (
            ["{student}", "--distill", "cwd", "--teacher", "{run}", "--seeds", "0"],
            "is no comparison",
        ),
        (["{student}", "{other}", "--jobs", "0"], "0 runs at once"),
        (["{student}", "{other}", "--results", "."], "cannot be read as a document"),
        (["{student}", "{other}", "--distillation.supervised", "2"], "no variant has a teacher"),
        (["{student}", "{other}", "--data.unlabelled", "x"], "no variant has a teacher"),
        (["{student}", "{other}", "--address", "auto"], "give --engine ray"),
        (["{student}", "{other}", "--steps", "0"], "0 steps"),
        (["runs/nowhere/config.json", "{other}"], "does not exist"),
    ],
)
def test_mistakes_are_one_line(home, tmp_path, arguments, said, capsys) -> None:
    places = {name: str(home / f"runs/{name}/config.json") for name in ("student", "other")}
    words = [word.format(**places, run=home / "runs/student") for word in arguments]
    assert main(["study", *words, "--out", str(tmp_path / "study")]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside study: ") and said in error and "\n" not in error
    assert not (tmp_path / "study").exists()


def test_settings_reach_whom_they_concern(home) -> None:
    student = str(home / "runs/student/config.json")
    words = [
        "--distill", "logit-kd", "--teacher", "t", "--teachers", "drawn-teacher", "--data.root", "a", "b",
        "--steps", "9", "--distillation.supervised", "0.5", "--data.space", "camvid11", "--precision", "bf16",
        "--data.unlabelled", "more",
    ]  # fmt: skip
    chosen, overrides = _parser().parse_known_args(words)
    variants, teachers = _configs([student, "drawn-student-kd"], chosen, overrides)
    assert list(variants) == ["student", "drawn-student-kd", "logit-kd"]
    assert {config.steps for config in variants.values()} == {9}
    assert {config.data.root for config in variants.values()} == {(Path("a"), Path("b"))}
    assert variants["student"].distillation is None
    kd = variants["drawn-student-kd"].distillation
    assert kd is not None and kd.supervised == 0.5
    assert [config.data.unlabelled for config in variants.values()] == [
        (),  # only a teacher can say something of pictures without labels
        (Path("more"),),
        (Path("more"),),
    ]
    (teacher,) = teachers.values()
    assert teacher.data.root == (Path("a"), Path("b")) and teacher.precision == "bf16"
    assert not teacher.data.unlabelled
    assert teacher.steps == 700  # its own


def test_each_variant_has_the_teachers_behind_its_name(home) -> None:
    words = [
        "--distill", "logit-kd@runs/t/cache", "--distill", "cwd@runs/t,runs/u/kept/000250.safetensors",
        "--distill", "lad", "--teacher", "runs/all", "runs/more",
    ]  # fmt: skip
    chosen, _ = _parser().parse_known_args(words)
    variants, _ = _configs([str(home / "runs/student/config.json")], chosen, [])
    found = {
        name: [str(path) for path in config.distillation.teacher]
        for name, config in variants.items()
        if config.distillation is not None
    }
    assert found == {
        "logit-kd@t-cache": ["runs/t/cache"],
        "cwd@t,u-000250": ["runs/t", "runs/u/kept/000250.safetensors"],
        "lad": ["runs/all", "runs/more"],
    }
    assert variants["logit-kd@t-cache"].name == "student-logit-kd@t-cache"


def test_help_tells_what_it_does(capsys) -> None:
    assert main(["study"]) == 0
    assert "--budget" in capsys.readouterr().out
