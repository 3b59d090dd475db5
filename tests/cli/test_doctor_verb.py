"""`curbside doctor` as people call it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders import tree_bytes
from builders_data import blocks_folder

from curbside.cli import main
from curbside.prepared import PreparedFolder

ALONE = ["--workers", "1"]


@pytest.fixture
def root(tmp_path) -> Path:
    return blocks_folder(tmp_path / "data")


@pytest.fixture
def spoilt(root) -> Path:
    """One sample without its picture, one leak."""
    (root / "train/images/003.jpg").unlink()
    shutil.copy(root / "train/images/002.jpg", root / "val/images/001.jpg")
    return root


def test_a_healthy_folder_ends_with_0_and_a_report(root, capsys):
    before = tree_bytes(root)
    assert main(["doctor", str(root), *ALONE]) == 0
    said = capsys.readouterr().out
    assert "16 samples examined" in said and "none in use has an error" in said
    assert "fog" in said and "bicyclist" in said and "quarantine" not in said
    report = root.with_name("data.doctor")
    assert f"report: {report / 'report.html'}" in said
    assert sorted(path.name for path in report.iterdir()) == [
        "class_weights.json",
        "report.html",
        "report.json",
    ]
    assert tree_bytes(root) == before
    weights = json.loads((report / "class_weights.json").read_text())
    assert weights["space"] == "camvid11" and weights["classes"][0] == "sky"
    assert set(weights["schemes"]) == {"inverse", "median", "enet"}
    assert all(len(values) == 11 for values in weights["schemes"].values())


def test_errors_end_with_2_unless_allowed(spoilt, tmp_path, capsys):
    arguments = ["doctor", str(spoilt), "--out", str(tmp_path / "r"), *ALONE]
    assert main(arguments) == 2
    said = capsys.readouterr().out
    assert "missing: train/images/003.jpg: does not exist" in said
    assert "leak: val/001: is the same file as train/002" in said
    assert "1 have errors" in said and "set them aside with --quarantine" in said
    assert main([*arguments, "--allow-bad"]) == 0
    report = json.loads((tmp_path / "r/report.json").read_text())
    assert report["counts"] == {"missing": 1, "leak": 1} and report["healthy"] is False
    assert report["splits"]["train"]["listed"] == 12 and report["splits"]["train"]["samples"] == 11
    assert report["leaks"][0]["twin_id"] == "002"


def test_the_page_shows_what_was_found(spoilt, tmp_path):
    assert main(["doctor", str(spoilt), "--out", str(tmp_path / "r"), *ALONE]) == 2
    page = (tmp_path / "r/report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1 and "percent of the labelled pixels" in page
    # Six of train and the four of val; the leak beside its twin; the missing sample's grey place
    # and its mask.
    assert page.count("data:image/jpeg") == 10 + 2 + 2
    assert "In two splits: 1" in page and "train/images/003.jpg: does not exist" in page
    assert not re.search(r"<script|(src|href)=.http", page)


def test_json_goes_to_standard_output_alone(spoilt, tmp_path, capsys):
    out = tmp_path / "r"
    assert main(["doctor", str(spoilt), "--out", str(out), "--json", *ALONE]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said.pop("report") == str(out / "report.html")
    assert said == json.loads((out / "report.json").read_text())
    assert main(["doctor", str(spoilt), "--json", "--no-report", *ALONE]) == 2
    assert json.loads(capsys.readouterr().out)["report"] is None
    assert not spoilt.with_name("data.doctor").exists()


def test_quarantine_and_back(spoilt, tmp_path, capsys):
    arguments = ["doctor", str(spoilt), "--no-report", *ALONE]
    assert main([*arguments, "--quarantine", "--quarantine-leaks"]) == 0
    assert "in quarantine: 0 from before, 2 added now" in capsys.readouterr().out
    assert PreparedFolder(spoilt).counts == {"train": 11, "val": 3, "test": 0}
    kept = (spoilt / "quarantine.jsonl").read_bytes()
    assert main(arguments) == 0
    assert "in quarantine: 2 from before, 0 added now" in capsys.readouterr().out
    assert (spoilt / "quarantine.jsonl").read_bytes() == kept
    shutil.copy(spoilt / "train/images/004.jpg", spoilt / "train/images/003.jpg")
    assert main(arguments) == 0
    assert "1 samples in quarantine have nothing wrong any more" in capsys.readouterr().out
    assert main([*arguments, "--release"]) == 0
    assert "in quarantine: 0 from before, 0 added now, 2 put back" in capsys.readouterr().out
    assert not (spoilt / "quarantine.jsonl").exists()
    assert PreparedFolder(spoilt).counts == {"train": 12, "val": 4, "test": 0}


def test_a_tag_of_many_values_is_told_in_a_line(tmp_path, capsys):
    root = blocks_folder(tmp_path / "data", train=34, val=0)
    lines = [json.loads(line) for line in (root / "samples.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["tags"] = {"drive": f"drive {number}", "weather": "fog"}
    (root / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["doctor", str(root), "--no-report", *ALONE]) == 0
    said = capsys.readouterr().out
    assert "drive: 34 values, too many to list" in said and "drive 7" not in said
    assert "fog" in said and "weather:" not in said


def test_a_bare_tree_needs_its_space(root, capsys):
    for name in ("dataset.json", "samples.jsonl"):
        (root / name).unlink()
    assert main(["doctor", str(root), "--no-report"]) == 2
    assert "--space" in capsys.readouterr().err
    assert main(["doctor", str(root), "--no-report", "--space", "camvid11", *ALONE]) == 0


def test_no_workers_cannot_work(root, capsys):
    assert main(["doctor", str(root), "--no-report", "--workers", "0"]) == 2
    assert "0 workers cannot work" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "gone"), "--no-report"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == 1


def test_without_matplotlib_the_report_is_refused_first(root, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["doctor", str(root)]) == 2
    assert "curbside[report]" in capsys.readouterr().err
    assert main(["doctor", str(root), "--no-report", *ALONE]) == 0


def test_names_that_are_not_utf_8_are_shown_somehow(root, capsys):
    name = "lost\udce9.png"
    try:
        (root / "train/masks" / name).write_bytes(b"")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    assert main(["doctor", str(root), *ALONE]) == 0
    assert "lost\\udce9.png" in capsys.readouterr().out


KILLED_AT = """
import os, pathlib, signal, sys
from curbside.cli import main

left, rename = int(sys.argv[2]), pathlib.Path.replace

def replace(self, target):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(self, target)

pathlib.Path.replace = replace
main(["doctor", sys.argv[1], "--workers", "1", "--quarantine", "--quarantine-leaks"])
"""


def test_a_run_that_was_killed_leaves_no_trace_in_the_next(spoilt, tmp_path):
    arguments = ["doctor", str(spoilt), *ALONE, "--quarantine", "--quarantine-leaks"]
    report = spoilt.with_name("data.doctor")
    assert main(arguments) == 0
    want = tree_bytes(spoilt), tree_bytes(report)
    shutil.rmtree(report)
    (spoilt / "quarantine.jsonl").unlink()
    # Files take their names in this order: report.json, weights, page, quarantine.
    for moment in range(4):
        command = [sys.executable, "-c", KILLED_AT, str(spoilt), str(moment)]
        killed = subprocess.run(command, capture_output=True, timeout=60)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (spoilt / "quarantine.jsonl").exists()
    assert main(arguments) == 0
    assert (tree_bytes(spoilt), tree_bytes(report)) == want
    assert main(arguments) == 0  # and once more changes nothing
    assert (tree_bytes(spoilt), tree_bytes(report)) == want
