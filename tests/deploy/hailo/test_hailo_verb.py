"""`curbside compile --target hailo8` and `--adopt`: the gate judges the emulation, then the compiler works."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from stand_ins.hailo import install_command, install_hailort

from curbside.cli import main
from curbside.deploy.hailo.job import load_job
from curbside.manifest import read_sidecar
from curbside.runtime import load_predictor


def compile_words(model: Path, data: Path, out: Path, *more: str) -> list[str]:
    words = ["compile", str(model), "--target", "hailo8", "--calibration", str(data)]
    return [*words, "--out", str(out), "--max-loss", "30", "--count", "8", *more]


def test_a_job_is_packed_carried_and_adopted(monkeypatch, float_file, data, tmp_path, capsys):
    assert main(compile_words(float_file, data, tmp_path / "m.hef", "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["predicted"]
    folder = tmp_path / "m.hailo"
    assert report["path"] == str(folder)
    assert any("m.hailo is a job for a machine" in note for note in report["notes"])
    network = load_job(folder).network
    with monkeypatch.context() as patch:
        install_command(patch, tmp_path / "bin")
        subprocess.run(["bash", str(folder / "compile.sh")], check=True, capture_output=True)
    assert main(["compile", "--adopt", str(folder / f"{network}.hef")]) == 0
    said = capsys.readouterr()
    assert f"wrote {folder / network}.hef.json" in said.out
    install_hailort(monkeypatch)
    with load_predictor(folder / f"{network}.hef") as predictor:
        assert predictor.precision == "int8 (Hailo-8)"
    assert main(["compile", "--adopt", str(float_file), "--job", str(folder)]) == 2
    assert "is no HEF" in capsys.readouterr().err


def test_the_compiler_works_where_the_result_stays(monkeypatch, float_file, data, tmp_path, capsys):
    install_command(monkeypatch, tmp_path / "bin")
    monkeypatch.setenv("HAILO_FAIL", "optimize")
    hef = tmp_path / "out" / "m.hef"
    assert main(compile_words(float_file, data, hef)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    log = hef.with_suffix(".hailo") / "compile.log"
    assert f"read {log}" in error
    assert "out of luck" in log.read_text()
    assert not hef.exists()
    monkeypatch.delenv("HAILO_FAIL")
    assert main(compile_words(float_file, data, hef, "--driver", "command")) == 0
    assert read_sidecar(hef).deployment["target"] == "hailo8"
    assert "Dataflow Compiler 3.31.0" in read_sidecar(hef).deployment["compiler"]


@pytest.mark.parametrize("target", ["hailo8", "hailo8l", "hailo10h"])
def test_the_settings_are_flags(target, capsys):
    with pytest.raises(SystemExit):
        main(["compile", "--target", target, "--help"])
    said = capsys.readouterr().out
    for flag in ("--driver", "--optimization-level", "--batch-size", "--compiler-finetune"):
        assert flag in said


def test_what_loses_too_much_is_not_compiled(monkeypatch, float_file, data, tmp_path, capsys):
    install_command(monkeypatch, tmp_path / "bin")
    bare = str(data / "train" / "images")  # no masks: what counts is every pixel that changes
    strict = ["--max-loss", "0", "--most-float", "0", "--evaluate", bare]
    words = compile_words(float_file, data, tmp_path / "m.hef", *strict)
    assert main(words) == 2
    assert "is predicted to lose" in capsys.readouterr().err
    assert not (tmp_path / "m.hef").exists()
    assert not (tmp_path / "m.hailo").exists()
