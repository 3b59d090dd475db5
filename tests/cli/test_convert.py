"""`curbside convert` as people call it."""

from __future__ import annotations

import json

import pytest
from builders import add_idd_frame, box, idd_object, make_camvid_tree, make_idd_tree

from curbside.cli import main
from curbside.prepared import PreparedFolder


def test_idd(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=3, val=2)
    arguments = [
        "convert",
        "idd",
        str(tmp_path / "idd"),
        str(tmp_path / "out"),
        "--labels",
        "level1",
    ]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "train" in said and "5 samples converted in" in said and str(tmp_path / "out") in said
    assert PreparedFolder(tmp_path / "out").space.name == "idd-level1"
    assert main(arguments) == 0
    assert "nothing new to convert" in capsys.readouterr().out


def test_idd_under_official_names(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=2, val=1)
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 0
    official = ["--official-names", str(tmp_path / "official"), "--encodings", "level3", "csid"]
    assert main([*arguments, *official, "--outputs", "semantic", "panoptic"]) == 0
    assert "3 samples that were already there got the files" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "official/gtFine").rglob("*.*")}
    assert "000000_gtFine_labellevel3Ids.png" in names and "000000_gtFine_labelcsIds.png" in names
    assert {"train_panoptic.json", "val_panoptic.json", "train_panoptic_csId.json"} <= names
    assert not [name for name in names if "instance" in name or "Colors" in name]
    assert main([*arguments, "--encodings", "level3"]) == 2
    assert "add --official-names" in capsys.readouterr().err


def test_an_address_is_that_of_a_cluster(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out")]
    assert main([*arguments, "--address", "auto"]) == 2
    assert "choose the engine ray" in capsys.readouterr().err


def test_camvid_as_json(tmp_path, capsys):
    make_camvid_tree(tmp_path / "c")
    assert main(["convert", "camvid", str(tmp_path / "c"), str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["val"] == {"samples": 2, "semantic": 2}
    assert report["problems"] == [] and report["converted"] == 6


def test_bad_samples_are_told_and_end_with_2_unless_allowed(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=2, val=0)
    lorry = idd_object("lorry [red]", box(0, 0, 9, 9))
    add_idd_frame(tmp_path / "idd", drive="9", objects=[lorry])
    _, bad = add_idd_frame(tmp_path / "idd", drive="8")
    bad.write_text("{")
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 2
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("curbside convert:")]
    assert len(lines) == 1 and str(bad) in lines[0]
    assert "'lorry [red]'" in told.out and "1 samples left out" in told.out
    assert len(PreparedFolder(tmp_path / "out")) == 3
    assert main(arguments) == 2  # and again, as long as it is bad
    assert main([*arguments, "--allow-bad"]) == 0


def test_a_missing_root_is_one_line(tmp_path, capsys):
    assert main(["convert", "idd", str(tmp_path / "gone"), str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == 1
    assert str(tmp_path / "gone") in told.err and not (tmp_path / "out").exists()


def test_help_names_every_source_and_its_options(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert "camvid" in said and "idd" in said
    with pytest.raises(SystemExit):
        main(["convert", "idd", "--help"])
    said = capsys.readouterr().out
    assert "--labels" in said and "--background {ignore,unlabeled}" in said and "--workers" in said


def test_an_unknown_source_ends_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", "kitti", "a", "b"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "camvid" in said and "idd" in said and "Traceback" not in said
