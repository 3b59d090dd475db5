"""`curbside sweep` from the shell's point of view."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest
from builders_data import blocks_folder

pytest.importorskip("optuna")
pytest.importorskip("plotly")

from curbside.cli import main
from curbside.cli._recipe import read_run
from curbside.cli.sweep import _parser, _sweep
from curbside.errors import CurbsideError
from curbside.training.crews import Crew
from curbside.training.sweep import Range, Sweep
from curbside.training.sweep.plan import Job
from curbside.training.sweep.work import do_trial


class _Inside(Crew):
    """Trains in this process: what processes cost to start is paid in `test_study_run`."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._done: list[tuple[str, str | None]] = []

    def start(self, plan: Sweep, job: Job) -> None:
        try:
            do_trial(plan.folder, job.key)
            self._done.append((job.key, None))
        except CurbsideError as error:
            self._done.append((job.key, str(error)))

    def ended(self) -> tuple[str, str | None] | None:
        return self._done.pop() if self._done else None

    def stop(self, key: str) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def _without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curbside.training.sweep.LocalCrew", _Inside)
    monkeypatch.setattr("curbside.training.sweep.run._LOOK_S", 0.0)
    monkeypatch.setenv("WANDB_RUN_GROUP", "")


def _made(*words: str) -> Sweep:
    chosen, rest = _parser().parse_known_args(words[1:])
    return _sweep(words[0], chosen, rest)


def _first_and_last(sweep: Sweep) -> list[dict[str, object]]:
    """The lower ends and first choices, and the upper ends and last choices."""
    ends = [
        (one.low, one.high) if isinstance(one, Range) else (one.texts[0], one.texts[-1])
        for one in sweep.space.parameters
    ]
    names = [one.name for one in sweep.space.parameters]
    return [dict(zip(names, point, strict=True)) for point in zip(*ends, strict=True)]


@pytest.mark.parametrize(
    "words",
    [
        "drawn-student --data.root 'my data' other --steps 9 --space network=enet,pidnet-s"
        " loss=dice,focal optimizer.lr=1.2345678901234567e-4..1e-2:log data.crop-hw=64x96,96x64"
        " channels-last=true,false ema-decay=none,0.9 boundary.weight=0..3",
        "drawn-student --teacher a/b --data.batch-size=8 --space distill=cwd,logit-kd+cwd"
        " distillation.losses.0.weight=0.5..3 distillation.supervised=0.5,1"
        " data.augment.scale=0.5x1,0.8x0.9 optimizer.betas=0.9x0.99,0.8x0.9 seed=1..5 steps=1e2..1e3:log",
        "drawn-student-kd --space weights=none,a.pth model.encoder.pretrained=true,false",
        "drawn-instances --space data.min-share=0.1..0.5 loss.mask-weight=1..4 keep=0.5,0.5x1",
        "drawn-yolov8n-seg --space lr=1e-3..1e-2:log size=n,s export-hw=none,64x96",
    ],
)
def test_the_command_of_a_trial_gives_its_config(words) -> None:
    sweep = _made(*shlex.split(words))
    first, last = _first_and_last(sweep)
    for point in (first, last):
        config = sweep.config(sweep.job(3, point))
        assert config.out == sweep.folder / "trials/0003"
        line = shlex.join(sweep.command(point))
        curbside, train, recipe, *flags = shlex.split(line)
        assert (curbside, train) == ("curbside", "train")
        assert read_run(recipe, flags) == replace(config, out=None), line
    assert sweep.config(sweep.job(0, first)) != sweep.config(sweep.job(0, last))


def test_a_sweep_from_its_space_to_its_report(tmp_path, capsys) -> None:
    blocks_folder(tmp_path / "data", train=2, val=1, size_hw=(32, 32))
    common = [
        "--data.root", str(tmp_path / "data"), "--data.crop-hw", "32", "32", "--data.eval-hw", "32", "32",
        "--data.batch-size", "2", "--data.workers", "0", "--steps", "1", "--model.channels", "16",
        "--accelerator", "cpu", "--precision", "fp32", "--out", str(tmp_path / "sweep"),
    ]  # fmt: skip
    space = ["--space", "weights=none,absent.pth", "optimizer.lr=1e-3..2e-3"]
    assert main(["sweep", "camvid-mnv4s-lraspp", *common, *space, "--trials", "3", "--json"]) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    states = {one["trial"]: one["state"] for one in data["trials"]}
    files = {one["trial"]: one["parameters"]["weights"] for one in data["trials"]}
    assert set(states) == {0, 1, 2} and set(files.values()) == {"none", "absent.pth"}
    wanted = {"none": "complete", "absent.pth": "failed"}
    assert states == {number: wanted[file] for number, file in files.items()}
    assert "absent.pth" in said.err and "(3 of 3; best " in said.err
    best = tmp_path / f"sweep/trials/{data['best']:04d}"
    assert (best / "model.safetensors").is_file()
    written = json.loads((best / "config.json").read_text())["config"]
    assert written["weights"] is None and written["steps"] == 1
    for name in ("sweep.html", "sweep.md", "trials.csv", "sweep.json", "study.journal"):
        assert (tmp_path / "sweep" / name).is_file()
    assert data["command"] in (tmp_path / "sweep/sweep.md").read_text()

    assert main(["sweep", "camvid-mnv4s-lraspp", *common, *space, "--trials", "3"]) == 0
    said = capsys.readouterr()
    assert "(3 of 3" not in said.err  # nothing was left to do
    assert "best: trial" in said.out and data["command"] in said.out
    other = ["--space", "optimizer.lr=1e-3..3e-3"]
    assert main(["sweep", "camvid-mnv4s-lraspp", *common, *other, "--trials", "1"]) == 2
    assert "holds a sweep with another space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("no-such-recipe --space steps=1..2", "there is no recipe"),
        ("--space steps=1..2", "name a recipe first"),
        ("drawn-student", "nothing to try"),
        ("drawn-student --space optimiser.lr=1..2", "did you mean optimizer.lr?"),
        ("drawn-student --space network=enet,unett", "there is no network"),
        ("drawn-student --space loss=dice,dise", "did you mean dice?"),
        ("drawn-student --space distill=cwd,logit-kd", "name it with --teacher"),
        ("drawn-instances --space loss=dice,focal", "does not go with --loss"),
        ("drawn-student --space optimizer.lr=1..2 --optimizer.lr 1", "leave out one of them"),
        ("drawn-student --space steps=1,2 --trials 0", "0 trials are none"),
        ("drawn-student --space steps=1,2 --trials 3", "the space has 2 points"),
        ("drawn-student --space steps=1..2 --jobs 0", "0 trials at once"),
        ("drawn-student --space steps=1..2 --address auto", "give --engine ray"),
        ("drawn-student --space steps=1..2 --storage nothing://x --trials 2", "cannot be opened"),
    ],
)
def test_mistakes_are_one_line(tmp_path, words, said, capsys) -> None:
    assert main(["sweep", *words.split(), "--out", str(tmp_path / "sweep")]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside sweep: ") and said in error and "\n" not in error


def test_help_tells_what_it_does(capsys) -> None:
    assert main(["sweep"]) == 0
    assert "--pruner" in capsys.readouterr().out
