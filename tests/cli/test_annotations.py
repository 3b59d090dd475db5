"""`curbside annotations` as people call it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders_outward import drawn, make_prepared

from curbside.cli import main
from curbside.labels import load_space


@pytest.fixture
def data(tmp_path):
    space = load_space("idd-level3")
    instances = np.zeros((20, 30), np.uint16)
    instances[2:8, 3:12], instances[10:19, 5:25], instances[0, 0] = 4000, 9001, 9
    samples = {
        "train/a": {"instances": instances},
        "train/b": {"instances": np.zeros_like(instances)},
        "val/c": {"instances": instances},
        "val/d": {"semantic": np.zeros((20, 30), np.uint8)},
    }
    return str(make_prepared(tmp_path / "d", samples, space=space).root)


def test_yolo(tmp_path, data, capsys):
    out = tmp_path / "out"
    assert main(["annotations", "yolo", data, str(out)]) == 0
    told = capsys.readouterr().out
    assert "person_animal" in told and "autorickshaw_car" in told
    assert "samples skipped: 1 without instances" in told and "left out: 2 groups" in told
    assert "3 images written in" in told and str(out) in told
    assert (out / "labels/train/a.txt").read_text().startswith("0 ")
    assert (out / "labels/train/b.txt").read_text() == ""


def test_yolo_with_classes_of_ones_own_as_json(tmp_path, data, capsys):
    arguments = ["annotations", "yolo", data, str(tmp_path / "out"), "--json", "--split", "val"]
    assert main([*arguments, "--classes", "four wheels=car,truck", "people=person"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"val": {"images": 1, "without objects": 0, "objects": 2}}
    assert report["objects"] == {"people": 1, "four wheels": 1} and report["problems"] == []
    lines = (tmp_path / "out/labels/val/c.txt").read_text().splitlines()
    assert [line[0] for line in lines] == ["1", "0"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("coco-instances", "annotations/instances_train.json"),
        ("coco-panoptic", "annotations/panoptic_val.json"),
        ("cvat", "val.xml"),
    ],
)
def test_the_others(tmp_path, data, capsys, name, file):
    assert main(["annotations", name, data, str(tmp_path / "out"), "--workers", "1"]) == 0
    assert (tmp_path / "out" / file).is_file()
    assert "car" in capsys.readouterr().out


def test_the_options_of_a_format_reach_it(tmp_path, data, capsys):
    options = ["--classes", "space", "--no-backgrounds", "--min-area", "55", "--simplify", "1.5"]
    assert main(["annotations", "yolo", data, str(tmp_path / "out"), *options]) == 0
    told = capsys.readouterr().out
    assert "left out: 2 objects of fewer than 55 pixels" in told  # the persons have 54
    assert "samples skipped: 1 without objects" in told and "2 images written" in told
    marker = json.loads((tmp_path / "out/curbside-annotations.json").read_text())
    assert marker["formats"]["yolo"] == {
        "label_space": "idd-level3",
        "classes": ["space"],
        "backgrounds": False,
        "min_area": 55,
        "simplify": 1.5,
    }
    polygons = ["annotations", "coco-instances", data, str(tmp_path / "coco")]
    assert main([*polygons, "--segmentation", "polygon", "--split", "train"]) == 0
    found = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    single = [a for a in found["annotations"] if not a["iscrowd"]]
    assert single and all(isinstance(a["segmentation"], list) for a in single)
    assert not (tmp_path / "coco/annotations/instances_val.json").exists()


def test_no_workers_cannot_work(tmp_path, data, capsys):
    arguments = ["annotations", "cvat", data, str(tmp_path / "out"), "--workers", "0"]
    assert main(arguments) == 2
    assert "0 workers cannot work" in capsys.readouterr().err


def test_a_bad_sample_ends_with_2_unless_allowed(tmp_path, data, capsys):
    (tmp_path / "d/train/instances/a.png").write_bytes(b"")
    arguments = ["annotations", "cvat", data, str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 2
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("curbside annotations:")]
    assert len(lines) == 1 and "a.png" in lines[0] and "1 samples left out" in told.out
    assert main([*arguments, "--allow-bad"]) == 0


def test_a_coarse_space_is_one_line(tmp_path, capsys):
    data = make_prepared(
        tmp_path / "d",
        {"train/a": {"instances": drawn("...\n...")}},
        space=load_space("idd-level1"),
    )
    assert main(["annotations", "yolo", str(data.root), str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == 1 and "living-thing" in told.err
    assert not (tmp_path / "out").exists()


def test_a_bare_tree_needs_its_space(tmp_path, data, capsys):
    (tmp_path / "d/dataset.json").unlink()
    for item in ("a", "b"):
        (tmp_path / f"d/train/images/{item}.jpg").unlink()
    (tmp_path / "d/val/images/c.jpg").unlink()
    arguments = ["annotations", "cvat", data, str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "--space" in capsys.readouterr().err
    assert main([*arguments, "--space", "idd-level3"]) == 0
    assert "1 images written" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--simplify", "nan"], ["--simplify=-3"], ["--min-area=-1"]])
def test_impossible_options_are_one_line(tmp_path, data, capsys, options):
    assert main(["annotations", "cvat", data, str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 1 and "give 0 pixels or more" in told.err
    assert not (tmp_path / "out").exists()


def test_help_names_every_format_and_its_options(capsys):
    for arguments, words in (
        (["--help"], ("coco-instances", "coco-panoptic", "cvat", "yolo")),
        (["yolo", "--help"], ("--classes", "--backgrounds", "--min-area", "--split", "--json")),
        (["coco-instances", "--help"], ("--segmentation {rle,polygon}",)),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["annotations", *arguments])
        assert stopped.value.code == 0
        said = capsys.readouterr().out
        assert all(word in said for word in words)
