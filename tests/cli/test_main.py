"""The `curbside` command itself: help, unknown verbs, and errors as one line."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

import curbside.cli
from curbside import __version__
from curbside.cli import labels, main
from curbside.errors import DataError

VERBS = sorted(
    path.stem.replace("_", "-")
    for path in Path(curbside.cli.__file__ or "").parent.glob("[!_]*.py")
)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_shows_every_verb_with_one_line(arguments, capsys):
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"convert", "labels"} <= set(VERBS)
    for verb in VERBS:
        (line,) = [line for line in lines if line.split()[:1] == [verb]]
        assert len(line.split()) > 3, f"{verb} has no help line"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"curbside {__version__}\n"


@pytest.mark.parametrize(
    ("verb", "hint"), [("convrt", "did you mean convert?"), ("fly", "see: curbside --help")]
)
def test_an_unknown_verb_is_one_line_and_2(verb, hint, capsys):
    assert main([verb]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"curbside: there is no verb {verb!r}; {hint}\n"


BLOCKED = """
import sys
for name in ("torch", "torchvision", "lightning", "timm", "onnx", "numpy", "cv2", "tyro", "rich"):
    sys.modules[name] = None
from curbside.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["convrt"]])
def test_help_loads_no_library_at_all(arguments):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == (2 if arguments == ["convrt"] else 0), done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_module_runs():
    command = [sys.executable, "-m", "curbside.cli", "labels", "camvid11", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"bicyclist"' in done.stdout


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr(labels, "main", fail)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("x is bad", fix="mend it"), 2, "curbside labels: x is bad; mend it\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/out"),
            2,
            "curbside labels: cannot write /data/out: No space left on device; free some space or "
            "choose another place, then run the same command again\n",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "curbside labels: this needs the package torch, which is not installed; "
            "run: pip install 'curbside[train]'\n",
        ),
        (
            ModuleNotFoundError("No module named 'onnx.helper'", name="onnx.helper"),
            2,
            "curbside labels: this needs the package onnx.helper, which is not installed; "
            "run: pip install 'curbside[deploy]'\n",
        ),
        (KeyboardInterrupt(), 130, "curbside labels: stopped\n"),
    ],
    ids=["data", "disk", "package", "part of a package", "stopped"],
)
def test_what_a_user_can_cause_is_one_line(monkeypatch, capsys, error, code, said):
    failing(monkeypatch, error)
    assert main(["labels"]) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), OSError("no number"), ModuleNotFoundError("x", name="curbside.gone")],
    ids=["bug", "unknown trouble", "our own module"],
)
def test_a_bug_of_ours_keeps_its_traceback(monkeypatch, error):
    failing(monkeypatch, error)
    with pytest.raises(type(error)):
        main(["labels"])


def test_labels_lists_and_shows(capsys):
    assert main(["labels"]) == 0
    assert "idd-csid" in capsys.readouterr().out
    assert main(["labels", "idd-level2"]) == 0
    said = capsys.readouterr().out
    assert "2-wheeler" in said and "255" in said and "#8040800" not in said and "#804080" in said
    assert main(["labels", "idd-levle2"]) == 2
    assert "did you mean idd-level2?" in capsys.readouterr().err
