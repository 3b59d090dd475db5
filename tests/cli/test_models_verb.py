"""`curbside models`, and `curbside train --network`, from the shell's point of view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.cli import main
from curbside.models import networks

NAME = "lraspp-mobilenetv4-small"
TWO = {name: networks()[name] for name in (NAME, "pidnet-s")}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curbside.models.networks", lambda: TWO)


def test_the_list_fits_a_terminal_of_100_columns(
    two: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    (line,) = [line for line in shown.splitlines() if line.startswith(NAME)]
    # 345,478 weights; the encoder's four stages, then the head.
    assert line.split() == [NAME, "0.35", "–", "32/2", "32/4", "64/8", "96/16", "128/16"]
    assert "GMACs" not in shown and "2 networks" in shown


def test_the_list_counts_work_where_asked(
    two: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models", "--macs"]) == 0
    shown = capsys.readouterr().out
    assert "1080x1920" in shown and "0.70" in shown and "apache-2.0" in shown


def test_one_network_in_detail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pidnet-s"]) == 0
    shown = capsys.readouterr().out
    assert "7.6 M" in shown and "in training" in shown and "PIDNetConfig" in shown
    assert "128 channels at stride 8" in shown and "MACs at 1080 x 1920" in shown


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", NAME, "pidnet-s", "--json"]) == 0
    ours, pidnet = json.loads(capsys.readouterr().out)
    assert ours["parameters"] == ours["training_parameters"] == 345_478
    assert ours["features"][0] == {"name": "stage1", "channels": 32, "stride": 2}
    assert ours["encoder_weights"].endswith("apache-2.0")
    assert ours["settings"]["encoder"]["stages"] == 4
    assert pidnet["training_parameters"] > pidnet["parameters"]
    assert abs(pidnet["difference_percent"]) < 3 and set(pidnet["macs"]) == {"512x512", "1080x1920"}


def test_markdown_is_the_docs_table(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    docs = Path(__file__).resolve().parents[2] / "docs/networks.md"
    assert main(["models", "--markdown"]) == 0
    header, _, *rows = [line for line in capsys.readouterr().out.splitlines() if line]
    lines = docs.read_text(encoding="utf-8").splitlines()
    assert header in lines and len(rows) == 2 and set(rows) <= set(lines)


@pytest.mark.parametrize("verb", [["models"], ["train", "camvid-mnv4s-lraspp", "--network"]])
def test_an_unknown_network_is_one_line(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, "lraspp-resnet81"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith("there is no network 'lraspp-resnet81'; did you mean lraspp-resnet18?")
    assert "\n" not in error


def test_a_recipe_trains_another_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = blocks_folder(tmp_path / "data", train=4, val=2)
    monkeypatch.chdir(tmp_path)
    flags = [
        "--data.root", str(data), "--steps", "1", "--data.crop-hw", "64", "64", "--data.eval-hw", "64", "96",
        "--data.batch-size", "2", "--data.workers", "0", "--network=lraspp-mobilenetv2",
        "--model.channels", "16", "--accelerator", "cpu",
    ]  # fmt: skip
    assert main(["train", "camvid-mnv4s-deeplab", *flags]) == 0
    config = json.loads(
        Path("runs/camvid-mnv4s-deeplab-lraspp-mobilenetv2/config.json").read_text()
    )
    model = config["config"]["model"]
    assert (model["class"], model["channels"]) == ("LRASPPConfig", 16)
    assert model["encoder"]["name"] == "mobilenetv2_100"


def test_the_help_of_train_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    assert "--network NAME" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "camvid-mnv4s-lraspp", "--help"])
    assert "--network NAME" in capsys.readouterr().out
