"""The README's tour, run word for word, and the demo at a small size."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- tested -->\n```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(language: str) -> list[str]:
    return [
        code
        for kind, code in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if kind == language
    ]


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"}
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_tour(tmp_path: Path) -> None:
    (tour,) = _blocks("bash")
    commands = [shlex.split(line, comments=True) for line in tour.splitlines()]
    assert len(commands) >= 8
    said = {}
    for command in commands:
        assert command[0] == "curbside"
        said[command[1]] = _run([sys.executable, "-m", "curbside.cli", *command[1:]], tmp_path)
    assert "mIoU" in said["evaluate"] and "clear" in said["evaluate"]
    assert "verified" in said["export"]
    assert "int8" in said["info"]
    assert int(cv2.VideoCapture(str(tmp_path / "overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 40

    (code,) = _blocks("python")
    printed = _run([sys.executable, "-c", code], tmp_path)
    shares = eval(printed.strip().splitlines()[-1], {"__builtins__": {}})
    assert sum(shares.values()) == pytest.approx(1)
    clip, seen = (
        cv2.VideoCapture(str(tmp_path / "drive.mp4")).read()[1],
        cv2.imread(str(tmp_path / "seen.png")),
    )
    assert seen.shape == clip.shape and abs(seen.astype(int) - clip).mean() > 5


@pytest.mark.slow
def test_the_demo_goes_the_whole_way(tmp_path: Path) -> None:
    sizes = ["--scenes", "10", "--val", "5", "--steps", "6", "--frames", "8"]
    command = [sys.executable, "-m", "curbside.cli", "demo", "--out", "out", *sizes, "--json"]
    found = json.loads(_run(command, tmp_path))
    assert set(found["evaluations"]) == {"teacher", "student alone", "student distilled"}
    assert all(0 <= e["scores"]["miou"] <= 1 for e in found["evaluations"].values())
    assert found["verified"]["agreement"] >= 0.999
    assert found["quantised"]["lineup"]["files"][1]["precision"].startswith("int8")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)  # self-contained
    assert page.count("<svg") >= 3 and page.count("<img") >= 9
    assert (tmp_path / "out/overlay.mp4").stat().st_size > 10_000
    # The same command again repeats nothing and says the same scores.
    again = json.loads(_run(command, tmp_path))
    for name, evaluation in found["evaluations"].items():
        assert again["evaluations"][name]["scores"] == evaluation["scores"]


def test_every_command_of_the_documents_names_a_verb() -> None:
    files = (ROOT / "src/curbside/cli").glob("[!_]*.py")
    verbs = {file.stem.replace("_", "-") for file in files}
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`|&& )curbside ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= verbs, f"{document.name}: {set(named) - verbs}"
