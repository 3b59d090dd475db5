"""`curbside evaluate` with the model opened by a fake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curbside import cli
from curbside.cli import _model
from curbside.labels import LabelSpace, load_space

pytest.importorskip("matplotlib")


@pytest.fixture
def model(fake, tmp_path, monkeypatch) -> Path:
    """The path of a model that sees road everywhere."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    monkeypatch.setattr(
        _model, "open_model", lambda path, threads: fake("logits", answer=np.zeros_like)
    )
    return path


def test_tables_and_report_beside_the_model_file(model, folder, capsys):
    assert cli.main(["evaluate", str(model), str(folder), "--by", "weather"]) == 0
    shown = capsys.readouterr().out
    assert "mIoU" in shown and "0.1548" in shown and "fog" in shown and "road" in shown
    report = model.with_name("m.onnx.eval-val") / "report.html"
    assert report.is_file() and "report:" in shown


def test_report_inside_a_run_folder(model, folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert cli.main(["evaluate", str(run), str(folder)]) == 0
    assert (run / "eval-val" / "report.json").is_file()


def test_json_is_all_of_standard_output(model, folder, tmp_path, capsys):
    out = tmp_path / "elsewhere"
    assert (
        cli.main(["evaluate", str(model), str(folder), "--json", "--limit", "2", "--out", str(out)])
        == 0
    )
    data = json.loads(capsys.readouterr().out)
    assert data["images"] == 2 and data["report"] == str(out / "report.html")


def test_threads_reach_the_model_and_a_limit_spreads_over_the_split(
    model, folder, fake, tmp_path, capsys, monkeypatch
):
    asked = []

    def opened(path, threads):
        asked.append((path, threads))
        return fake("logits")

    monkeypatch.setattr(_model, "open_model", opened)
    options = ["--threads", "3", "--limit", "2", "--by", "weather", "--json"]
    assert cli.main(["evaluate", str(model), str(folder), *options]) == 0
    assert asked == [(model, 3)]
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert [group["images"] for group in groups] == [1, 1]  # a of a and b in fog, c of c and d


def test_a_bare_tree_needs_its_space(model, folder, fake, capsys, monkeypatch):
    for name in ("dataset.json", "samples.jsonl"):
        (folder / name).unlink()
    assert cli.main(["evaluate", str(model), str(folder)]) == 2
    assert "--space" in capsys.readouterr().err
    three = LabelSpace(name="camvid11", classes=load_space("camvid11").classes)
    monkeypatch.setattr(
        _model, "open_model", lambda path, threads: fake("ids", answer=np.zeros_like, space=three)
    )
    assert cli.main(["evaluate", str(model), str(folder), "--space", "camvid11", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 4


def test_picture_left_out_is_said_on_standard_error(model, folder, samples, capsys):
    samples[0].image_path.write_bytes(b"no image")
    assert cli.main(["evaluate", str(model), str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    assert "left out" in captured.err and str(samples[0].image_path) in captured.err
    assert len(json.loads(captured.out)["unreadable"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "0"], "--limit 0"),
        (["--split", "test"], "split 'test'"),
        (["--by", "time"], "no sample has the tag 'time'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(model, folder, capsys, arguments, said):
    assert cli.main(["evaluate", str(model), str(folder), *arguments]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("curbside evaluate: ") and said in line


def test_missing_model_is_one_line(folder, tmp_path, capsys):
    assert cli.main(["evaluate", str(tmp_path / "none.onnx"), str(folder)]) == 2
    assert "there is no model at" in capsys.readouterr().err
