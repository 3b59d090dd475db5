"""The README's tour, run word for word, and the demo at a small size."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from curbside.cli import main

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- tested -->\n```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(language: str) -> list[str]:
    return [
        code
        for kind, code in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if kind == language
    ]


@pytest.fixture
def say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], str]:
    """Runs `curbside` with arguments in an empty folder and gives what it prints; a process for each would
    import torch a dozen times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(arguments: list[str]) -> str:
        code, said = main(arguments), capsys.readouterr()
        assert code == 0, f"{shlex.join(arguments)}\n{said.out}\n{said.err}"
        return said.out

    return run


@pytest.mark.slow
def test_the_tour(tmp_path: Path, say: Callable[[list[str]], str]) -> None:
    (tour,) = _blocks("bash")
    commands = [shlex.split(line, comments=True) for line in tour.splitlines()]
    assert len(commands) >= 8
    said = {}
    for command in commands:
        assert command[0] == "curbside"
        said[command[1]] = say(command[1:])
    assert "mIoU" in said["evaluate"] and "clear" in said["evaluate"]
    assert "verified" in said["export"]
    assert "int8" in said["info"]
    assert int(cv2.VideoCapture(str(tmp_path / "overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 40

    (code,) = _blocks("python")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shares = eval(done.stdout.strip().splitlines()[-1], {"__builtins__": {}})
    assert sum(shares.values()) == pytest.approx(1)
    clip, seen = (
        cv2.VideoCapture(str(tmp_path / "drive.mp4")).read()[1],
        cv2.imread(str(tmp_path / "seen.png")),
    )
    assert seen.shape == clip.shape and abs(seen.astype(int) - clip).mean() > 5


@pytest.mark.slow
def test_the_demo_goes_the_whole_way(tmp_path: Path, say: Callable[[list[str]], str]) -> None:
    sizes = ["--scenes", "10", "--val", "5", "--steps", "6", "--frames", "8"]
    command = ["demo", "--out", "out", *sizes, "--json"]
    found = json.loads(say(command))
    assert set(found["evaluations"]) == {"teacher", "student alone", "student distilled"}
    assert all(0 <= e["scores"]["miou"] <= 1 for e in found["evaluations"].values())
    assert found["verified"]["agreement"] >= 0.999
    assert found["quantised"]["lineup"]["files"][1]["precision"].startswith("int8")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)  # self-contained
    assert page.count("<svg") >= 3 and page.count("<img") >= 9
    assert (tmp_path / "out/overlay.mp4").stat().st_size > 10_000
    # The same command again repeats nothing and says the same scores.
    again = json.loads(say(command))
    for name, evaluation in found["evaluations"].items():
        assert again["evaluations"][name]["scores"] == evaluation["scores"]


def test_every_command_of_the_documents_names_a_verb() -> None:
    files = (ROOT / "src/curbside/cli").glob("[!_]*.py")
    verbs = {file.stem.replace("_", "-") for file in files}
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`|&& )curbside ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= verbs, f"{document.name}: {set(named) - verbs}"
