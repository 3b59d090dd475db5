"""`curbside cache` from the shell's point of view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.cli import main

SIZE = ["64", "96"]


def _train(recipe: str, data: Path, out: Path, *more: str) -> int:
    flags = [
        "--data.root", str(data), "--out", str(out), "--steps", "2", "--data.crop-hw", *SIZE, "--data.eval-hw", *SIZE,
        "--data.batch-size", "2", "--data.workers", "0", "--model.channels", "16", "--accelerator", "cpu", *more,
    ]  # fmt: skip
    return main(["train", recipe, *flags])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data", train=3, val=1)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    assert _train("camvid-mnv4s-lraspp", data, out, "--keep", "1.0") == 0
    return out


def test_a_cache_is_made_told_of_and_learnt_from(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", str(run), str(data), "--threads", "1", "--precision", "fp32"]) == 0
    said = capsys.readouterr().out
    assert "data train" in said and "3 new entries" in said
    assert f"--distillation.teacher {run / 'cache'}" in said
    assert "at temperature 1" in said and "same class at 100.00 % of the pixels" in said
    assert main(["cache", str(run), str(data), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["new"] == 0 and again["root"] == str(run / "cache")
    (folder,) = again["folders"]
    entries = list((run / "cache/logits/data/train").iterdir())
    assert folder["pictures"] == len(entries) == 3
    assert folder["bytes"] == sum(path.stat().st_size for path in entries)
    pictures = list((data / "train/images").iterdir())
    assert folder["picture_bytes"] == sum(path.stat().st_size for path in pictures)
    teacher = ["--distillation.teacher", str(run / "cache")]
    assert _train("camvid-mnv4s-lraspp-kd", data, tmp_path / "student", *teacher) == 0
    assert "trained   2 steps" in capsys.readouterr().out


def test_what_training_cannot_use_yet_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = blocks_folder(tmp_path / "data", train=3, val=1)
    out = ["--out", str(tmp_path / "c")]
    assert main(["cache", str(run), str(data), *out, "--limit", "2"]) == 0
    assert "--distillation.teacher" not in capsys.readouterr().out
    teacher = ["--distillation.teacher", str(tmp_path / "c")]
    assert _train("camvid-mnv4s-lraspp-kd", data, tmp_path / "student", *teacher) == 2
    error = capsys.readouterr().err.strip()
    assert "lacks 1 of the 3 pictures" in error and "\n" not in error
    (data / "train/images/001.jpg").write_bytes(b"")
    assert main(["cache", str(run), str(data), *out]) == 0
    first, second = capsys.readouterr().err.strip().splitlines()[-2:]
    assert "left out" in first and "001.jpg" in first and "doctor DATA --quarantine" in second
    assert main(["doctor", str(data), "--quarantine"]) == 0
    assert _train("camvid-mnv4s-lraspp-kd", data, tmp_path / "student", *teacher) == 0


def test_kept_weights_are_a_teacher_of_their_own(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept,) = (run / "kept").iterdir()
    flags = ["--split", "val", "--top-k", "3", "--stride", "8", "--flip", "--size-hw", "32", "48"]
    assert main(["cache", str(kept), str(data), *flags]) == 0
    about = json.loads((kept.with_suffix(".cache") / "cache.json").read_text())
    assert about["top_k"] == 3 and about["input_hw"] == [32, 48] and about["flip"] is True
    assert about["teacher"]["step"] == 2 and len(about["teacher"]["weights_sha256"]) == 64


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--stride", "0"], "stride of 0"),
        (["--top-k", "11"], "top 11 of 11"),
        (["--limit", "0"], "a limit of 0"),
        (["--batch-size", "0"], "a batch of 0"),
        (["--threads", "0"], "0 threads cannot run a network; give --threads 1"),
        (["--threads", "-1"], "-1 threads"),
        (["--split", "test"], "has no sample"),
    ],
)
def test_mistakes_are_one_line(
    run: Path, data: Path, tmp_path: Path, flags: list[str], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["cache", str(run), str(data), "--out", str(tmp_path / "c"), *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside cache: ") and said in error and "\n" not in error
    assert not (tmp_path / "c").exists()


def test_what_is_no_run_or_no_folder_is_said_in_one_line(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        ([str(tmp_path / "nothing"), str(data)], "config.json does not exist"),
        ([str(run), str(tmp_path / "nothing")], "any folder with pictures"),
        ([str(run / "model.safetensors"), str(data)], "name the run folder"),
        ([str(run / "kept/000009.safetensors"), str(data)], "train with --keep"),
        ([str(run / "config.json"), str(data)], "config.json is no run folder"),
        ([str(run), str(data), "--out", str(data)], "is not empty and holds no cache"),
    ):
        assert main(["cache", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error
