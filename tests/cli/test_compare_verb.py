"""`curbside compare` from the outside: two runs, a file made of one, and what can be wrong with them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders_data import blocks_folder
from builders_joint import joint_folder
from tiny_depth import make_depth_onnx
from tiny_joint import make_joint_onnx
from tiny_models import SPACE, make_onnx

from curbside.cli import main
from curbside.evaluation import evaluate
from curbside.prepared import PreparedFolder

pytest.importorskip("matplotlib")
training = pytest.importorskip("curbside.training")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, the runs `short` and `long`, and `short.onnx`."""
    from curbside.models import LRASPPConfig

    root = tmp_path_factory.mktemp("compared")
    data = blocks_folder(root / "data", val=8)
    config = training.TrainConfig(
        name="tiny",
        model=LRASPPConfig(channels=32),
        data=training.DataConfig(
            root=(data,), batch_size=2, crop_hw=(64, 96), eval_hw=(64, 96), workers=0
        ),
        optimizer=training.OptimizerConfig(lr=5e-3),
        steps=2,
        validate_every=2,
        precision="fp32",
        accelerator="cpu",
        out=root / "short",
    )
    training.fit(config)
    optimizer = replace(config.optimizer, lr=1e-3)
    training.fit(replace(config, steps=4, optimizer=optimizer, out=root / "long"))
    assert main(["export", str(root / "short"), "--out", str(root / "short.onnx")]) == 0
    return root


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """What the verb prints as JSON."""
    assert main(["compare", *map(str, arguments), "--json", "--threads", "1"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # no NaN, no Infinity


def test_two_runs(made: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    arguments = [str(made / "short"), str(made / "long"), "--by", "weather", "--threads", "1"]
    assert main(["compare", *arguments]) == 0
    shown = capsys.readouterr().out
    for part in ("optimizer.lr", "0.005", "0.001", "fog", "rain", "95 % from", "truth"):
        assert part in shown
    plain = " ".join(shown.split())
    assert (
        "This comparison is not of equal budget: short learned from 4 crops of 96 x 64 pixels, long"
        " learned from 8 crops of 96 x 64 pixels." in plain
    )
    out = made / "short" / "compare-val-long"
    names = sorted(path.name for path in out.iterdir())
    assert names == ["comparison.html", "comparison.json", "comparison.md"]
    data = json.loads((out / "comparison.json").read_text())
    assert data["images"] == 8 and data["dataset"] == "data"
    assert data["settings_that_differ"]["steps"] == [2, 4]
    assert "weights_sha256" not in data["settings_that_differ"]
    budgets = [model["budget"] for model in data["models"]]
    assert [item["steps"] for item in budgets] == [2, 4]
    assert budgets[1]["epochs"] == pytest.approx(4 * 2 / 12)
    # Each model's scores are those that an evaluation of it alone gives.
    samples = PreparedFolder(made / "data").samples("val")
    for run, model in zip(("short", "long"), data["models"], strict=True):
        alone = evaluate(training.load_run_predictor(made / run, device="cpu"), samples).overall
        assert model["scores"]["miou"] == pytest.approx(alone.miou)
        assert model["scores"]["ece"] == pytest.approx(alone.ece)


def test_a_run_and_the_file_made_of_it(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = compared(capsys, made / "short", made / "short.onnx", "--out", made / "out")
    assert data["agreement"] > 0.999 and data["verdict"] == "no difference shown"
    assert abs(data["scores"]["mIoU"]["difference"]) < 1e-3
    assert data["equal_budget"] is None and data["models"][1]["name"] == "short.onnx"
    assert data["scores"]["ECE, 15 bins"]["before"] is not None  # the file gives ids alone
    assert data["scores"]["ECE, 15 bins"]["difference"] is None
    assert "--outputs logits" in data["models"][1]["missing"]["ECE"]
    assert data["settings_that_differ"] == {}
    assert Path(data["report"]) == made / "out" / "comparison.html"


def test_two_files_with_the_data_named(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(made / "short.onnx", made / "twin.onnx")
    models = [made / "short.onnx", made / "twin.onnx"]
    data = compared(capsys, *models, "--data", made / "data", "--limit", "3")
    assert data["images"] == 3
    assert data["agreement"] == 1 and data["scores"]["mIoU"]["difference"] == 0
    assert Path(data["report"]) == made / "short.onnx.compare-val-twin.onnx" / "comparison.html"


def test_a_model_beside_itself_is_said(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(made / "short")
    arguments = ["compare", run, run, "--limit", "2", "--out", str(made / "out")]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert f"{made / 'short'} is compared with itself" in captured.err
    assert "give the same class to every pixel" in " ".join(captured.out.split())


def test_pictures_left_out_are_said(made: Path, tmp_path: Path, capsys) -> None:
    data = blocks_folder(tmp_path / "data", train=1, val=3)
    next((data / "val" / "images").glob("001.*")).write_bytes(b"no image")
    found = compared(
        capsys, made / "short", made / "long", "--data", data, "--out", tmp_path / "out"
    )
    assert found["images"] == 2 and len(found["unreadable"]) == 1


def test_other_label_spaces_meet_where_they_are_asked_to(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = make_onnx(tmp_path / "tiny.onnx", size_hw=(64, 96))
    arguments = [str(made / "short"), str(file), "--out", str(tmp_path / "out")]
    assert main(["compare", *arguments]) == 2
    assert "--common" in capsys.readouterr().err
    data = compared(capsys, *arguments, "--common")
    names = [item["name"] for item in data["label_space"]["classes"]]
    assert sorted(names) == sorted(SPACE.names)
    assert all(model["common"] for model in data["models"]) and data["equal_budget"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{made}/short", "{made}/none.onnx"], "there is no model at"),
        (["{made}/short", "{made}/long", "--limit", "0"], "--limit 0"),
        (["{made}/short", "{made}/long", "--by", "time"], "no sample has the tag 'time'"),
        (["{made}/short", "{made}/long", "--split", "test"], "split 'test'"),
        (["{made}/short.onnx", "{made}/long"], "does not say where its data are"),
        (["{made}/data", "{made}/long"], "config.json"),
        (["{made}/short", "{made}/long", "--threads", "0"], "0 threads"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    made: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *(part.format(made=made) for part in arguments)]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("curbside compare: ") and said in line


def test_a_run_is_not_scored_on_no_threads(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(made / "short"), str(made / "data"), "--threads", "-1"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("curbside evaluate: ") and "-1 threads" in line


def test_a_run_whose_data_are_gone_asks_for_them(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "short", run)
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace(str(made / "data"), "/no/such/folder"))
    assert main(["compare", str(run), str(made / "long")]) == 2
    assert "which is not here; name a prepared folder with --data" in capsys.readouterr().err


def test_networks_that_tell_depth_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    data = joint_folder(tmp_path / "data", 0.8)  # the truth is nearer than the network says
    models = [make_joint_onnx(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    plain = make_onnx(tmp_path / "c.onnx")
    found = compared(capsys, *models, "--data", data)
    assert found["agreement"] == 1 and found["images"] == 2
    assert [item["abs_rel"] for item in found["depth"]] == pytest.approx([0.25, 0.25], abs=2e-3)
    assert main(["compare", *map(str, models), "--data", str(data), "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "Depth, on 2 images" in shown and "AbsRel" in shown
    assert "depth" not in compared(capsys, models[0], plain, "--data", data)
    # Side by side: each file by what it has.
    found = compared(capsys, *models, plain, "--data", data)
    assert [item["scores"]["miou"] for item in found["files"]] == [1, 1, 1]
    assert [item["depth"] is None for item in found["files"]] == [False, False, True]
    depths = [make_depth_onnx(tmp_path / name) for name in ("d.onnx", "e.onnx")]
    found = compared(capsys, *depths, "--data", data, "--source", tmp_path / "data/val/images")
    assert [item["agreement"] for item in found["files"]] == [None, None]
    assert found["depth_images"] == 2 and found["files"][1]["depth_loss"] == 0
    # A frontier is drawn by classes alone.
    out = ["--data", str(data), "--out", str(tmp_path / "f"), "--runs", "1", "--threads", "1"]
    assert main(["frontier", str(models[0]), str(plain), *out, "--json"]) == 0
    drawn = json.loads(capsys.readouterr().out)
    assert [item["score"] for item in drawn["networks"]] == [1, 1]
