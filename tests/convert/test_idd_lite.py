"""IDD-Lite in its own layout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import photo
from builders_raw import clutter, make_idd_lite_tree
from PIL import Image

from curbside.cli import main
from curbside.convert import convert
from curbside.convert.inward.idd_lite import IddLite
from curbside.errors import DataError
from curbside.prepared import PreparedFolder


def test_classes_void_and_splits(tmp_path):
    root = make_idd_lite_tree(tmp_path / "lite")
    clutter(root / "leftImg8bit/train")
    clutter(root / "gtFine/train/0")
    result = convert(IddLite(root=root), tmp_path / "out", workers=1)
    assert result.problems == ()
    assert result.counts == {
        "train": {"samples": 3, "semantic": 3},
        "val": {"samples": 1, "semantic": 1},
        "test": {"samples": 1},
    }
    folder = PreparedFolder(tmp_path / "out")
    assert folder.space.name == "idd-lite7"
    (sample,) = folder.samples("val")
    row = np.repeat([0, 1, 2, 3, 4, 5, 6, 255], 8)
    np.testing.assert_array_equal(sample.read_semantic(), np.tile(row, (20, 1)))
    assert sample.id == "5_frame0029" and sample.record.tags == {"drive": "5"}


def test_bad_samples_are_named(tmp_path):
    root = make_idd_lite_tree(tmp_path / "lite")
    masks = {d: root / f"gtFine/train/{d}/frame0029_label.png" for d in ("0", "7")}
    Image.new("L", (64, 20), 7).save(masks["0"])
    masks["7"].unlink()
    photo(root / "leftImg8bit/train/19/frame0029_image.jpg", size_hw=(20, 60))
    result = convert(IddLite(root=root), tmp_path / "out", workers=1)
    said = sorted(problem.message for problem in result.problems)
    assert len(said) == 3
    for words in (
        f"{masks['0']}: 1280 pixels hold the id 7, which idd-lite7 does not have",
        f"has no annotation; add {masks['7']}",
        "frame0029_image.jpg: the picture is 60 x 20 pixels, its semantic target is 64 x 20",
    ):
        assert any(words in line for line in said), words


def test_what_cannot_be_read_at_all_is_one_line(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        convert(IddLite(root=tmp_path / "gone"), tmp_path / "out")
    (tmp_path / "empty/leftImg8bit").mkdir(parents=True)
    with pytest.raises(DataError, match="has no `_image` files"):
        convert(IddLite(root=tmp_path / "empty"), tmp_path / "out")


def test_the_command_line(tmp_path, capsys):
    root = make_idd_lite_tree(tmp_path / "lite")
    for part in ("leftImg8bit/val", "gtFine/val"):
        (root / part).rename(root / part.replace("val", "kept"))
    arguments = ["convert", "idd-lite", str(root), str(tmp_path / "out"), "--workers", "1"]
    assert main([*arguments, "--hold-out", "0.3", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts["train"]["samples"] == 2 and counts["val"]["samples"] == 1


def test_the_real_data_convert_whole(shared, tmp_path):
    root = shared / "data/idd20k_lite"
    result = convert(IddLite(root=root, hold_out=0.15), tmp_path / "out")
    assert result.problems == ()
    assert sum(counts["semantic"] for counts in result.counts.values()) == 1403
    folder = PreparedFolder(tmp_path / "out")
    held = {s.record.tags["drive"] for s in folder.samples("val")}
    assert held and not held & {s.record.tags["drive"] for s in folder.samples("train")}
    sample = folder.samples("val")[7]
    drive, frame = sample.id.split("_", 1)
    with Image.open(root / f"gtFine/train/{drive}/{frame}_label.png") as image:
        np.testing.assert_array_equal(sample.read_semantic(), np.asarray(image))
