"""Doing the jobs of a study: their order, failures, death, and stopping."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.files import write_text
from curbside.models import LRASPPConfig
from curbside.training import DataConfig, TrainConfig
from curbside.training.study import Cost, Crew, LocalCrew, Plan, RayCrew, Teacher, Variant, run_jobs
from curbside.training.study import __main__ as study_process
from curbside.training.study.plan import Job

COST = Cost(pictures=4, student=1, losses=0, teacher=0, once=0)


def _plan(folder: Path, seeds: int = 1) -> Plan:
    """A teacher of an assistant of `kd`, and a control that needs neither; there are no data."""
    config = TrainConfig(
        name="recipe", model=LRASPPConfig(), steps=5, data=DataConfig(root=(folder / "absent",))
    )
    return Plan(
        folder=folder,
        budget="steps",
        amount=5,
        seeds=tuple(range(seeds)),
        split="val",
        by=None,
        validations=1,
        control="alone",
        variants={
            "kd": Variant(config=config, cost=COST, needs=("teachers/assistant",)),
            "alone": Variant(config=config, cost=COST),
        },
        teachers={
            "assistant": Teacher(path=folder, config=config, needs=("teachers/big",)),
            "big": Teacher(path=folder, config=config),
        },
    )


class _Fake(Crew):
    """Does jobs in an instant, but for those that it is told to fail."""

    def __init__(self, *failing: str, places: int = 2) -> None:
        self.places, self.failing = places, failing
        self.order: list[str] = []
        self.under_way: list[tuple[Plan, Job]] = []

    def start(self, plan: Plan, job: Job) -> None:
        assert len(self.under_way) < self.places
        self.order.append(job.key)
        self.under_way.append((plan, job))

    def stop(self, key: str) -> None: ...

    def ended(self) -> tuple[str, str | None]:
        plan, job = self.under_way.pop()
        if job.key in self.failing:
            return job.key, "it broke"
        outcome = '{"seconds": 1, "device": "", "precision": "", "commit": null, "best_step": 1,'
        outcome += ' "last_miou": 0, "ece": 0, "ece_scaled": 0, "temperature": 1}'
        write_text(plan.folder / job.key / "result.json", outcome)
        return job.key, None

    def __exit__(self, *_: object) -> None: ...


def test_each_job_comes_after_those_it_needs(tmp_path) -> None:
    plan, crew, said = _plan(tmp_path, seeds=2), _Fake(places=3), []
    assert run_jobs(plan, crew, said.append) == {}
    assert sorted(crew.order) == sorted(plan.jobs)
    place = {key: crew.order.index(key) for key in crew.order}
    assert place["teachers/big"] < place["teachers/assistant"] < place["runs/kd/seed-0"]
    assert said[-1].endswith("(6 of 6)")


def test_what_is_done_is_not_done_again_and_what_is_added_alone_is(tmp_path) -> None:
    run_jobs(_plan(tmp_path), _Fake(), print)
    crew = _Fake()
    run_jobs(_plan(tmp_path), crew, print)
    assert crew.order == []
    run_jobs(_plan(tmp_path, seeds=2), crew, print)
    assert sorted(crew.order) == ["runs/alone/seed-1", "runs/kd/seed-1"]


def test_a_failure_takes_only_what_needs_it(tmp_path) -> None:
    crew = _Fake("teachers/big", "runs/alone/seed-0")
    failed = run_jobs(_plan(tmp_path, seeds=2), crew, print)
    assert failed == {
        "teachers/big": "it broke",
        "runs/alone/seed-0": "it broke",
        "teachers/assistant": "its teacher teachers/big failed",
        "runs/kd/seed-0": "its teacher teachers/assistant failed",
        "runs/kd/seed-1": "its teacher teachers/assistant failed",
    }
    assert sorted(crew.order) == ["runs/alone/seed-0", "runs/alone/seed-1", "teachers/big"]


def test_processes_stop_at_their_next_step_and_a_killed_one_is_told_of(tmp_path) -> None:
    data = DataConfig(
        root=(blocks_folder(tmp_path / "absent", train=2, val=1, size_hw=(64, 64)),),
        batch_size=2,
        crop_hw=(64, 64),
        workers=0,
    )
    config = TrainConfig(
        name="long",
        model=LRASPPConfig(channels=16),
        data=data,
        steps=10**6,
        validate_every=10**6,
        checkpoint_every=1,
        precision="fp32",
        accelerator="cpu",
    )
    plan = _plan(tmp_path / "study")
    plan = replace(plan, variants={"alone": Variant(config=config, cost=COST)}, seeds=(0, 1))
    plan.write()
    stopped, killed = plan.jobs["runs/alone/seed-0"], plan.jobs["runs/alone/seed-1"]
    folder = plan.folder / stopped.key
    with LocalCrew(places=2) as crew:
        crew.start(plan, killed)
        os.kill(crew._running[killed.key].pid, signal.SIGKILL)
        key, why = crew.wait()
        assert key == killed.key and why is not None and "SIGKILL" in why
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a shell's background jobs
        try:
            crew.start(plan, stopped)
        finally:
            signal.signal(signal.SIGINT, before)
        process = crew._running[stopped.key]
        while not (folder / "last.ckpt").is_file():
            assert process.poll() is None, (tmp_path / f"study/{stopped.key}.log").read_text()
            time.sleep(0.1)
    assert process.returncode == 130  # not by force, which would be 1
    assert "Traceback" not in (plan.folder / f"{stopped.key}.log").read_text()
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".partial")]
    assert (folder / "last.ckpt").is_file() and not (folder / "result.json").exists()


def test_a_process_tells_why_its_job_failed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("curbside.training.crews._stop_with_parent", lambda: None)
    plan = _plan(tmp_path)
    plan.write()
    problem = tmp_path / "problem"
    assert study_process.main(str(tmp_path), "runs/alone/seed-0", str(problem)) == 2
    assert "absent does not exist" in problem.read_text()


def test_cores_and_gpus_are_divided(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setattr("curbside.training.crews.core_count", lambda: 8)
    crew = LocalCrew(places=3)
    found = [crew._share(key) for key in "abc"]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["4", "7", "4"]
    assert {one["OMP_NUM_THREADS"] for one in found} == {"2"}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_on_ray_a_failure_comes_back_as_its_line(tmp_path) -> None:
    plan = _plan(tmp_path)
    plan = replace(plan, teachers={}, variants={"alone": plan.variants["alone"]})
    with RayCrew() as crew:
        failed = run_jobs(plan, crew, print)
    assert "does not exist" in failed["runs/alone/seed-0"]
