"""`curbside convert` as people call it."""

from __future__ import annotations

import json

import pytest
from builders import add_idd_frame, box, idd_object, make_camvid_tree, make_idd_tree, photo
from builders_sidewalk import OBSTACLES, cvat_image, cvat_polygon, write_cvat

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


def test_a_truncated_picture_enters_only_unverified(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=2, val=0)
    picture = next((tmp_path / "idd/leftImg8bit").rglob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-1500])
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 2
    assert picture.name in capsys.readouterr().err
    assert main([*arguments, "--no-verify"]) == 0
    assert len(PreparedFolder(tmp_path / "out")) == 2


def test_no_workers_cannot_work(tmp_path, capsys):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out"), "--workers", "0"]
    assert main(arguments) == 2
    assert "0 workers cannot work" in capsys.readouterr().err


def test_a_val_split_held_out_on_the_way(tmp_path, capsys):
    for drive in range(4):
        for number in range(3):
            add_idd_frame(tmp_path / "idd", drive=str(drive), frame=f"{number:06}")
    arguments = ["convert", "idd", str(tmp_path / "idd"), str(tmp_path / "out"), "--json"]
    arguments += ["--workers", "1"]
    assert main([*arguments, "--hold-out", "0.25"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["train"]["samples"], counts["val"]["samples"]) == (9, 3)
    assert main(arguments) == 2  # the same folder without it would be another split
    assert "with other options: hold_out is 0.25 there, not given here" in capsys.readouterr().err


def test_labels_left_out_on_purpose_are_told(tmp_path, capsys):
    photo(tmp_path / "s/x.jpg")
    corners = [(1, 1), (9, 1), (9, 9)]
    shapes = [cvat_polygon(label, corners) for label in ("chair", "car", "chair", "table")]
    write_cvat(tmp_path / "s/x.xml", OBSTACLES, [cvat_image("x.jpg", shapes)])
    arguments = ["convert", "sidewalk", str(tmp_path / "s"), str(tmp_path / "out")]
    assert main([*arguments, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "label left out on purpose" in said and "unknown label" not in said
    row = next(line for line in said.splitlines() if "'chair'" in line)
    assert "2" in row
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dropped_labels"] == {"chair": 2, "table": 1} and report["unknown_labels"] == {}
    (sample,) = PreparedFolder(tmp_path / "out").samples("train")
    assert sample.record.dropped_labels == {"chair": 2, "table": 1}
    assert sample.record.known_objects == 0 and set(sample.record.tags) == {"kind", "sequence"}


@pytest.mark.parametrize(
    ("source", "labels", "doubt"),
    [
        ("cityscapes", ["autorickshaw", "drivable fallback", "car", "car"], "labels of idd-id"),
        ("idd", ["static", "terrain", "dynamicgroup", "car"], "labels of cityscapes-id"),
        ("idd", ["lorry", "lorry", "car"], None),
        ("idd", ["car", "car"], None),
    ],
)
def test_another_dataset_is_suspected(tmp_path, capsys, source, labels, doubt):
    for number in range(3):
        objects = [idd_object(label, box(0, 0, 9, 9)) for label in labels]
        add_idd_frame(tmp_path / "data", frame=f"{number:06}", objects=objects)
    arguments = ["convert", source, str(tmp_path / "data"), str(tmp_path / "out")]
    assert main([*arguments, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert (f"{doubt}: is it that dataset?" in said) if doubt else ("that dataset" not in said)
    foreign = sum(label != "car" for label in labels)
    mostly = "on 3 of 3 samples most objects have unknown labels" in said
    assert mostly == (foreign > len(labels) - foreign)


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
