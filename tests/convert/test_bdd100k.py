"""BDD100K's 10K semantic masks, in both releases."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import tree_bytes
from builders_raw import STREET, clutter, draw_ids, make_bdd100k_tree
from PIL import Image

from curbside.cli import main
from curbside.convert import convert
from curbside.convert.inward import bdd100k
from curbside.convert.inward.bdd100k import Bdd100k
from curbside.errors import DataError
from curbside.prepared import PreparedFolder

CLIP = "0a0a0b1a-7c39d841"


def test_both_releases_give_the_same_bytes(tmp_path):
    roots = {
        "new": make_bdd100k_tree(tmp_path / "new"),
        "old": make_bdd100k_tree(tmp_path / "old", newer=False),
        "seg": make_bdd100k_tree(tmp_path / "up", newer=False) / "seg",
    }
    for name, root in roots.items():
        result = convert(Bdd100k(root=root), tmp_path / f"out-{name}", workers=1)
        assert result.problems == ()
        assert result.counts == {
            "train": {"samples": 2, "semantic": 2},
            "val": {"samples": 1, "semantic": 1},
            "test": {"samples": 1},
        }
    new, old, seg = (tree_bytes(tmp_path / f"out-{name}") for name in roots)
    for tree in (new, old, seg):
        del tree["dataset.json"]
    assert new == old == seg
    sample = PreparedFolder(tmp_path / "out-new").samples("train")[0]
    np.testing.assert_array_equal(sample.read_semantic(), np.asarray(draw_ids(STREET, 1)))
    assert sample.id == CLIP and sample.record.tags == {}


@pytest.mark.parametrize("wrapped", [False, True])
def test_tags_come_from_label_files(tmp_path, wrapped):
    said = {"weather": "rainy", "scene": "city street", "timeofday": "undefined", "other": "x"}
    frames = [{"name": f"{CLIP}.jpg", "attributes": said}, {"name": "elsewhere.jpg"}, 3]
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"frames": frames} if wrapped else frames))
    source = Bdd100k(root=make_bdd100k_tree(tmp_path / "b"), attributes=(labels,))
    convert(source, tmp_path / "out", workers=1)
    tags = {s.id: s.record.tags for s in PreparedFolder(tmp_path / "out").samples("train")}
    assert tags == {
        CLIP: {"weather": "rainy", "scene": "city street"},
        "0b0a0b1a-7c39d841": {},
    }


def test_tags_of_several_files_are_put_together_and_huge_files_refused(tmp_path, monkeypatch):
    clips, files = (CLIP, "0b0a0b1a-7c39d841"), []
    for number, clip in enumerate(clips):
        files.append(tmp_path / f"{number}.json")
        said = {"weather": ("snowy", "clear")[number], "timeofday": ""}
        files[-1].write_text(json.dumps([{"name": f"{clip}.jpg", "attributes": said}]))
    source = Bdd100k(root=make_bdd100k_tree(tmp_path / "b"), attributes=tuple(files))
    tags = {item.id: item.load().tags for item in source.plan() if item.split == "train"}
    assert tags == {clips[0]: {"weather": "snowy"}, clips[1]: {"weather": "clear"}}
    monkeypatch.setattr(bdd100k, "_MAX_BYTES", 50)
    with pytest.raises(DataError, match=r"0\.json has .* bytes, more than the 50 allowed"):
        source.plan()


@pytest.mark.parametrize("content", ["{", "3", '{"frames": 1}'])
def test_a_label_file_of_something_else_is_refused(tmp_path, content):
    labels = tmp_path / "labels.json"
    labels.write_text(content)
    source = Bdd100k(root=make_bdd100k_tree(tmp_path / "b"), attributes=(labels,))
    with pytest.raises(DataError, match=r"labels\.json"):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_samples_are_named(tmp_path):
    root = make_bdd100k_tree(tmp_path / "b")
    masks = root / "labels/sem_seg/masks/train"
    clutter(masks)
    colours = masks / f"{CLIP}.png"
    Image.new("RGBA", (64, 48)).save(colours)
    (masks / "0b0a0b1a-7c39d841.png").unlink()
    first, second = convert(Bdd100k(root=root), tmp_path / "out", workers=1).problems
    assert f"{colours} holds RGBA pixels" in first.message
    assert f"add {masks / '0b0a0b1a-7c39d841.png'} or remove the picture" in second.message


def test_what_cannot_be_read_at_all_is_one_line(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        convert(Bdd100k(root=tmp_path / "gone"), tmp_path / "out")
    make_bdd100k_tree(tmp_path / "up/bdd100k")
    with pytest.raises(
        DataError, match=r"up does not have the layout of BDD100K: did you mean .*/up/bdd100k"
    ):
        convert(Bdd100k(root=tmp_path / "up"), tmp_path / "out")
    for file in (tmp_path / "up").rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match="has no masks"):
        convert(Bdd100k(root=tmp_path / "up/bdd100k"), tmp_path / "out")


def test_the_command_line(tmp_path, capsys):
    root = make_bdd100k_tree(tmp_path / "b")
    labels = tmp_path / "val.json"
    labels.write_text(json.dumps([{"name": f"{CLIP}.jpg", "attributes": {"weather": "foggy"}}]))
    arguments = ["convert", "bdd100k", str(root), str(tmp_path / "out"), "--workers", "1", "--json"]
    assert main([*arguments, "--attributes", str(labels)]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["test"] == {"samples": 1}
    sample = PreparedFolder(tmp_path / "out").samples("train")[0]
    assert sample.record.tags == {"weather": "foggy"}
