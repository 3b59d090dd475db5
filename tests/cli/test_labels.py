"""`curbside labels`: the lists, the map between two spaces, and what may be named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders_data import blocks_folder
from tiny_models import make_onnx

from curbside.cli import main
from curbside.labels import space_names


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict, str]:
    """The JSON and the remarks of a call."""
    assert main(["labels", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


def test_the_map_what_is_lost_and_the_common_classes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["labels", "IDD", "CITYSCAPES"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "curbside labels: IDD is taken as idd-level3",
        "curbside labels: CITYSCAPES is taken as cityscapes19",
    ]
    lines = captured.out.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert ["person", "person", "one to one", "animal is ignored there"] in cells
    assert ["autorickshaw", "ignored", "lost", "there is no such class"] in cells
    assert ["rail track", "rail track", "terrain"] in cells  # among the common classes
    (lost,) = (line for line in lines if line.startswith("Lost, ignored in cityscapes19"))
    assert "autorickshaw" in lost and "curb" in lost
    assert "In cityscapes19, never made from idd-level3: train." in lines


def test_json_of_two_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    found, remarks = said(capsys, "camvid11", "cityscapes19")
    assert remarks == ""
    (row,) = (row for row in found["map"]["classes"] if row["source"] == "car")
    assert row == {
        "source": "car",
        "kind": "one to several",
        "target": None,
        "targets": ["car", "truck", "bus"],
        "remark": "",
    }
    assert [c["name"] for c in found["common"]["label_space"]["classes"]][:2] == ["sky", "building"]


def test_spaces_that_share_nothing_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = blocks_folder(tmp_path / "data", train=1, val=1)
    info = json.loads((folder / "dataset.json").read_text())
    info["label_space"] = {
        "name": "odd",
        "classes": [{"id": 0, "name": "kelp", "color": [1, 2, 3]}],
    }
    (folder / "dataset.json").write_text(json.dumps(info))
    found, _ = said(capsys, str(folder), "camvid11")
    assert found["common"] is None and found["map"]["by_name"]
    assert main(["labels", str(folder), "camvid11"]) == 0
    shown = capsys.readouterr().out
    assert "by their names alone" in shown and "The two have no class in common." in shown


def test_a_prepared_folder_and_a_model_file_stand_for_their_space(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = blocks_folder(tmp_path / "data", train=1, val=1)
    model = make_onnx(tmp_path / "m.onnx")
    found, _ = said(capsys, str(model), str(folder))
    assert (found["map"]["source"], found["map"]["target"]) == ("tiny", "camvid11")
    assert [row["target"] for row in found["map"]["classes"]] == ["road", "sky", "tree", "car"]


def test_a_run_folder_stands_for_its_space(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space, _ = said(capsys, "idd-lite7")
    (tmp_path / "config.json").write_text(json.dumps({"label_space": space[0]}))
    assert said(capsys, str(tmp_path))[0] == space
    (tmp_path / "config.json").write_text("[]")
    assert main(["labels", str(tmp_path)]) == 2
    assert "a label space is not readable" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("idd", "idd-level3"),
        ("Cityscapes", "cityscapes19"),
        ("BDD100K", "cityscapes19"),
        ("bdd", "cityscapes19"),
        ("ACDC", "cityscapes19"),
        ("CamVid", "camvid11"),
        ("idd_lite", "idd-lite7"),
        ("SafeTrip-Q", "safetrip24"),
        ("idd-un", "idd-unified"),
        ("CityScapes-ID", "cityscapes-id"),
    ],
)
def test_loose_names(
    text: str, space: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "idd").mkdir()  # raw data beside: the name still means the dataset
    found, remarks = said(capsys, text)
    assert found[0]["name"] == space
    exact = text.lower() in space_names()
    assert remarks == ("" if exact else f"curbside labels: {text} is taken as {space}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("idd-l", "begins the names of several label spaces; name one of idd-level1, "),
        ("idd-levle2", "did you mean idd-level2"),
        ("", "begins the names of several label spaces"),
    ],
)
def test_mistakes_are_one_line(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", text, "camvid11"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside labels: ") and told in error and "\n" not in error
