"""ACDC: conditions, references, and samples without truth."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from builders_raw import STREET, draw_ids, make_acdc_tree
from PIL import Image

from curbside.cli import main
from curbside.convert import convert
from curbside.convert.inward.acdc import Acdc
from curbside.errors import DataError
from curbside.prepared import PreparedFolder

FRAME = "GOPR0475_frame_000041"


def test_conditions_references_and_splits(tmp_path):
    result = convert(Acdc(root=make_acdc_tree(tmp_path / "a")), tmp_path / "out", workers=1)
    assert result.problems == ()
    assert {split: dict(counts) for split, counts in result.counts.items()} == {
        "train": {"samples": 4, "semantic": 3},  # one of the two references has a truth
        "val": {"samples": 4, "semantic": 2},
        "test": {"samples": 4},
    }
    samples = {s.id: s for s in PreparedFolder(tmp_path / "out").samples("train")}
    fog, reference = samples[f"fog_{FRAME}"], samples[f"fog_{FRAME}_ref"]
    assert fog.record.tags == {"weather": "fog", "condition": "fog", "sequence": "GOPR0475"}
    assert reference.record.tags == {
        "weather": "clear",
        "condition": "fog",
        "sequence": "GOPR0475",
        "reference_of": f"fog_{FRAME}",
    }
    np.testing.assert_array_equal(fog.read_semantic(), np.asarray(draw_ids(STREET, 1)))
    np.testing.assert_array_equal(reference.read_semantic(), np.asarray(draw_ids(STREET[:2], 1)))
    assert samples[f"night_{FRAME}_ref"].record.targets == ()
    assert fog.image_path.read_bytes() != reference.image_path.read_bytes()


def test_a_place_and_its_reference_are_never_divided_but_conditions_are_apart(tmp_path):
    items = Acdc(root=make_acdc_tree(tmp_path / "a")).plan()
    groups = {item.id: item.group for item in items if item.split == "train"}
    assert groups[f"fog_{FRAME}"] == groups[f"fog_{FRAME}_ref"]
    assert groups[f"night_{FRAME}"] == groups[f"night_{FRAME}_ref"]
    assert groups[f"fog_{FRAME}"] != groups[f"night_{FRAME}"]  # sequences may be called the same


def test_references_can_be_left_out(tmp_path):
    source = Acdc(root=make_acdc_tree(tmp_path / "a"), reference=False)
    result = convert(source, tmp_path / "out", workers=1)
    assert {split: counts["samples"] for split, counts in result.counts.items()} == {
        "train": 2,
        "val": 2,
        "test": 2,
    }


def test_label_ids_and_train_ids_say_the_same(tmp_path):
    root = make_acdc_tree(tmp_path / "a")
    convert(Acdc(root=root), tmp_path / "both", workers=1)
    convert(Acdc(root=root, labels="id"), tmp_path / "id", workers=1)
    for file in root.rglob("*_labelTrainIds.png"):
        file.unlink()
    convert(Acdc(root=root), tmp_path / "mapped", workers=1)
    for split in ("train", "val"):
        mapped, both, ids = (
            PreparedFolder(tmp_path / name).samples(split, target="semantic")
            for name in ("mapped", "both", "id")
        )
        for one, two, raw in zip(mapped, both, ids, strict=True):
            np.testing.assert_array_equal(one.read_semantic(), two.read_semantic())
            drawn = draw_ids(STREET[:2] if raw.id.endswith("_ref") else STREET, 0)
            np.testing.assert_array_equal(raw.read_semantic(), np.asarray(drawn))
    info = json.loads((tmp_path / "mapped/dataset.json").read_text())
    assert info["options"] == {"labels": "trainId", "form": "labelIds", "reference": True}


def test_a_condition_whose_masks_were_not_downloaded_is_unlabelled(tmp_path):
    root = make_acdc_tree(tmp_path / "a")
    shutil.rmtree(root / "gt/night")
    result = convert(Acdc(root=root, reference=False), tmp_path / "out", workers=1)
    assert result.problems == ()
    assert result.counts["train"] == {"samples": 2, "semantic": 1}
    assert result.counts["val"] == {"samples": 2, "semantic": 1}


def test_bad_samples_are_named(tmp_path):
    root = make_acdc_tree(tmp_path / "a", conditions=("fog", "night", "rain", "snow"))
    truths = {
        c: root / f"gt/{c}/train/GOPR0475/{FRAME}_gt_labelTrainIds.png" for c in ("fog", "night")
    }
    other = truths["fog"].with_name(truths["fog"].name.replace("000041", "000042"))
    truths["fog"].rename(other)  # the condition has masks, this picture none
    Image.new("L", (64, 48), 19).save(truths["night"])
    (root / f"rgb_anon/rain/val/GOPR0475/{FRAME}_rgb_anon.png").unlink()
    result = convert(Acdc(root=root), tmp_path / "out", workers=1)
    fog, lost, night, rain = result.problems
    assert f"{other} has no picture" in lost.message
    assert f"has no annotation; add {truths['fog']}" in fog.message
    assert f"{truths['night']}: 3072 pixels hold the id 19, which cityscapes19" in night.message
    assert "rain/val" in rain.message and "has no picture" in rain.message


def test_what_cannot_be_read_at_all_is_one_line(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        convert(Acdc(root=tmp_path / "gone"), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no rgb_anon folder"):
        convert(Acdc(root=tmp_path / "empty"), tmp_path / "out")
    root = make_acdc_tree(tmp_path / "a")
    for file in root.rglob("*Ids.png"):
        file.unlink()
    with pytest.raises(
        DataError, match=r"no file that ends in _gt_labelTrainIds\.png or _gt_labelIds"
    ):
        convert(Acdc(root=root), tmp_path / "out")


def test_the_command_line(tmp_path, capsys):
    root = make_acdc_tree(tmp_path / "a")
    arguments = ["convert", "acdc", str(root), str(tmp_path / "out"), "--workers", "1", "--json"]
    assert main([*arguments, "--no-reference"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["train"] == {"samples": 2, "semantic": 2}
