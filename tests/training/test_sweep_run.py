"""Doing the trials of a sweep: together with others, after a death, broken off, failed."""

from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders_data import blocks_folder

pytest.importorskip("optuna")

from curbside.errors import ConfigError, MissingDependencyError, StorageError
from curbside.files import write_json, write_text
from curbside.models import LRASPPConfig
from curbside.training import DataConfig, TrainConfig
from curbside.training.crews import Crew
from curbside.training.sweep import (
    Choices,
    Space,
    Sweep,
    Trials,
    read_space,
    run_sweep,
    split_items,
)
from curbside.training.sweep import __main__ as trial_process
from curbside.training.sweep.plan import Job
from curbside.training.sweep.trials import Taken
from curbside.training.sweep.work import Outcome, read_outcome, read_scores, write_trial

LR = ("optimizer.lr=1e-4..1e-2:log",)
GOOD = Outcome(score=0.5, step=9, score_name="mIoU")


def _sweep(folder: Path, *items: str, **changes: object) -> Sweep:
    bases = {"": TrainConfig(name="recipe", model=LRASPPConfig(), steps=5)}
    space = read_space(split_items(items or LR), bases)
    sweep = Sweep(folder=folder, bases=bases, space=space, words=("recipe",))
    return replace(sweep, **changes)


def _open(sweep: Sweep) -> Trials:
    return Trials(sweep, sweep.claim())


class _Scripted(Crew):
    """Trains nothing: the scores of trial N are `script(N)`, one for every time that it is looked at; a text
    in their place is why it failed."""

    def __init__(
        self, script: Callable[[int], list[float] | str], *, places: int = 1, pause: float = 0.0
    ) -> None:
        self.places, self._script, self._pause = places, script, pause
        self.started: list[int] = []
        self.stopped: dict[int, int] = {}
        self._running: dict[str, tuple[Path, int, list[float], str | None]] = {}

    def start(self, plan: Sweep, job: Job) -> None:
        assert len(self._running) < self.places
        self.started.append(job.number)
        run, found = plan.folder / job.key, self._script(job.number)
        write_json(
            run / "config.json",
            {
                "format": "curbside-run",
                "config": {"data": {}},
                "score": {"key": "val/it", "name": "It"},
            },
        )
        with open(plan.folder / "begun.txt", "a") as file:
            file.write(f"{job.number} {os.getpid()}\n")
        if isinstance(found, str):
            self._running[job.key] = (run, job.number, [], found)
        else:
            self._running[job.key] = (run, job.number, found, None)

    def ended(self) -> tuple[str, str | None] | None:
        time.sleep(self._pause)
        for key, (run, number, scores, problem) in self._running.items():
            if problem is not None or number in self.stopped:
                del self._running[key]
                return key, problem or "it was stopped"
            known = len(read_scores(run)[0])
            if known == len(scores):
                told = {"score": max(scores), "step": 10 * known, "score_name": "It"}
                write_json(run / "result.json", told)
                del self._running[key]
                return key, None
            rows = "".join(f"{10 * i + 10},{scores[i]}\n" for i in range(known + 1))
            write_text(run / "metrics.csv", f"step,val/it\n{rows}")
        return None

    def stop(self, key: str) -> None:
        run, number, _, _ = self._running[key]
        self.stopped[number] = len(read_scores(run)[0])

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curbside.training.sweep.run._LOOK_S", 0.0)
    monkeypatch.setattr("curbside.training.sweep.run._ASK_S", 0.02)


def test_a_trial_under_the_median_of_the_others_is_broken_off(tmp_path) -> None:
    scripts: dict[int, list[float]] = {number: [0.1, 0.2, 0.3] for number in range(5)}
    # The medians at the three validations are 0.1, 0.2 and 0.3; the best so far counts.
    scripts |= {5: [0.05, 0.9, 0.9], 6: [0.15, 0.16, 0.4], 7: [0.2, 0.3, 0.5]}
    crew, said = _Scripted(scripts.__getitem__), []
    sweep = _sweep(tmp_path / "s")
    trials = _open(sweep)
    run_sweep(sweep, trials, crew, 8, said.append)
    found = {one.number: one for one in trials.all()}
    assert crew.stopped == {5: 1, 6: 2}
    assert [one.state for one in found.values()] == ["complete"] * 5 + ["pruned"] * 2 + ["complete"]
    assert found[7].score == 0.5 and found[7].step == 30 and found[7].scores == (0.2, 0.3, 0.5)
    assert found[6].scores == (0.15, 0.16) and found[6].score == 0.16 and found[6].step == 20
    assert said[-1].startswith("trial 7: complete, It 50.00 % at step 30; optimizer.lr ")
    assert said[-1].endswith("(8 of 8; best 50.00 % of trial 7)")
    run_sweep(sweep, trials, crew, 8, said.append)  # there is nothing left
    assert crew.started == list(range(8))
    run_sweep(sweep, trials, _Scripted(lambda _: [0.6]), 9, said.append)  # one more
    assert [one.number for one in trials.all()] == list(range(9))


@pytest.mark.parametrize("pruner", ["none", "hyperband"])
def test_who_breaks_trials_off_can_be_chosen(tmp_path, pruner) -> None:
    sweep = _sweep(tmp_path / "s", pruner=pruner)
    crew = _Scripted(lambda number: [0.5 / (1 + number)] * 9)
    trials = _open(sweep)
    run_sweep(sweep, trials, crew, 8, print)
    assert bool(crew.stopped) == (pruner == "hyperband")
    assert [one.state for one in trials.all()].count("pruned") == len(crew.stopped)


def test_a_sweep_may_be_moved(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s")
    run_sweep(sweep, _open(sweep), _Scripted(lambda _: [0.5]), 1, print)
    (tmp_path / "s").rename(tmp_path / "t")
    moved = _sweep(tmp_path / "t")
    crew = _Scripted(lambda _: [0.4])
    run_sweep(moved, _open(moved), crew, 2, print)
    assert crew.started == [1] and [one.score for one in _open(moved).all()] == [0.5, 0.4]


def _work(sweep: Sweep, total: int, pause: float) -> None:
    run_sweep(
        sweep, _open(sweep), _Scripted(lambda n: [0.1 + n / 100] * 4, pause=pause), total, print
    )


def test_two_processes_share_a_sweep_and_what_one_leaves_at_its_death_the_other_does(
    tmp_path,
) -> None:
    sweep, total = _sweep(tmp_path / "s", pruner="none"), 9
    context = multiprocessing.get_context("fork")
    doomed, other = (
        context.Process(target=_work, args=(sweep, total, pause)) for pause in (0.15, 0.03)
    )
    doomed.start()
    other.start()
    begun = sweep.folder / "begun.txt"

    def lines() -> list[list[str]]:
        text = begun.read_text() if begun.is_file() else ""
        return [line.split() for line in text.splitlines()]

    # Until it is in the middle of one, and the other process has done something, too.
    while not {str(doomed.pid), str(other.pid)} <= {line[1] for line in lines()}:
        time.sleep(0.01)
        assert doomed.is_alive() and other.is_alive()
    (killed, *_) = [int(number) for number, pid in lines() if pid == str(doomed.pid)]
    while not read_scores(sweep.folder / f"trials/{killed:04d}")[0]:
        time.sleep(0.005)
    os.kill(doomed.pid or 0, signal.SIGKILL)
    other.join(30)
    assert other.exitcode == 0
    left = [int(number) for number, pid in lines() if pid == str(doomed.pid)][-1]
    found = _open(sweep).all()
    assert [one.number for one in found] == list(range(total))
    assert {one.state for one in found} == {"complete"}
    assert [one.score for one in found] == [pytest.approx(0.1 + n / 100) for n in range(total)]
    assert len({one.values["optimizer.lr"] for one in found}) == total  # no proposal twice
    numbers = [int(number) for number, _ in lines()]
    assert sorted(numbers) == sorted([*range(total), left])  # that one alone was begun again


def test_what_was_told_before_a_death_is_not_told_again(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s")
    trials = _open(sweep)
    first = trials.take(1)
    assert isinstance(first, Taken) and not first.again
    trials.report(0, [0.1, 0.2])
    assert trials.take(1) is None  # somebody is at it
    first.hold.release()
    again = _open(sweep).take(1)
    assert again is not None and again.again and again.job == first.job
    journal = sweep.folder / "study.journal"
    before = len(journal.read_text().splitlines())
    trials.report(0, [0.1, 0.2, 0.3])
    assert len(journal.read_text().splitlines()) == before + 1
    trials.finish(0, "complete", GOOD, seconds=3)
    (found,) = _open(sweep).all()
    assert found.scores == (0.1, 0.2, 0.3) and found.score == 0.5 and found.seconds == 3


def test_a_line_that_a_killed_process_left_half_written_hurts_nobody(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s")
    taken = _open(sweep).take(3)
    assert taken is not None
    journal = sweep.folder / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker_id":"' + b"x" * 5000)
    trials = _open(sweep)
    second = trials.take(3)
    assert second is not None and second.job.number == 1
    assert journal.read_bytes().startswith(whole + b"{") and b"xxx" not in journal.read_bytes()
    assert [one.state for one in _open(sweep).all()] == ["running", "running"]


def test_a_failure_is_told_and_stops_nothing_unless_it_is_the_rule(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s")
    trials = _open(sweep)
    crew = _Scripted(lambda number: "the loss became nan" if number != 1 else [0.5])
    run_sweep(sweep, trials, crew, 6, print)
    assert [one.state for one in trials.all()].count("failed") == 5
    assert trials.all()[0].reason == "the loss became nan"

    broken = _sweep(tmp_path / "broken")
    trials = _open(broken)
    with pytest.raises(ConfigError, match=r"first 3 trials all failed.*no such data"):
        run_sweep(broken, trials, _Scripted(lambda _: "no such data"), 9, print)
    assert len(trials.all()) == 3
    run_sweep(broken, trials, _Scripted(lambda _: [0.5]), 5, print)  # mended
    assert [one.state for one in trials.all()] == ["failed"] * 3 + ["complete"] * 2


def test_values_that_do_not_go_together_fail_before_a_process_is_started(tmp_path) -> None:
    sizes = Choices(name="data.batch-size", texts=("0", "8"), read=(0, 8))
    sweep = _sweep(tmp_path / "s", space=Space(parameters=(sizes,)))
    trials, crew = _open(sweep), _Scripted(lambda _: [0.5])
    run_sweep(sweep, trials, crew, 2, print)
    (failed,) = [one for one in trials.all() if one.state == "failed"]
    assert failed.values == {"data.batch-size": "0"} and "batch size 0" in failed.reason
    assert crew.started == [1 - failed.number]


def test_a_small_space_is_tried_point_by_point(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s", "data.batch-size=8,16,32", "optimizer.kind=adamw,sgd")
    trials = _open(sweep)
    run_sweep(sweep, trials, _Scripted(lambda number: [0.1 * number]), 6, print)
    found = {tuple(one.values.values()) for one in trials.all()}
    assert found == {(size, kind) for size in ("8", "16", "32") for kind in ("adamw", "sgd")}


def test_proposals_are_those_of_the_seed_and_of_what_is_known(tmp_path) -> None:
    def proposed(name: str, best: float = 0.008, **changes: object) -> list[float]:
        sweep = _sweep(tmp_path / name, **changes)
        trials = _open(sweep)
        for number in range(8):
            taken = trials.take(8)
            assert taken is not None
            lr = float(taken.job.values["optimizer.lr"])
            trials.finish(number, "complete", replace(GOOD, score=1 - abs(lr - best)))
        return [float(one.values["optimizer.lr"]) for one in trials.all()]

    first = proposed("a")
    assert proposed("b") == first and not set(proposed("c", seed=1)) & set(first)
    for name, changes in (("d", {"best": 0.0002}), ("e", {"sampler": "random"})):
        other = proposed(name, **changes)  # type: ignore[arg-type]
        assert other[:5] == first[:5] and other[5:] != first[5:]


def test_another_sweep_in_the_same_folder_is_refused(tmp_path) -> None:
    sweep = _sweep(tmp_path / "s")
    identity = sweep.claim()
    assert sweep.claim() == identity
    base = sweep.bases[""]
    for other, said in (
        (_sweep(tmp_path / "s", "optimizer.lr=1e-4..1e-3"), "another space"),
        (replace(sweep, pruner="none"), "another pruner .median, not none"),
        (replace(sweep, seed=7), "another seed"),
        (replace(sweep, storage="sqlite:///x"), "another storage"),
        (replace(sweep, bases={"": replace(base, steps=6)}), "another steps .5, not 6"),
    ):
        with pytest.raises(ConfigError, match=said):
            other.claim()
    assert replace(sweep, bases={"": replace(base, accelerator="cpu")}).claim() == identity  # type: ignore[type-var]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no sweep"):
        _sweep(tmp_path / "mine").claim()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_database_keeps_the_trials_of_one_sweep_of_a_name(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    sweep = _sweep(tmp_path / "a/s", storage=url)
    trials = _open(sweep)
    run_sweep(sweep, trials, _Scripted(lambda _: [0.3, 0.4]), 2, print)
    assert [one.score for one in _open(sweep).all()] == [0.4, 0.4]
    assert not (sweep.folder / "study.journal").exists()
    with pytest.raises(ConfigError, match="another sweep of the name s"):
        _open(_sweep(tmp_path / "b/s", storage=url))
    with pytest.raises(ConfigError) as caught:
        _open(_sweep(tmp_path / "c", storage="nothing://me:secret@host/db"))
    assert "nothing://host/db cannot be opened" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in (tmp_path / "c/sweep.json").read_text()


def test_the_process_of_a_trial_trains_it_and_says_its_score(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("curbside.training.crews._stop_with_parent", lambda: None)
    monkeypatch.setattr(trial_process, "parent_is_gone", lambda: False)
    monkeypatch.setenv("WANDB_RUN_GROUP", "")
    sweep = _sweep(tmp_path / "s")
    config = TrainConfig(
        name="tiny",
        model=LRASPPConfig(channels=16),
        data=DataConfig(
            root=(blocks_folder(tmp_path / "data", train=2, val=1, size_hw=(32, 32)),),
            batch_size=2, crop_hw=(32, 32), eval_hw=(32, 32), workers=0,
        ),
        steps=2, validate_every=1, precision="fp32", accelerator="cpu",
        out=sweep.folder / "trials/0000",
    )  # fmt: skip
    job = sweep.job(0, {"optimizer.lr": 0.1})
    write_trial(sweep.folder, job, config)
    problem = tmp_path / "problem"
    assert trial_process.main(str(sweep.folder), job.key, str(problem)) == 0
    scores, best = read_scores(sweep.folder / job.key)
    with open(sweep.folder / job.key / "metrics.csv") as file:
        column = [float(row["val/miou"]) for row in csv.DictReader(file)]
    assert scores == column and len(scores) == 2
    assert best is not None and best == read_outcome(sweep.folder / job.key)
    assert best.score == max(column) and best.score_name == "mIoU"

    gone = sweep.job(1, {"optimizer.lr": 0.1})
    write_trial(sweep.folder, gone, replace(config, out=sweep.folder / gone.key))
    monkeypatch.setattr(trial_process, "parent_is_gone", lambda: True)
    assert trial_process.main(str(sweep.folder), gone.key, str(problem)) == 130
    assert not (sweep.folder / gone.key).exists()  # whoever took it over is alone with it


def test_a_place_without_locks_is_told(tmp_path, monkeypatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StorageError, match="a file system that has locks"):
        _sweep(tmp_path / "s").claim()


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"curbside\[sweep\]"):
        _open(_sweep(tmp_path / "s"))


def test_a_sweep_says_in_its_file_what_it_is(tmp_path) -> None:
    _sweep(tmp_path / "s", "optimizer.lr=1e-4..1e-2:log", "steps=1,2", seed=3).claim()
    told = json.loads((tmp_path / "s/sweep.json").read_text())
    assert told["space"] == {"optimizer.lr": "0.0001..0.01:log", "steps": "1,2"}
    assert told["bases"][""]["name"] == "recipe" and told["seed"] == 3
